import Support

extension StoreDescription {
    /// Whether both describe the same place. The endpoint is no part of it: every host may have a way of its own.
    package func isSamePlace(as other: StoreDescription) -> Bool {
        storage == other.storage && normalizedProvider == other.normalizedProvider && bucket == other.bucket
            && normalizedRoot == other.normalizedRoot
    }

    /// `minio`, `s3` and `aws` speak the same protocol: one store may be called either way.
    fileprivate var normalizedProvider: String {
        let name = provider.lowercased()
        return ["minio", "s3", "aws"].contains(name) ? "s3" : name
    }

    /// The root without leading, trailing and doubled slashes.
    var normalizedRoot: String { root.split(separator: "/").joined(separator: "/") }

    /// Whether a key is that of a probe object: one of that name, directly below the root.
    func isProbe(_ key: String) -> Bool {
        let steps = key.split(separator: "/", omittingEmptySubsequences: false)
        return steps.dropLast().elementsEqual(root.split(separator: "/")) && ProbeName.isValid(steps.last ?? "")
    }

    /// `bucket "a" root "files"`; the provider is named only where it differs.
    func place(comparedTo other: StoreDescription) -> String {
        let place = "bucket \"\(bucket)\" root \"\(normalizedRoot)\""
        return normalizedProvider == other.normalizedProvider ? place : "provider \"\(provider)\" \(place)"
    }

    /// Why an agent cannot work with the coordinator's stores; nil when it can.
    static func mismatch(of agent: Hello, coordinatorStores: [StoreDescription]) -> String? {
        for own in coordinatorStores {
            guard let theirs = agent.stores.first(where: { $0.storage == own.storage }) else {
                return "agent \(agent.name) has no storage \"\(own.storage.rawValue)\" configured"
            }
            guard !theirs.isSamePlace(as: own), !agent.allows(own) else { continue }
            return "storage \"\(own.storage.rawValue)\" of agent \(agent.name) is \(theirs.place(comparedTo: own)), "
                + "the coordinator's is \(own.place(comparedTo: theirs))"
        }
        return nil
    }
}

/// The names of probe objects. An agent reads no other object for a coordinator that it does not yet work for.
package enum ProbeName {
    private static let prefix = "milvus_backup_probe_"
    private static let size = 16

    package static func random() throws(BackupError) -> String {
        prefix + (try SecureRandom.hexadecimal(bytes: size))
    }

    static func isValid(_ name: Substring) -> Bool {
        let digits = name.utf8.dropFirst(prefix.utf8.count)
        return name.hasPrefix(prefix) && digits.count == 2 * size
            && digits.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }
}

extension Hello {
    /// Whether a coordinator's store is another part of this agent's backup store, and one that the agent allows.
    func allows(_ other: StoreDescription) -> Bool {
        guard other.storage == .backup, let own = stores.first(where: { $0.storage == .backup }),
            own.normalizedProvider == other.normalizedProvider
        else { return false }
        return allowedRoots?.contains(BackupPlace(bucket: other.bucket, root: other.root)) ?? false
    }
}

/// A probe and what it must find.
package struct ExpectedProbe: Sendable, Hashable {
    package var probe: Probes.Probe
    /// The content of the probe object, or the fingerprint of the listing.
    package var value: String

    package init(probe: Probes.Probe, value: String) {
        self.probe = probe
        self.value = value
    }
}
