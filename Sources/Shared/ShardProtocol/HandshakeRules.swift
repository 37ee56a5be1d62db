import Support

/// What both sides of a handshake hold to.
package enum HandshakeRules {
    /// The versions of the protocol that an agent speaks. In version 1 it gets no parts of objects.
    package static let agentVersions = [1, 2]
    /// Those that a coordinator speaks: it does not know an agent that would refuse parts from one that takes them.
    package static let coordinatorVersions = [2]
    /// Bytes of a nonce.
    package static let nonceSize = 32
    /// UTF-8 bytes of a name, an instance, a bucket or a root.
    static let maximumTextSize = 2048
    static let maximumCapacity = 4096
    static let maximumVersions = 64
    /// Entries of `agent.allowedRoots`.
    package static let maximumAllowedRoots = 256

    /// A nonce for one side of one connection.
    package static func newNonce() throws(BackupError) -> String {
        try SecureRandom.hexadecimal(bytes: nonceSize)
    }

    static func isNonce(_ text: String) -> Bool {
        text.utf8.count == nonceSize * 2
            && text.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
    }

    /// The highest version that both sides speak.
    static func commonVersion(_ offered: [Int], _ own: [Int]) -> Int? { offered.filter(own.contains).max() }

    /// `version 1` or `versions 1, 2`.
    static func list(_ versions: [Int]) -> String {
        guard !versions.isEmpty else { return "no version" }
        return "version\(versions.count == 1 ? "" : "s") \(versions.sorted().map(String.init).joined(separator: ", "))"
    }

    /// What is wrong with a hello, nil when it can be worked with.
    static func flaw(of hello: Hello) -> String? {
        let allowedRoots = hello.allowedRoots ?? []
        let texts =
            [hello.name, hello.instance] + hello.stores.flatMap { [$0.provider, $0.bucket, $0.root] }
            + allowedRoots.flatMap { [$0.bucket, $0.root] }
        if texts.contains(where: { $0.utf8.count > maximumTextSize || $0 != $0.escapingControlCharacters }) {
            return "a text in its hello is too long or has control characters"
        }
        if hello.name.isEmpty || hello.instance.isEmpty { return "its hello has no name or no instance" }
        if hello.versions.count > maximumVersions { return "its hello offers too many versions" }
        if allowedRoots.count > maximumAllowedRoots { return "its hello names too many allowed roots" }
        if !isNonce(hello.nonce) { return "the nonce in its hello is not \(nonceSize) bytes in hexadecimal" }
        if !(1...maximumCapacity).contains(hello.capacity) {
            return "its capacity \(hello.capacity) is not in 1...4096"
        }
        if Set(hello.stores.map(\.storage)).count != hello.stores.count { return "its hello names a storage twice" }
        return nil
    }
}
