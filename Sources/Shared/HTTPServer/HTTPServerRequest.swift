/// One request, completely received.
package struct HTTPServerRequest: Sendable {
    /// As it was sent: methods are case-sensitive and may be unknown.
    package var method: String
    /// Percent-decoded, without the query. `*` when the request is about the server itself (`OPTIONS *`).
    package var path: String
    /// The parameters of the query in their order, percent-decoded, with `+` as a blank.
    package var query: [(name: String, value: String)]
    package var headers: HTTPServerHeaders
    package var body: [UInt8]
    /// The peer's address in numbers, without its port.
    package var remoteAddress: String

    package init(
        method: String, path: String, query: [(name: String, value: String)] = [], headers: HTTPServerHeaders = [:],
        body: [UInt8] = [], remoteAddress: String = ""
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.remoteAddress = remoteAddress
    }

    /// The value of the first query parameter of this name.
    package func queryValue(_ name: String) -> String? { query.first { $0.name == name }?.value }
}

/// Header fields of a request, looked up without regard to case. The first of several fields of one name counts.
package struct HTTPServerHeaders: Sendable, ExpressibleByDictionaryLiteral {
    package private(set) var fields: [(name: String, value: String)] = []

    package init(dictionaryLiteral elements: (String, String)...) { fields = elements.map { ($0.0, $0.1) } }

    package subscript(_ name: String) -> String? { values(name).first }

    /// The values of all fields of this name.
    package func values(_ name: String) -> [String] {
        fields.filter { equalsIgnoringCase($0.name, name) }.map(\.value)
    }

    package mutating func append(_ name: String, _ value: String) { fields.append((name, value)) }
}

/// Whether two field names are the same: ASCII letters of either case are.
func equalsIgnoringCase(_ left: String, _ right: String) -> Bool {
    func lowercased(_ byte: UInt8) -> UInt8 { (0x41...0x5a).contains(byte) ? byte | 0x20 : byte }
    return left.utf8.count == right.utf8.count
        && zip(left.utf8, right.utf8).allSatisfy { $0 == $1 || lowercased($0) == lowercased($1) }
}
