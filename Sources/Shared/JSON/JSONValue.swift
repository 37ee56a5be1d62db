import Support

/// A small JSON document in memory: the value of a flag, the body of a request or an answer.
package enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    /// An integer that fits into 64 bits with a sign.
    case int64(Int64)
    /// An integer above what ``int64(_:)`` holds.
    case uint64(UInt64)
    /// A number with a fraction or an exponent.
    case double(Double)
    case string(String)
    case array([JSONValue])
    /// Members in the order of the document, a repeated key as often as it stands there.
    case object([Member])

    package struct Member: Sendable, Hashable {
        package var key: String
        package var value: JSONValue

        package init(_ key: String, _ value: JSONValue) {
            self.key = key
            self.value = value
        }
    }

    /// Reads a document.
    ///
    /// - Parameters:
    ///   - name: what the document is called in errors: `request body`, `--database_collections`.
    ///   - maximumBytes: a longer document is refused before anything of it is read.
    /// - Throws: `corrupted`.
    package init(
        parsing bytes: [UInt8], name: String, maximumBytes: Int = 16 << 20, maximumDepth: Int = 64
    ) throws {
        guard bytes.count <= maximumBytes else {
            let (size, limit) = (formattedBytes(Int64(bytes.count)), formattedBytes(Int64(maximumBytes)))
            throw BackupError(.corrupted, "\(name): \(size) is more than the \(limit) allowed")
        }
        var reader = JSONReader(name: name, bytes: bytes, maximumDepth: maximumDepth)
        self = try reader.readValue()
        try reader.finish()
    }

    package init(parsing text: String, name: String) throws { try self.init(parsing: Array(text.utf8), name: name) }

    /// The document in compact form.
    package func bytes(layout: JSONWriter.Layout = .compact) throws -> [UInt8] {
        try JSONWriter.bytes(layout: layout) { try $0.value(self) }
    }
}

extension JSONReader {
    /// A value of any kind.
    package mutating func readValue() throws -> JSONValue {
        switch try nextKind() {
        case .null:
            _ = try takeNull()
            return .null
        case .bool: return .bool(try readBool())
        case .number: return try readNumber()
        case .string: return .string(try readString())
        case .array:
            var elements: [JSONValue] = []
            try beginArray()
            while try nextElement() { elements.append(try readValue()) }
            return .array(elements)
        case .object:
            var members: [JSONValue.Member] = []
            try beginObject()
            while try nextKey() {
                let key = currentKey
                members.append(JSONValue.Member(key, try readValue()))
            }
            return .object(members)
        }
    }

    private mutating func readNumber() throws -> JSONValue {
        let text = try readNumberText()
        if let value = Int64(text) { return .int64(value) }
        if let value = UInt64(text) { return .uint64(value) }
        let isInteger = text.utf8.allSatisfy {
            $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") || $0 == UInt8(ascii: "-")
        }
        guard !isInteger else { throw failure("the number does not fit into 64 bits") }
        guard let value = Double(text), value.isFinite else { throw failure("the number is too large") }
        return .double(value)
    }
}

extension JSONWriter {
    /// A value of any kind.
    package mutating func value(_ value: JSONValue) throws {
        switch value {
        case .null: try null()
        case .bool(let value): try bool(value)
        case .int64(let value): try integer(value)
        case .uint64(let value): try integer(value)
        case .double(let value): try double(value)
        case .string(let value): try string(value)
        case .array(let elements): try array(elements) { try $0.value($1) }
        case .object(let members):
            try object { writer in
                for member in members {
                    try writer.key(member.key)
                    try writer.value(member.value)
                }
            }
        }
    }
}

extension JSONValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral, ExpressibleByBooleanLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(stringLiteral value: String) { self = .string(value) }
    package init(integerLiteral value: Int64) { self = .int64(value) }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSONValue)...) {
        self = .object(elements.map { Member($0.0, $0.1) })
    }
}
