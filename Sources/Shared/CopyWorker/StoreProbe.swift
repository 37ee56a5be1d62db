import ObjectStorage
import ShardProtocol
import Support

/// What an agent answers to prove that it looks at the coordinator's stores.
package enum StoreProbe {
    /// Bytes of a probe object, at most.
    private static let maximumSize = 4096

    /// Reads the object a probe names, or takes the listing's fingerprint when it names none.
    ///
    /// - Parameter root: below which the storage lives on this host.
    package static func answer(
        _ probe: Probes.Probe, store: any ObjectStore, root: String
    ) async -> ProbeAnswers.Answer {
        do {
            guard let key = probe.key else {
                return ProbeAnswers.Answer(
                    storage: probe.storage, value: try await fingerprint(of: store, root: root))
            }
            let content = try await withRetries {
                let pipe = BytePipe()
                _ = try await store.get(key, range: nil, ifMatch: nil, into: pipe)
                return try await pipe.collect(limit: maximumSize)
            }
            return ProbeAnswers.Answer(storage: probe.storage, value: String(decoding: content, as: UTF8.self))
        } catch {
            let failure = BackupError(wrapping: error).description
            return ProbeAnswers.Answer(storage: probe.storage, value: nil, failure: failure)
        }
    }

    /// A number that two listings of the same place share: FNV-1a (64 bits) over keys and sizes of the first page below
    /// `root`. It tells places apart, and is no proof against somebody who wants to deceive.
    package static func fingerprint(of store: any ObjectStore, root: String) async throws -> String {
        let prefix = root.isEmpty ? "" : "\(root)/"
        let page = try await store.list(prefix: prefix, delimiter: nil, continuation: nil, limit: 1000)
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func add(_ bytes: some Sequence<UInt8>) {
            for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        }
        for object in page.objects {
            add(object.key.utf8)
            add(" \(object.size)\n".utf8)
        }
        return "\(page.objects.count)-\(String(hash, radix: 16))"
    }
}
