import Support

/// One line of `config show`: a key, its value, and who said so.
package struct ResolvedParameter: Sendable, Hashable {
    /// Where a value came from; the raw values are what the table prints.
    package enum Source: String, Sendable, Hashable {
        case override
        case environment = "env"
        case file = "config"
        case defaultValue = "default"
    }

    /// The key of the v2 format: `milvus.grpc.address`.
    package var key: String
    /// The value as text; the middle of a secret is replaced by asterisks.
    package var value: String
    package var source: Source
    /// What supplied the value: the key in lower case, or the name of the environment variable. For a default it is empty,
    /// or the key of the value that was inherited.
    package var sourceKey: String
    /// Where in the file, from 1; nil for everything that is not from the file.
    package var line: Int?

    package init(key: String, value: String, source: Source, sourceKey: String = "", line: Int? = nil) {
        self.key = key
        self.value = value
        self.source = source
        self.sourceKey = sourceKey
        self.line = line
    }

    /// The key in the form the original's table has: `Milvus.Grpc.Address`.
    package var name: String {
        key.split(separator: ".").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined(separator: ".")
    }
}

extension Secret {
    /// The first and last two characters around asterisks, or only asterisks when it is short: enough to recognize a key.
    package var masked: String {
        if isEmpty { return "" }
        return exposed.count <= 4 ? "****" : "\(exposed.prefix(2))****\(exposed.suffix(2))"
    }
}
