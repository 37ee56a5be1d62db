import Configuration
import HTTP
import ObjectStorage
import Support

/// How far the clock of a store is from ours.
struct ClockSkew: Sendable, Hashable {
    /// More than that is worth a word.
    static let noticed: Int64 = 5
    /// Signatures (SigV4) are valid for so long.
    static let bound: Int64 = 15 * 60

    /// Seconds that the store is ahead; negative when it is behind.
    let seconds: Int64

    /// - Parameters:
    ///   - store: the store's time in whole seconds, told at some moment between the other two.
    init(store: Timestamp, sent: Timestamp, received: Timestamp) {
        seconds = store.seconds - max(sent.seconds, min(received.seconds, store.seconds))
    }

    func finding(_ name: String) -> CheckFinding {
        let amount = Swift.Duration.seconds(Int64(seconds.magnitude))
        let text = "the store is \(amount.components.seconds) s \(seconds < 0 ? "behind" : "ahead of") this machine"
        switch Int64(seconds.magnitude) {
        case 0...1: return .ok(name, "as that of this machine")
        case ...Self.noticed: return .ok(name, text)
        case ...Self.bound: return .warning(name, "\(text); signed requests are refused from \(Self.bound) s on")
        default:
            return .error(
                name,
                BackupError(
                    .configuration, "\(name): \(text), and signed requests are refused from \(Self.bound) s on",
                    hint: "set the clocks right, for instance with chrony or systemd-timesyncd"))
        }
    }
}

extension StorageSettings {
    /// Google's own storage has one address, whatever the port says.
    fileprivate var server: String {
        let isGoogle = provider == .gcpnative && ".\(address)".hasSuffix(".googleapis.com")
        return isGoogle ? "https://storage.googleapis.com" : "\(useSSL ? "https" : "http")://\(endpoint)"
    }
}

/// Asks a store for its time: every HTTP answer has it, also a refusal.
struct ClockCheck: Sendable {
    let http: any HTTPClient

    func run(_ name: String, _ storage: StorageSettings) async -> CheckFinding {
        var request = HTTPRequest("HEAD", "\(storage.server)/")
        request.tls.caCertPath = storage.caCertPath
        request.totalTimeout = .seconds(10)
        do {
            let sent = Timestamp.now()
            let response = try await http.send(request)
            let received = Timestamp.now()
            guard let date = response.headers["date"], let time = Timestamp(httpDate: date) else {
                return .warning(name, "not known: the store does not tell its time")
            }
            return ClockSkew(store: time, sent: sent, received: received).finding(name)
        } catch {
            return .warning(name, "not known: \(BackupError(wrapping: error))")
        }
    }
}
