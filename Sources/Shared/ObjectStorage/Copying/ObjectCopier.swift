import Support

/// Copies objects between two stores, by the store itself or through this process.
///
/// - Every request and every stream is tried again by itself (``CopyOptions/retry``), since a stream cannot be rewound: give
///   it stores that do not retry on their own, or tries multiply.
/// - Memory does not depend on the size of an object: pipes hold as much as ``CopyOptions/maximumStreams`` whole ones.
/// - What it learns about a pair of stores it remembers: use one copier for the whole process.
package final class ObjectCopier: Sendable {
    let options: CopyOptions
    let clock: any Clock<Duration>
    let logger: Logger
    let routes = CopyRoutes()
    let watchdog: StallWatchdog
    /// What all copies together may use.
    package let limiter = CopyLimiter()
    /// What the endpoints can take.
    let gates: EndpointGates
    /// ``CopyOptions/streamShares`` permits for each stream that needs a whole pipe, whole objects and parts alike.
    let streamSlots: AsyncSemaphore
    /// A permit for each copy request.
    let storeSlots: AsyncSemaphore

    package init(
        options: CopyOptions = CopyOptions(), clock: any Clock<Duration> = ContinuousClock(), logger: Logger = .silent
    ) {
        self.options = options
        self.clock = clock
        self.logger = logger
        watchdog = StallWatchdog(interval: options.stallTimeout / 8, clock: clock)
        let most = max(options.maximumStreams, options.maximumStoreCopies)
        gates = EndpointGates(
            bounds: .init(minimum: options.minimumRequests, maximum: most), clock: clock, logger: logger)
        streamSlots = AsyncSemaphore(permits: options.maximumStreams * CopyOptions.streamShares)
        storeSlots = AsyncSemaphore(permits: options.maximumStoreCopies)
    }

    /// Copies one object.
    ///
    /// - Parameter progress: shows how far this copy is.
    /// - Throws: `notFound` when the source is gone or has changed since it was listed; `corrupted` when its bytes are more
    ///   or fewer than listed, or did not arrive as they were sent; `canceled`; what the stores throw. When neither the
    ///   store nor a stream could do it, the stream's error.
    package func copy(
        _ source: CopySource, to destination: CopyDestination, mode: CopyMode, progress: CopyProgress = CopyProgress()
    ) async throws(BackupError) -> CopyOutcome {
        try await copy(source, to: destination, mode, progress) {
            try await self.copyInStore(source, destination, progress)
        } streaming: {
            try await self.stream(source, destination, progress)
        }
    }

    /// Copies in one of two ways, as `mode` says.
    func copy(
        _ source: CopySource, to destination: CopyDestination, _ mode: CopyMode, _ progress: CopyProgress,
        inStore copyInStore: () async throws -> StoredObject, streaming stream: () async throws -> CopyOutcome
    ) async throws(BackupError) -> CopyOutcome {
        do {
            try checkDifferent(source, destination)
            let isSameBackend = source.store.identity.isSameBackend(as: destination.store.identity)
            return switch mode {
            case .auto where !isSameBackend: try await stream()
            case .streaming: try await stream()
            case .direct: try await copyDirectly(source, destination, copyInStore)
            case .auto, .directOrStreaming: try await copyOrStream(source, destination, progress, copyInStore, stream)
            }
        } catch {
            throw Task.isCancelled ? BackupError(.canceled, "canceled", cause: error) : BackupError(wrapping: error)
        }
    }

    private func checkDifferent(_ source: CopySource, _ destination: CopyDestination) throws(BackupError) {
        guard
            source.store.identity != destination.store.identity
                || !source.key.utf8.elementsEqual(destination.key.utf8)
        else {
            throw BackupError(
                .invalidArgument,
                "\"\(source.key)\" in bucket \"\(source.store.identity.bucket)\" is its own destination")
        }
    }

    // MARK: Modes

    private func copyDirectly(
        _ source: CopySource, _ destination: CopyDestination, _ copyInStore: () async throws -> StoredObject
    ) async throws -> CopyOutcome {
        let (from, to) = (source.store.identity, destination.store.identity)
        do {
            let stored = try await copyInStore()
            return CopyOutcome(etag: stored.etag, copiedByStore: true)
        } catch let error as BackupError where !from.isSameBackend(as: to) && !error.isRetryable {
            var failure = error.prefixed(
                "\(from.provider) \(from.endpoint) and \(to.provider) \(to.endpoint) are not the same backend, and a "
                    + "direct copy between them failed")
            failure.hint = "use transfer mode auto or streaming"
            throw failure
        }
    }

    private func copyOrStream(
        _ source: CopySource, _ destination: CopyDestination, _ progress: CopyProgress,
        _ copyInStore: () async throws -> StoredObject, _ stream: () async throws -> CopyOutcome
    ) async throws -> CopyOutcome {
        let (from, to) = (source.store.identity, destination.store.identity)
        if let reason = routes.refusal(from, to) {
            var outcome = try await stream()
            outcome.fallback = reason
            return outcome
        }
        do {
            let stored = try await copyInStore()
            return CopyOutcome(etag: stored.etag, copiedByStore: true)
        } catch let error as BackupError where streamingMayHelp(after: error, from, to) && !Task.isCancelled {
            progress.reset()
            var outcome = try await stream()
            // Only now it is known that the store refuses the copy and not the object.
            outcome.fallback = error.message
            if routes.remember(refusal: error.message, from, to) {
                logger.warn(
                    "the store refuses to copy by itself; from now on the bytes are streamed",
                    ["from": from.bucket, "to": to.bucket, "reason": error.message])
            }
            return outcome
        }
    }

    /// Two endpoints that are one backend for somebody else may be none for this process: then the source itself may not be
    /// found.
    private func streamingMayHelp(after error: BackupError, _ from: StoreIdentity, _ to: StoreIdentity) -> Bool {
        CopyRoutes.streamingMayHelp(after: error) || (!from.isSameBackend(as: to) && !error.isRetryable)
    }

    // MARK: For all ways

    /// Tries `operation` until it succeeds, as the options say.
    func retrying<Result>(_ what: @autoclosure () -> String, _ operation: () async throws -> Result) async throws
        -> Result
    {
        try await withRetries(options.retry, clock: clock) { error, attempt in
            // Single failures are ordinary; what goes on for seconds is not.
            let log = attempt < 5 ? logger.debug : logger.warn
            log("trying again: \(what())", ["attempt": attempt, "error": error.message])
        } _: {
            try await operation()
        }
    }

    /// One request that shows no progress, when it is its turn, watched.
    func watched<Result: Sendable>(
        _ what: @autoclosure () -> String, timeout: Duration, _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await limiter.requests.acquire(1)
        return try await watchdog.watch(what(), timeout: timeout, progress: { 0 }, body)
    }
}
