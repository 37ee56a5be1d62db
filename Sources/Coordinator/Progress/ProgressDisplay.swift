import Glibc
import Support
import Synchronization

/// The one live line at the bottom of a terminal; log lines push it down instead of mixing with it.
final class LiveLine: Sendable {
    private let isShown = Mutex(false)

    /// Characters that have room in it. A line that fills the last column would wrap around on some terminals.
    var width: Int { max(20, Terminal.width(of: STDERR_FILENO) - 1) }

    /// Draws `text` over the line that is there, cut to the terminal's width.
    func show(_ text: String) {
        let line = text.prefix(width)
        isShown.withLock { shown in
            writeAll("\r\u{1b}[K\(line)", to: STDERR_FILENO)
            shown = true
        }
    }

    /// Removes the line, so that something else can be written.
    func clear() {
        isShown.withLock { shown in
            if shown { writeAll("\r\u{1b}[K", to: STDERR_FILENO) }
            shown = false
        }
    }
}

/// Shows the progress of a job while it runs: a live line on a terminal, else a log line every few seconds.
struct ProgressDisplay: Sendable {
    /// Nil where standard error is no terminal.
    var liveLine: LiveLine?
    var logger: Logger

    /// Runs `body` and shows `snapshot()` meanwhile.
    func show<Result: Sendable>(
        _ snapshot: @escaping @Sendable () async -> ProgressSnapshot, while body: () async throws -> Result
    ) async throws -> Result {
        let display = Task { await run(snapshot) }
        defer {
            display.cancel()
            liveLine?.clear()
        }
        return try await body()
    }

    private func run(_ snapshot: @Sendable () async -> ProgressSnapshot) async {
        let interval: Duration = liveLine == nil ? .seconds(5) : .milliseconds(200)
        var meter = ProgressMeter()
        while (try? await Task.sleep(for: interval)) != nil {
            let current = await snapshot()
            guard !Task.isCancelled else { return }
            let rates = meter.rates(of: current, at: .now)
            let line = liveLine.map { current.line(rates, width: $0.width) } ?? current.line(rates)
            // Between two phases there is nothing to tell.
            guard !line.isEmpty else { continue }
            if let liveLine { liveLine.show(line) } else { logger.info(line) }
        }
    }
}
