import Support

/// One answer.
///
/// The server adds `Date`, `Content-Length` and `Connection` and ignores those given here. An answer that cannot be sent as it
/// is (a status outside 200...999, a control character in a header field, more header fields than
/// ``maximumHeaderSize``) goes out as a bare 500, and the log says why. The body of an answer to HEAD is not sent, its length is.
package struct HTTPServerResponse: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    /// Bytes of all header fields, at most.
    package static let maximumHeaderSize = 16 << 10

    package init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// An answer in plain text.
    package static func text(_ text: String, status: Int = 200) -> HTTPServerResponse {
        HTTPServerResponse(
            status: status, headers: [("Content-Type", "text/plain; charset=utf-8")], body: Array(text.utf8))
    }

    /// An answer that is a JSON document.
    package static func json(_ document: [UInt8], status: Int = 200) -> HTTPServerResponse {
        HTTPServerResponse(
            status: status, headers: [("Content-Type", "application/json; charset=utf-8")], body: document)
    }
}

// MARK: What can be sent

extension HTTPServerResponse {
    /// The header fields that go out: all but those the server itself is responsible for.
    var ownHeaders: [(name: String, value: String)] {
        headers.filter { field in !Self.reservedNames.contains { equalsIgnoringCase($0, field.name) } }
    }

    private static let reservedNames = ["Connection", "Content-Length", "Date", "Keep-Alive", "Transfer-Encoding"]

    /// Why this cannot be sent as it is; nil when it can. Control characters could forge fields or a whole answer.
    var reasonNotToSend: String? {
        guard (200...999).contains(status) else { return "its status is \(status)" }
        var size = 0
        for (name, value) in headers {
            guard isFieldName(name) else { return "a header field cannot be named \(name.escapingControlCharacters)" }
            guard isFieldValue(value) else { return "header field \(name) has a control character in its value" }
            size += name.utf8.count + value.utf8.count + 4
        }
        guard size <= Self.maximumHeaderSize else { return "its header fields have \(size) bytes" }
        return nil
    }
}

/// Whether this is a token (RFC 9110, section 5.6.2).
private func isFieldName(_ name: String) -> Bool {
    !name.isEmpty
        && name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                UInt8(ascii: "A")...UInt8(ascii: "Z"):
                true
            default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
            }
        }
}

/// Whether this stays within its line.
private func isFieldValue(_ value: String) -> Bool {
    value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
}
