/// Members that are always written.
extension JSONWriter {
    package mutating func member(_ key: String, _ value: String) throws {
        try self.key(key)
        try string(value)
    }

    package mutating func member(_ key: String, _ value: Bool) throws {
        try self.key(key)
        try bool(value)
    }

    package mutating func member(_ key: String, _ value: Int64) throws {
        try self.key(key)
        try integer(value)
    }

    package mutating func member(_ key: String, _ value: UInt64) throws {
        try self.key(key)
        try integer(value)
    }

    package mutating func member(_ key: String, _ value: Int32) throws { try member(key, Int64(value)) }

    package mutating func member(_ key: String, _ value: Int) throws { try member(key, Int64(value)) }

    /// A member whose value `body` writes.
    package mutating func member(_ key: String, _ body: (inout JSONWriter) throws -> Void) throws {
        try self.key(key)
        try body(&self)
    }
}

/// Members that are left out when they are empty, zero or false: Go's `omitempty`.
extension JSONWriter {
    package mutating func memberIfSet(_ key: String, _ value: String) throws {
        if !value.isEmpty { try member(key, value) }
    }

    package mutating func memberIfSet(_ key: String, _ value: Bool) throws {
        if value { try member(key, value) }
    }

    package mutating func memberIfSet(_ key: String, _ value: Int64) throws {
        if value != 0 { try member(key, value) }
    }

    package mutating func memberIfSet(_ key: String, _ value: UInt64) throws {
        if value != 0 { try member(key, value) }
    }

    package mutating func memberIfSet(_ key: String, _ value: Int32) throws {
        if value != 0 { try member(key, value) }
    }

    package mutating func memberIfSet(_ key: String, _ values: [String]) throws {
        try memberIfSet(key, values) { try $0.string($1) }
    }

    /// An array of objects or values, each written by `body`.
    package mutating func memberIfSet<Elements: Collection>(
        _ key: String, _ elements: Elements, _ body: (inout JSONWriter, Elements.Element) throws -> Void
    ) throws {
        guard !elements.isEmpty else { return }
        try self.key(key)
        try array(elements, body)
    }

    /// An object of strings, its keys in the order of their bytes.
    package mutating func memberIfSet(_ key: String, _ map: [String: String]) throws {
        guard !map.isEmpty else { return }
        try self.key(key)
        try object { writer in
            for (key, value) in map.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
                try writer.member(key, value)
            }
        }
    }
}
