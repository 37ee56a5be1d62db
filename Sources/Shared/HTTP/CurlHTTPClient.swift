import CCurl
import Glibc
import Support

/// ``HTTPClient`` over libcurl: a few threads, each an event loop with connections of its own.
package final class CurlHTTPClient: HTTPClient {
    private let mailboxes: [LoopMailbox<LoopCommand>]
    private let balancer: LoopBalancer
    private let startFailure: BackupError?

    /// - Parameters:
    ///   - loops: event loops, one thread each; as many as the machine has processors if not told otherwise.
    ///   - maximumConnectionsPerHost: requests beyond it wait for their turn. Streamed uploads do not count.
    ///   - environment: looks up `SSL_CERT_FILE`, `SSL_CERT_DIR` and the variables of proxies.
    package init(
        loops: Int = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))),
        maximumConnectionsPerHost: Int = 256,
        environment: (String) -> String? = environmentVariable
    ) {
        precondition(loops > 0)
        CurlHTTPClient.prepareProcess
        let environment = ConnectionEnvironment(environment)
        let balancer = LoopBalancer(loops: loops)
        let connectionsPerOrigin = max(1, (maximumConnectionsPerHost + loops - 1) / loops)
        var mailboxes: [LoopMailbox<LoopCommand>] = []
        var failure: BackupError?
        do throws(BackupError) {
            for _ in 0..<loops { mailboxes.append(try LoopMailbox<LoopCommand>()) }
        } catch {
            failure = error
        }
        if failure == nil {
            for (index, mailbox) in mailboxes.enumerated() {
                CurlHTTPClient.startLoop(index, mailbox, balancer, environment, connectionsPerOrigin)
            }
        }
        self.mailboxes = mailboxes
        self.balancer = balancer
        startFailure = failure
    }

    deinit { shutdown() }

    /// Ends all transfers with `canceled` and stops the threads; later requests fail with `canceled`.
    package func shutdown() {
        for mailbox in mailboxes { mailbox.post(.stop) }
    }

    package func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        try await submit(request, .memory)
    }

    package func download(_ request: HTTPRequest, into pipe: BytePipe) async throws -> HTTPResponse {
        try await submit(request, .pipe(pipe))
    }

    private func submit(_ request: HTTPRequest, _ destination: Submission.Destination) async throws -> HTTPResponse {
        let cancellation = CancellationFlag()
        let id = TransferID()
        do {
            if let startFailure { throw startFailure }
            let (origin, pathAndQuery) = try Origin.split(request.url)
            try request.validate(for: origin)
            let placement = balancer.place(pipe: CurlHTTPClient.pipe(request, destination))
            let mailbox = mailboxes[placement.loop]
            return try await withTaskCancellationHandler {
                try await withCheckedThrowingContinuation { reply in
                    let submission = Submission(
                        id: id, request: request, origin: origin, pathAndQuery: pathAndQuery, destination: destination,
                        submitted: .now, cancellation: cancellation, placement: placement, reply: reply)
                    if !mailbox.post(.start(submission)) {
                        submission.uploadPipe?.cancel()
                        balancer.release(placement)
                        reply.resume(throwing: shutDownError)
                    }
                }
            } onCancel: {
                // The flag is for the case that this comes before the request itself.
                cancellation.set()
                mailbox.post(.cancel(id))
            }
        }
    }

    /// The pipe that binds this transfer to another one.
    private static func pipe(_ request: HTTPRequest, _ destination: Submission.Destination) -> BytePipe? {
        if case .pipe(let pipe, _) = request.body { return pipe }
        if case .pipe(let pipe) = destination { return pipe }
        return nil
    }

    /// Once for the process, before its first transfer.
    private static let prepareProcess: Void = {
        // Without libcurl's own guard (CURLOPT_NOSIGNAL) a write to a closed connection would end the process.
        signal(SIGPIPE, SIG_IGN)
        curl_global_init(Int(CURL_GLOBAL_DEFAULT))
    }()

    private static func startLoop(
        _ index: Int, _ mailbox: LoopMailbox<LoopCommand>, _ balancer: LoopBalancer,
        _ environment: ConnectionEnvironment,
        _ connectionsPerOrigin: Int
    ) {
        startMovingThread(named: "http-\(index)") {
            do throws(BackupError) {
                try EventLoop(
                    mailbox: mailbox, balancer: balancer, environment: environment,
                    connectionsPerOrigin: connectionsPerOrigin
                ).run()
            } catch {
                // Every request to a loop that cannot run fails with the reason.
                refuseAll(mailbox, error)
            }
        }
    }

    private static func refuseAll(_ mailbox: LoopMailbox<LoopCommand>, _ error: BackupError) {
        for case .start(let submission) in mailbox.close() {
            submission.uploadPipe?.cancel()
            submission.reply.resume(throwing: error)
        }
    }
}
