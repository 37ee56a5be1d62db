/// A version of Milvus, as far as features depend on it.
package struct ServerVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    package var major: Int
    package var minor: Int
    package var patch: Int

    package init(_ major: Int, _ minor: Int, _ patch: Int) {
        self.major = major
        self.minor = minor
        self.patch = patch
    }

    /// Stands for a server that does not tell its version: newer than anything known.
    package static let unknown = ServerVersion(99, 0, 0)
    /// The patch level of a version that is known by its line only: the line's newest.
    static let newestPatch = 9999

    package var description: String { "\(major).\(minor).\(patch)" }

    package static func < (left: ServerVersion, right: ServerVersion) -> Bool {
        (left.major, left.minor, left.patch) < (right.major, right.minor, right.patch)
    }

    /// The version to be taken out of what a server says of itself: a release in any of `texts` before a version that is
    /// mentioned in any, and ``unknown`` when there is neither.
    package static func resolve(_ texts: [String]) -> ServerVersion {
        texts.lazy.compactMap(release).first ?? texts.lazy.compactMap(mentioned).first ?? unknown
    }

    /// `2.3.5`, `v2.3.5-lite`, `2.3.22.6`: three numbers, with what may follow them in semantic versioning. Pre-releases
    /// count as the release itself.
    static func release(_ text: String) -> ServerVersion? {
        let bare = text.hasPrefix("v") ? text.dropFirst() : text[...]
        let parts = bare.split(separator: ".", maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count >= 3, let major = number(parts[0]), let minor = number(parts[1]) else { return nil }
        // A fourth part is a hotfix of the release. Without one, the dots of a suffix have to be put back together.
        if let patch = number(parts[2]) { return ServerVersion(major, minor, patch) }
        let last = parts[2...].joined(separator: ".")
        let digits = last.prefix { $0.isASCII && $0.isNumber }
        let suffix = last.dropFirst(digits.count)
        guard let patch = number(digits), let mark = suffix.first, mark == "-" || mark == "+", suffix.count > 1,
            suffix.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-.+".contains($0)) })
        else { return nil }
        return ServerVersion(major, minor, patch)
    }

    /// A version at the beginning of `text`, or after the word Milvus anywhere in it: `2.6-20260404-31fb3fc`,
    /// `Vector Database (Compatible with Milvus 2.6)`.
    static func mentioned(_ text: String) -> ServerVersion? {
        let text = text.lowercased()
        var starts = [text.startIndex]
        var rest = text[...]
        while let found = rest.firstRange(of: "milvus") {
            rest = rest[found.upperBound...]
            starts.append(rest.drop { $0 == " " || $0 == "_" || $0 == "-" }.startIndex)
        }
        return starts.lazy.compactMap { leading(text[$0...]) }.first
    }

    private static func leading(_ text: Substring) -> ServerVersion? {
        var rest = text.first == "v" ? text.dropFirst() : text
        guard let major = takeNumber(&rest), takeDot(&rest), let minor = takeNumber(&rest) else { return nil }
        guard takeDot(&rest), let patch = takeNumber(&rest) else { return ServerVersion(major, minor, newestPatch) }
        return ServerVersion(major, minor, patch)
    }

    private static func takeNumber(_ text: inout Substring) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        text = text.dropFirst(digits.count)
        return number(digits)
    }

    private static func takeDot(_ text: inout Substring) -> Bool {
        guard text.first == "." else { return false }
        text = text.dropFirst()
        return true
    }

    private static func number(_ text: Substring) -> Int? {
        guard !text.isEmpty, text.count <= 9, text.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
        return Int(text)
    }

    /// Whether `text` starts like a version, with or without minor and patch: what a version is displayed as then.
    static func looksLikeVersion(_ text: String) -> Bool {
        let bare = text.hasPrefix("v") ? text.dropFirst() : text[...]
        let core = bare.prefix { $0 != "-" && $0 != "+" }
        let parts = core.split(separator: ".", omittingEmptySubsequences: false)
        let suffix = bare.dropFirst(core.count)
        return (1...3).contains(parts.count) && parts.allSatisfy { number($0) != nil }
            && suffix.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-.+".contains($0)) }
    }
}
