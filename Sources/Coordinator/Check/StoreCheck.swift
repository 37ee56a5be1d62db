import BackupFormat
import Configuration
import ConfiguredWorker
import ObjectStorage
import ShardProtocol
import Support

/// Whether a store lets us list, read, write and delete where we have to.
struct StoreCheck: Sendable {
    let services: Services
    let storage: StorageID

    private var store: any ObjectStore { services.stores[storage] }
    private var name: String { services.section(storage).name }
    private var settings: StorageSettings { services.section(storage).settings }

    /// - Returns: a finding for each operation, up to the one without which the others make no sense; and whether there is
    ///   nothing below the root.
    func run() async -> (findings: [CheckFinding], isRootEmpty: Bool) {
        var findings: [CheckFinding] = []
        let first: ObjectInfo?
        do {
            switch storage {
            case .milvus: try await services.checkMilvusBucket()
            case .backup: try await services.checkBackupBucket(makesBucket: true)
            }
            let prefix = MilvusPaths(root: settings.keyRoot).rootPrefix
            let page = try await store.list(prefix: prefix, delimiter: nil, continuation: nil, limit: 10)
            first = page.objects.first { $0.size > 0 } ?? page.objects.first
            // Azure's address alone does not tell whose account it is.
            let azure = "bucket \"\(settings.bucketName)\" at \(store.identity.endpoint)"
            findings.append(.ok("\(name): list", settings.provider == .azure ? azure : settings.place))
        } catch {
            return ([.error("\(name): list", BackupError(wrapping: error))], false)
        }
        if storage == .milvus { findings.append(await reading(first)) }
        findings += await writing()
        return (findings, first == nil)
    }

    /// Reads a byte of what is there.
    private func reading(_ object: ObjectInfo?) async -> CheckFinding {
        guard let object, object.size > 0 else { return .ok("\(name): read", "nothing is there yet to be read") }
        return await attempt("read", "an object below \"\(settings.rootPath)\"") {
            try await read(object.key, range: 0..<1)
        }
    }

    /// Writes a small object, and removes it.
    private func writing() async -> [CheckFinding] {
        guard let random = try? SecureRandom.hexadecimal(bytes: 8) else { return [] }
        let directory: String
        let key: String
        switch storage {
        case .milvus:
            // Restores write there, backups nowhere in Milvus' bucket.
            directory = "restore-temp-*"
            key = "restore-temp-check-\(random)/probe"
        case .backup:
            directory = settings.rootPath
            key = joinPath(settings.keyRoot, "milvus_backup_check_\(random)")
        }
        let isNeeded = storage == .backup
        var findings = [
            await attempt("write", "below \"\(directory)\"", isNeeded: isNeeded) {
                try await store.put(key, body: .bytes(Array("check".utf8)))
            }
        ]
        guard findings[0].verdict == .ok else { return findings }
        if storage == .backup {
            findings.append(await attempt("read", "below \"\(directory)\"") { try await read(key, range: nil) })
        }
        findings.append(
            await attempt("delete", "below \"\(directory)\"", isNeeded: isNeeded) { try await store.delete([key]) })
        return findings
    }

    private func read(_ key: String, range: Range<Int64>?) async throws {
        let pipe = BytePipe()
        _ = try await store.get(key, range: range, ifMatch: nil, into: pipe)
        _ = try await pipe.collect(limit: 1 << 10)
    }

    /// - Parameter isNeeded: false for what only restores need.
    private func attempt(
        _ operation: String, _ place: String, isNeeded: Bool = true, _ body: () async throws -> Void
    ) async -> CheckFinding {
        let name = "\(name): \(operation)"
        do {
            try await body()
            return .ok(name, place)
        } catch {
            let failure = BackupError(wrapping: error)
            return isNeeded
                ? .error(name, failure.prefixed("\(self.name): \(operation) is refused"))
                : .warning(name, "a restore will fail: \(failure)")
        }
    }
}
