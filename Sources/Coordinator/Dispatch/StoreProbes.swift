import BackupFormat
import ConfiguredWorker
import CopyWorker
import ObjectStorage
import ShardProtocol
import Support

/// The random objects by which an agent proves that it looks at the same stores; written when the first agent comes, removed
/// at the end. Where nothing may be written the listing must agree instead, which is taken anew for every agent.
actor StoreProbes {
    private enum Made: Sendable {
        case object(ExpectedProbe)
        case listing(StorageID)
    }

    private let services: Services
    private var made: Task<[Made], any Error>?
    /// What may be there, also when the other store's probe could not be made.
    private var keys: [(storage: StorageID, key: String)] = []

    init(services: Services) { self.services = services }

    /// A probe for each store.
    func expected() async throws -> [ExpectedProbe] {
        let made = try await makeOnce()
        let services = self.services
        return try await mapInParallel(made, limit: 2) { made in
            switch made {
            case .object(let probe): return probe
            case .listing(let storage):
                let value = try await StoreProbe.fingerprint(
                    of: services.stores[storage], root: services.equipment.roots[storage])
                return ExpectedProbe(probe: .init(storage: storage, key: nil), value: value)
            }
        }
    }

    private func makeOnce() async throws -> [Made] {
        if let made { return try await made.value }
        let making = Task {
            try await mapInParallel(StorageID.allCases, limit: 2) { try await self.make($0) }
        }
        made = making
        do {
            return try await making.value
        } catch {
            made = nil
            throw error
        }
    }

    private func make(_ storage: StorageID) async throws -> Made {
        let root = services.equipment.roots[storage]
        let name = try ProbeName.random()
        let key = root.isEmpty ? name : "\(root)/\(name)"
        let value = try SecureRandom.hexadecimal(bytes: 32)
        keys.append((storage, key))
        do {
            try await services.stores[storage].put(key, body: .bytes(Array(value.utf8)))
            return .object(ExpectedProbe(probe: .init(storage: storage, key: key), value: value))
        } catch let error as BackupError where error.code == .permissionDenied {
            keys.removeAll { $0.key == key }
            return .listing(storage)
        }
    }

    /// Removes what was written. A probe that cannot be removed is a few bytes, and no reason to fail.
    func remove() async {
        // One that is still being made may be there all the same.
        made?.cancel()
        _ = await made?.result
        made = nil
        let (services, keys) = (self.services, self.keys)
        self.keys = []
        // Done also when the job was cancelled, but a store that does not answer is not waited for then.
        try? await forEachInParallel(keys, limit: 2) { storage, key in
            do {
                try await withGrace(.seconds(3)) { try await services.stores[storage].delete([key]) }
            } catch {
                services.logger.warn(
                    "cannot remove a probe object", ["key": key, "error": BackupError(wrapping: error)])
            }
        }
    }
}
