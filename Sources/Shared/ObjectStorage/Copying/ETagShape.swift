/// What an ETag says about the content of an object.
package enum ETagShape: Sendable, Hashable {
    /// Looks like the MD5 of the content: 32 hexadecimal digits, here in lower case.
    case plain(String)
    /// The MD5 of the MD5s of so many parts: `<32 digits>-<parts>`.
    case multipart(String, parts: Int)
    /// Says nothing.
    case opaque

    package init(_ etag: String?) {
        let text = (etag ?? "").lowercased()
        let digest = text.prefix(32)
        guard digest.utf8.count == 32, digest.utf8.allSatisfy(ETagShape.isHexadecimal) else {
            self = .opaque
            return
        }
        let rest = text.dropFirst(32)
        if rest.isEmpty {
            self = .plain(text)
        } else if rest.first == "-", let parts = Int(rest.dropFirst()), parts > 0 {
            self = .multipart(String(digest), parts: parts)
        } else {
            self = .opaque
        }
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }

    /// What two ETags say about whether two objects have the same content.
    package enum Comparison: Sendable, Hashable {
        case equal
        case different
        /// They are made in different ways: no evidence of anything.
        case incomparable
    }

    /// - Parameter boundariesAreEqual: whether both objects are known to have been uploaded in parts of the same sizes.
    package func compared(to other: ETagShape, boundariesAreEqual: Bool) -> Comparison {
        switch (self, other) {
        case (.plain(let left), .plain(let right)):
            left == right ? .equal : .different
        case (.multipart(let left, let leftParts), .multipart(let right, let rightParts)) where leftParts == rightParts:
            // Equal digests prove equal boundaries, too; unequal ones may come from unequal boundaries.
            left == right ? .equal : (boundariesAreEqual ? .different : .incomparable)
        default: .incomparable
        }
    }
}
