import Support

/// Typed access to members. A member that is missing or `null` is nil; one of another type is an error that names it.
/// Keys match whatever their case is, and of several matching members the last one that is not `null` counts, as in Go.
extension JSONValue {
    /// What this is, as errors call it.
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "bool"
        case .int64, .uint64, .double: "number"
        case .string: "string"
        case .array: "array"
        case .object: "object"
        }
    }

    /// The members of an object; `name` is what it is called in an error.
    ///
    /// - Throws: `corrupted` when this is no object.
    package func members(_ name: String) throws -> [Member] {
        guard case .object(let members) = self else { throw mismatch(name, "object") }
        return members
    }

    /// The elements of an array; `name` is what it is called in an error.
    ///
    /// - Throws: `corrupted` when this is no array.
    package func elements(_ name: String) throws -> [JSONValue] {
        guard case .array(let elements) = self else { throw mismatch(name, "array") }
        return elements
    }

    /// A member of any type; nil when it is missing or `null`, or this is no object.
    package subscript(_ key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.last { $0.value != .null && isEqualIgnoringCase($0.key, key) }?.value
    }

    package func string(_ key: String) throws -> String? {
        guard let value = self[key] else { return nil }
        guard case .string(let text) = value else { throw value.mismatch(key, "string") }
        return text
    }

    package func bool(_ key: String) throws -> Bool? {
        guard let value = self[key] else { return nil }
        guard case .bool(let flag) = value else { throw value.mismatch(key, "bool") }
        return flag
    }

    package func int64(_ key: String) throws -> Int64? {
        guard let value = self[key] else { return nil }
        guard case .int64(let number) = value else { throw value.mismatch(key, "integer") }
        return number
    }

    package func uint64(_ key: String) throws -> UInt64? {
        switch self[key] {
        case nil: return nil
        case .uint64(let number): return number
        case .int64(let number) where number >= 0: return UInt64(number)
        case let value?: throw value.mismatch(key, "integer that is not negative")
        }
    }

    package func double(_ key: String) throws -> Double? {
        switch self[key] {
        case nil: return nil
        case .double(let number): return number
        case .int64(let number): return Double(number)
        case .uint64(let number): return Double(number)
        case let value?: throw value.mismatch(key, "number")
        }
    }

    package func array(_ key: String) throws -> [JSONValue]? { try self[key]?.elements(key) }

    /// An array of strings; `null` in place of an element is an empty string.
    package func strings(_ key: String) throws -> [String]? {
        try array(key)?.enumerated().map { index, element in
            switch element {
            case .string(let text): return text
            case .null: return ""
            default: throw element.mismatch("\(key)[\(index)]", "string")
            }
        }
    }

    /// A member that is an object, for further access.
    package func object(_ key: String) throws -> JSONValue? {
        guard let value = self[key] else { return nil }
        _ = try value.members(key)
        return value
    }

    /// An object of strings.
    package func stringMap(_ key: String) throws -> [String: String]? {
        guard let members = try self[key]?.members(key) else { return nil }
        var map: [String: String] = [:]
        for member in members {
            switch member.value {
            case .string(let text): map[member.key] = text
            case .null: map[member.key] = ""
            default: throw member.value.mismatch("\(key).\(member.key)", "string")
            }
        }
        return map
    }

    func mismatch(_ name: String, _ expectation: String) -> BackupError {
        BackupError(.corrupted, "\(name): \(expectation) expected, \(kind) found")
    }
}

private func isEqualIgnoringCase(_ left: String, _ right: String) -> Bool {
    left.utf8.count == right.utf8.count && zip(left.utf8, right.utf8).allSatisfy { lowercased($0) == lowercased($1) }
}
