import Support

/// A message of the wire, described by the table of its fields. Fields that are not in the table are skipped.
package protocol ProtobufMessage: Sendable, Hashable {
    init()
    /// The fields in the order of their numbers, which is the order in which they are written.
    static var layout: [ProtobufFieldCoding<Self>] { get }
}

extension ProtobufMessage {
    /// Reads a message.
    ///
    /// - Throws: ``BackupError/Code/corrupted`` when the bytes are not such a message.
    package init(serialized bytes: some Sequence<UInt8>) throws(BackupError) {
        let slice = (bytes as? ArraySlice<UInt8>) ?? ArraySlice(bytes)
        self.init()
        let layout = Self.layout
        var reader = ProtobufReader(slice, of: String(describing: Self.self))
        while let field = try reader.nextField() {
            // Tables are short, and a linear search of them is faster than hashing.
            if let coding = layout.first(where: { $0.number == field.number }) { try coding.decode(&self, field) }
        }
    }

    package func serialized() -> [UInt8] {
        var writer = ProtobufWriter()
        for field in Self.layout { field.encode(self, &writer) }
        return writer.bytes
    }
}

/// One line of a message's table: which property stands in which field, and how.
package struct ProtobufFieldCoding<Message: Sendable>: Sendable {
    let number: Int
    let encode: @Sendable (Message, inout ProtobufWriter) -> Void
    let decode: @Sendable (inout Message, ProtobufField) throws(BackupError) -> Void

    /// A singular field: left out when it has its default value, and the last of several counts.
    static func one<Value>(
        _ number: Int, _ property: any WritableKeyPath<Message, Value> & Sendable, _ value: ProtobufValue<Value>
    ) -> Self {
        Self(
            number: number,
            encode: { message, writer in
                let content = message[keyPath: property]
                if !value.isDefault(content) { value.write(content, number, &writer) }
            },
            decode: { message, field throws(BackupError) in message[keyPath: property] = try value.read(field) })
    }

    /// A field whose presence matters, such as a member of a one-of: written when it is not nil.
    static func optional<Value>(
        _ number: Int, _ property: any WritableKeyPath<Message, Value?> & Sendable, _ value: ProtobufValue<Value>
    ) -> Self {
        Self(
            number: number,
            encode: { message, writer in
                if let content = message[keyPath: property] { value.write(content, number, &writer) }
            },
            decode: { message, field throws(BackupError) in message[keyPath: property] = try value.read(field) })
    }

    /// A repeated field. Numbers are written packed and read in both forms.
    static func repeated<Value>(
        _ number: Int, _ property: any WritableKeyPath<Message, [Value]> & Sendable, _ value: ProtobufValue<Value>
    ) -> Self {
        Self(
            number: number,
            encode: { message, writer in
                let content = message[keyPath: property]
                if content.isEmpty { return }
                guard let packing = value.packing else {
                    for element in content { value.write(element, number, &writer) }
                    return
                }
                writer.write(packed: content.lazy.map(packing.pack), field: number)
            },
            decode: { message, field throws(BackupError) in
                if let packing = value.packing, case .bytes(let packed) = field.value {
                    let numbers = try ProtobufReader.packedVarints(packed, of: field.message)
                    message[keyPath: property].append(contentsOf: numbers.lazy.map(packing.unpack))
                } else {
                    message[keyPath: property].append(try value.read(field))
                }
            })
    }

    /// A map field with string keys: repeated entries of key 1 and value 2, written in the order of the keys.
    static func map<Value>(
        _ number: Int, _ property: any WritableKeyPath<Message, [String: Value]> & Sendable,
        _ value: ProtobufValue<Value>
    ) -> Self {
        let key = ProtobufValue<String>.string
        return Self(
            number: number,
            encode: { message, writer in
                for (name, content) in message[keyPath: property].sorted(by: { $0.key < $1.key }) {
                    var entry = ProtobufWriter()
                    key.write(name, 1, &entry)
                    value.write(content, 2, &entry)
                    writer.write(bytes: entry.bytes, field: number)
                }
            },
            decode: { message, field throws(BackupError) in
                var entry = ProtobufReader(try field.bytes(), of: field.message)
                var name = ""
                var content = value.absent()
                while let part = try entry.nextField() {
                    if part.number == 1 { name = try key.read(part) }
                    if part.number == 2 { content = try value.read(part) }
                }
                message[keyPath: property][name] = content
            })
    }
}
