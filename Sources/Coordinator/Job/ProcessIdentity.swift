import Glibc

/// A process, so that another one can tell whether it still lives. It can only where both see the same processes: in one
/// boot of one machine, and in one container or outside of all.
struct ProcessIdentity: Sendable, Hashable {
    /// The boot and the namespace of process ids.
    let scope: String
    let id: Int
    /// When it began, in ticks since the boot: ids are used again.
    let start: String

    /// This process; nil where /proc does not tell.
    static let current: ProcessIdentity? = {
        guard let boot = firstLine(of: "/proc/sys/kernel/random/boot_id"), !boot.isEmpty,
            let namespace = namespace(), let start = startTime(of: Int(getpid()))
        else { return nil }
        return ProcessIdentity(scope: "\(boot) \(namespace)", id: Int(getpid()), start: start)
    }()

    /// As it is written into a record.
    var text: String { "\(scope) \(id) \(start)" }

    init(scope: String, id: Int, start: String) {
        self.scope = scope
        self.id = id
        self.start = start
    }

    /// Nil for a text that is none.
    init?(text: String) {
        let words = text.split(separator: " ")
        guard words.count == 4, let id = Int(words[2]) else { return nil }
        self.init(scope: "\(words[0]) \(words[1])", id: id, start: String(words[3]))
    }

    /// Whether it is certain that the process has ended.
    ///
    /// - Parameters:
    ///   - observer: who wants to know.
    ///   - startTime: of the process that has an id now; nil when there is none.
    func hasEnded(
        observer: ProcessIdentity? = .current, startTime: (Int) -> String? = ProcessIdentity.startTime(of:)
    ) -> Bool {
        scope == observer?.scope && startTime(id) != start
    }

    static func startTime(of id: Int) -> String? {
        // The name, which may contain anything, is in brackets; the time is the 20th field behind it.
        guard let line = firstLine(of: "/proc/\(id)/stat"), let bracket = line.lastIndex(of: ")") else { return nil }
        let fields = line[line.index(after: bracket)...].split(separator: " ")
        // A zombie has ended.
        guard fields.count > 19, fields[0] != "Z" else { return nil }
        return String(fields[19])
    }

    private static func namespace() -> String? {
        let bytes = [UInt8](unsafeUninitializedCapacity: 64) { buffer, count in
            guard let start = buffer.baseAddress else { return }
            count = start.withMemoryRebound(to: CChar.self, capacity: 64) {
                max(0, readlink("/proc/self/ns/pid", $0, 64))
            }
        }
        return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
    }

    private static func firstLine(of path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 1 << 12)
        let count = fread(&buffer, 1, buffer.count, file)
        return String(decoding: buffer[..<count].prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self)
    }
}
