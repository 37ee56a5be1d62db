import ObjectStorage
import Support

/// What a store can do beyond what every store must.
package struct StoreFeatures: OptionSet, Sendable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }

    /// Keys with `//`, segments of dots, or a leading slash. A store without it may refuse them.
    package static let anyPath = StoreFeatures(rawValue: 1)
    /// Keys with control characters. A store without it refuses them.
    package static let controlCharacters = StoreFeatures(rawValue: 2)
    /// Uploads are listed by any prefix and not only by their whole key.
    package static let uploadsByPrefix = StoreFeatures(rawValue: 4)
    /// Keys with line feeds are treated like those with other control characters. A store without it is not asked for them.
    package static let lineFeeds = StoreFeatures(rawValue: 8)
    /// An upload that was aborted is not found. A store without it may fail in any way.
    package static let endedUploads = StoreFeatures(rawValue: 16)
    /// Objects can be uploaded in parts. A store without it says so with `unsupported`.
    package static let multipart = StoreFeatures(rawValue: 32)
    /// Keys below another object's key. A store without it refuses them.
    package static let nestedKeys = StoreFeatures(rawValue: 64)
    /// Uploads that nobody has ended are listed. A store without it lists none.
    package static let pendingUploads = StoreFeatures(rawValue: 128)
    package static let all: StoreFeatures = [
        .anyPath, .controlCharacters, .uploadsByPrefix, .lineFeeds, .endedUploads, .multipart, .nestedKeys,
        .pendingUploads,
    ]
}

/// A clause of the ``ObjectStore`` contract that a store does not hold.
package struct ConformanceFailure: Error, CustomStringConvertible {
    package var description: String
}

/// One clause of the ``ObjectStore`` contract.
package struct ConformanceCheck: Sendable, CustomStringConvertible {
    package let description: String
    /// Stores without them are not checked.
    private let needs: StoreFeatures
    private let body: @Sendable (ConformanceBench) async throws -> Void

    init(
        _ description: String, needs: StoreFeatures = [],
        _ body: @escaping @Sendable (ConformanceBench) async throws -> Void
    ) {
        self.description = description
        self.needs = needs
        self.body = body
    }

    /// All clauses: to be used as the arguments of a test.
    package static let all = objects + failures + keys + listings + copies + uploads + deletions

    /// Runs this check below a prefix of its own, which is emptied afterwards.
    ///
    /// - Parameters:
    ///   - prefix: ends with `/`; nothing else may use it.
    ///   - other: another bucket of the same backend, if there is one.
    /// - Throws: ``ConformanceFailure``, or what the store has thrown against the contract.
    package func run(
        on store: any ObjectStore, prefix: String, features: StoreFeatures = .all, other: (any ObjectStore)? = nil
    ) async throws {
        guard features.isSuperset(of: needs) else { return }
        let name = description.map { $0.isLetter || $0.isNumber ? String($0) : "-" }.joined()
        let bench = ConformanceBench(store: store, other: other, prefix: "\(prefix)\(name)/", features: features)
        do {
            try await body(bench)
        } catch {
            _ = try? await store.deleteAll(prefix: bench.prefix)
            throw error
        }
        try await store.deleteAll(prefix: bench.prefix)
    }
}

/// Runs every check, one after the other.
package func checkConformance(
    of store: any ObjectStore, prefix: String, features: StoreFeatures = .all, other: (any ObjectStore)? = nil
) async throws {
    for check in ConformanceCheck.all {
        try await check.run(on: store, prefix: prefix, features: features, other: other)
    }
}

/// What checks work with.
struct ConformanceBench: Sendable {
    let store: any ObjectStore
    let other: (any ObjectStore)?
    let prefix: String
    let features: StoreFeatures

    func expect(_ condition: Bool, _ clause: @autoclosure () -> String) throws {
        guard condition else { throw ConformanceFailure(description: clause()) }
    }

    /// - Returns: the error, which has one of `codes`.
    @discardableResult
    func expectError<Result>(
        _ codes: BackupError.Code..., by clause: String, _ body: () async throws -> Result
    ) async throws -> BackupError {
        do {
            _ = try await body()
        } catch {
            // A cancelled call may throw Swift's own error.
            let failure = BackupError(wrapping: error)
            if codes.isEmpty || codes.contains(failure.code) { return failure }
            throw ConformanceFailure(description: "\(clause): wrong error \(String(reflecting: failure))")
        }
        throw ConformanceFailure(description: "\(clause): no error")
    }

    /// Bytes that differ from place to place.
    func bytes(_ count: Int, seed: Int = 0) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 31) ^ ($0 >> 8) ^ seed) }
    }

    func read(_ key: String, range: Range<Int64>? = nil, ifMatch: String? = nil) async throws -> [UInt8] {
        let pipe = BytePipe()
        _ = try await store.get(key, range: range, ifMatch: ifMatch, into: pipe)
        return try await pipe.collect(limit: 64 << 20)
    }

    /// A pipe that a task of its own fills.
    func pipe(of bytes: [UInt8]) -> BytePipe {
        let pipe = BytePipe()
        Task {
            do {
                try await pipe.write(bytes)
                pipe.finish()
            } catch {
                pipe.fail(BackupError(wrapping: error))
            }
        }
        return pipe
    }

    /// Whether nobody has written to `pipe` or ended it.
    func isUntouched(_ pipe: BytePipe) -> Bool {
        var byte: UInt8 = 0
        let result = try? withUnsafeMutableBytes(of: &byte) { try pipe.tryRead(into: $0) }
        if case .wouldBlock = result { return true }
        return false
    }

    /// Every key below `prefix`, read in pages of `limit`.
    func keys(
        _ prefix: String, delimiter: String? = nil, limit: Int = 1000
    ) async throws -> (keys: [String], prefixes: [String]) {
        var keys: [String] = []
        var prefixes: [String] = []
        var continuation: String?
        var pages = 0
        repeat {
            let page = try await store.list(
                prefix: prefix, delimiter: delimiter, continuation: continuation, limit: limit)
            try expect(
                page.objects.count + page.commonPrefixes.count <= limit, "a page has no more entries than asked for")
            keys += page.objects.map(\.key)
            prefixes += page.commonPrefixes
            continuation = page.continuation
            pages += 1
            try expect(pages < 10_000, "a listing ends")
        } while continuation != nil
        return (keys, prefixes)
    }

    /// Equal byte for byte, which `==` on strings is not.
    func areSame(_ left: [String], _ right: [String]) -> Bool {
        left.map { Array($0.utf8) } == right.map { Array($0.utf8) }
    }
}
