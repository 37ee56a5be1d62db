/// A value of a YAML document with the line it begins on (from 1).
package struct YAMLNode: Sendable, Hashable {
    package enum Content: Sendable, Hashable {
        /// A text. Only a plain one (neither quoted nor a block) can mean null.
        case scalar(String, isPlain: Bool)
        case sequence([YAMLNode])
        /// In the order of the document; no key twice.
        case mapping([Entry])
    }

    package struct Entry: Sendable, Hashable {
        package var key: String
        /// The line of the key.
        var line: Int
        package var value: YAMLNode
    }

    package var content: Content
    var line: Int
    /// Nodes in all, this one and those that an alias repeats included.
    var weight = 1
    /// Levels below and including this one.
    var depth = 1

    /// Whether this is a null of YAML's core schema: nothing at all, `~` or `null`.
    package var isNull: Bool {
        guard case .scalar(let text, isPlain: true) = content else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(text)
    }
}

/// What was read of a YAML text.
package struct YAMLDocument: Sendable {
    /// Nil for a text without any value.
    package var root: YAMLNode?
    /// What is wrong although the text could be read: keys that are there twice.
    var problems: [YAMLProblem] = []
    /// Whether more documents follow, which were not read.
    var hasMore = false
}

/// What is wrong with a YAML text, and where.
package struct YAMLProblem: Error, Sendable, Hashable {
    /// From 1.
    var line: Int
    var message: String
}
