import Glibc
import HTTP
import Support
import Synchronization

/// HTTP/1.1 over sockets of its own, for what is done by the million: small requests, and bodies passed from one server to
/// another. All else it leaves to another client: streams, HTTP/2, proxies, client certificates, and servers whose answers
/// are not what this one reads.
package final class WireHTTPClient: HTTPRelay {
    private let fallback: any HTTPClient
    private let environment: ConnectionEnvironment
    private let mailboxes: [LoopMailbox<WireCommand>]
    private let choice: LoopChoice
    /// Where this client has met something it does not understand.
    private let unsuited = Mutex<Set<Origin>>([])

    /// - Parameters:
    ///   - fallback: does what this one does not.
    ///   - loops: event loops, one thread each; as many as the machine has processors, and at most 8, if not told otherwise.
    ///   - maximumConnectionsPerHost: requests beyond it wait for their turn. The receiving ends of relays do not count.
    ///   - environment: looks up `SSL_CERT_FILE`, `SSL_CERT_DIR` and the variables of proxies.
    package convenience init(
        fallback: any HTTPClient,
        loops: Int = max(1, min(8, sysconf(Int32(_SC_NPROCESSORS_ONLN)))),
        maximumConnectionsPerHost: Int = 256,
        environment: (String) -> String? = environmentVariable
    ) {
        self.init(
            fallback: fallback, loops: loops, maximumConnectionsPerHost: maximumConnectionsPerHost,
            environment: environment,
            lookUp: { (origin: Origin, isNumeric: Bool) throws(BackupError) -> [SocketAddress] in
                try SocketAddress.lookUp(origin, isNumeric: isNumeric)
            })
    }

    /// - Parameter lookUp: asks the name service.
    init(
        fallback: any HTTPClient, loops: Int, maximumConnectionsPerHost: Int, environment: (String) -> String?,
        lookUp: @escaping SocketAddress.LookUp
    ) {
        precondition(loops > 0)
        // OpenSSL writes without MSG_NOSIGNAL.
        signal(SIGPIPE, SIG_IGN)
        self.fallback = fallback
        self.environment = ConnectionEnvironment(environment)
        let contexts = TLSContexts(self.environment)
        let connectionsPerLoop = max(1, (maximumConnectionsPerHost + loops - 1) / loops)
        mailboxes = (0..<loops).compactMap { index in
            guard let mailbox = try? LoopMailbox<WireCommand>() else { return nil }
            WireHTTPClient.startLoop(index, mailbox, contexts, connectionsPerLoop, lookUp)
            return mailbox
        }
        choice = LoopChoice(loops: max(1, mailboxes.count))
    }

    deinit { shutdown() }

    /// Ends all calls with `canceled` and stops the threads.
    package func shutdown() {
        for mailbox in mailboxes { mailbox.post(.stop) }
    }

    package func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        if case .pipe = request.body { return try await fallback.send(request) }
        guard isSuited(request) else { return try await fallback.send(request) }
        do {
            return try await submit(bytes: Int64(request.bodySize)) { .request(request, $0) }
        } catch let error as RelayUnsuited {
            remember(error, [request])
            // What a POST does may have been done already.
            guard request.method != "POST" || !error.isLasting else {
                throw BackupError(.protocolViolation, error.reason, isRetryable: true)
            }
            return try await fallback.send(request)
        }
    }

    package func download(_ request: HTTPRequest, into pipe: BytePipe) async throws -> HTTPResponse {
        try await fallback.download(request, into: pipe)
    }

    package func relay(_ relay: RelayRequest) async throws -> RelayOutcome {
        guard isSuited(relay.source), isSuited(relay.destination) else {
            throw RelayUnsuited("a proxy, a client certificate or a server that is not understood")
        }
        do {
            return try await submit(bytes: relay.length) { .relay(relay, $0) }
        } catch let error as RelayUnsuited {
            remember(error, [relay.source, relay.destination])
            throw error
        }
    }

    private func isSuited(_ request: HTTPRequest) -> Bool {
        guard !mailboxes.isEmpty, request.isPlainEnough(environment) else { return false }
        return unsuited.withLock { origins in
            if origins.isEmpty { return true }
            guard let (origin, _) = try? Origin.split(request.url) else { return false }
            return !origins.contains(origin)
        }
    }

    /// A server that was not understood once is left to the other client from then on.
    private func remember(_ error: RelayUnsuited, _ requests: [HTTPRequest]) {
        guard error.isLasting else { return }
        for request in requests {
            guard let (origin, _) = try? Origin.split(request.url), error.reason.hasPrefix("\(origin): ") else {
                continue
            }
            unsuited.withLock { _ = $0.insert(origin) }
        }
    }

    private func submit<Answer: Sendable>(
        bytes: Int64, _ work: (CheckedContinuation<Answer, any Error>) -> Submission.Work
    ) async throws -> Answer {
        guard !Task.isCancelled else { throw BackupError(.canceled, "canceled") }
        let id = CallID()
        let (loop, load) = choice.enter(bytes: bytes) { mailboxes[$0].isBusy }
        defer { choice.leave(loop, load: load) }
        let mailbox = mailboxes[loop]
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { reply in
                let submission = Submission(id: id, work: work(reply))
                guard mailbox.post(.start(submission)) else {
                    return submission.fail(BackupError(.canceled, "the HTTP client has been shut down"))
                }
                // A cancellation that came meanwhile has found nothing to cancel.
                if Task.isCancelled { mailbox.post(.cancel(id)) }
            }
        } onCancel: {
            mailbox.post(.cancel(id))
        }
    }

    private static func startLoop(
        _ index: Int, _ mailbox: LoopMailbox<WireCommand>, _ contexts: TLSContexts, _ connectionsPerPeer: Int,
        _ lookUp: @escaping SocketAddress.LookUp
    ) {
        startMovingThread(named: "wire-\(index)") {
            do throws(BackupError) {
                try WireLoop(mailbox, contexts, connectionsPerPeer: connectionsPerPeer, lookUp: lookUp).run()
            } catch {
                // Every call to a loop that cannot run fails with the reason.
                for case .start(let submission) in mailbox.close() { submission.fail(error) }
            }
        }
    }
}

extension HTTPRequest {
    fileprivate var bodySize: Int { if case .bytes(let bytes) = body { bytes.count } else { 0 } }
}
