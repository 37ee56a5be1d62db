import ObjectStorage
import ObjectStorageTesting
import Support

/// Two stores and a copier, scaled down: parts of ten bytes, streams in parts from a hundred bytes on.
struct CopyingBench {
    var from: MemoryObjectStore
    var to: MemoryObjectStore
    let copier: ObjectCopier
    let log = MemorySink()

    /// - Parameter sharesBackend: whether both stores are buckets of one backend, which can copy by itself.
    init(
        sharesBackend: Bool = false, clock: any Clock<Duration> = ContinuousClock(),
        _ change: (inout CopyOptions) -> Void = { _ in }
    ) {
        var limits = StoreLimits()
        limits.minimumPartSize = 5
        limits.maximumParts = 100
        limits.maximumPutSize = 1000
        limits.maximumCopySize = 1000
        let backend = MemoryBackend()
        from = MemoryObjectStore(bucket: "from", backend: backend, limits: limits)
        to = MemoryObjectStore(bucket: "to", backend: sharesBackend ? backend : MemoryBackend(), limits: limits)
        var options = CopyOptions()
        options.multipartCopyThreshold = 100
        options.minimumCopyPartSize = 10
        options.multipartStreamThreshold = 100
        options.streamPartSize = 10
        options.pipeCapacity = 7
        options.retry = RetryPolicy(attempts: 3, initialDelay: .zero, maximumDelay: .zero)
        change(&options)
        copier = ObjectCopier(
            options: options, clock: clock, logger: Logger(label: "copy", level: .debug, sinks: [log]))
    }

    static func bytes(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ 7) } }

    /// Copies `from/k` to `to/k`.
    func copy(
        _ mode: CopyMode = .auto, size: Int, etag: String? = nil, progress: CopyProgress = CopyProgress()
    ) async throws -> CopyOutcome {
        try await copier.copy(
            CopySource(store: from, key: "k", size: Int64(size), etag: etag), to: CopyDestination(store: to, key: "k"),
            mode: mode, progress: progress)
    }

    /// The error of a copy that must fail.
    func failure(_ mode: CopyMode = .auto, size: Int, etag: String? = nil) async -> BackupError? {
        do {
            _ = try await copy(mode, size: size, etag: etag)
            return nil
        } catch { return BackupError(wrapping: error) }
    }
}
