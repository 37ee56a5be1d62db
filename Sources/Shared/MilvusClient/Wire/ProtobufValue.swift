import Support

/// How values of one Swift type stand in a field: the vocabulary of the message tables.
///
/// Fixed-width and floating-point fields do not occur in the messages used here (default values are kept as bytes).
package struct ProtobufValue<Value: Sendable>: Sendable {
    /// Whether proto3 leaves the value out of a singular field.
    let isDefault: @Sendable (Value) -> Bool
    let read: @Sendable (ProtobufField) throws(BackupError) -> Value
    let write: @Sendable (Value, Int, inout ProtobufWriter) -> Void
    /// What a map entry has when its value is absent.
    let absent: @Sendable () -> Value
    /// Set for numbers only, whose repeated fields are packed.
    var packing: Packing?

    /// The two directions between a value and its varint.
    struct Packing: Sendable {
        let pack: @Sendable (Value) -> UInt64
        let unpack: @Sendable (UInt64) -> Value
    }

    private static func number(
        _ zero: Value, _ pack: @escaping @Sendable (Value) -> UInt64, _ unpack: @escaping @Sendable (UInt64) -> Value
    ) -> ProtobufValue where Value: Equatable {
        ProtobufValue(
            isDefault: { $0 == zero },
            read: { field throws(BackupError) in unpack(try field.varint()) },
            write: { value, number, writer in writer.write(varint: pack(value), field: number) },
            absent: { zero },
            packing: Packing(pack: pack, unpack: unpack))
    }
}

extension ProtobufValue where Value == Int64 {
    static var int64: Self { number(0, { UInt64(bitPattern: $0) }, { Int64(bitPattern: $0) }) }
}

extension ProtobufValue where Value == UInt64 {
    static var uint64: Self { number(0, { $0 }, { $0 }) }
}

extension ProtobufValue where Value == Int32 {
    /// int32 and enum fields: negative numbers are sign-extended to 64 bits, superfluous high bits are dropped.
    static var int32: Self {
        number(0, { UInt64(bitPattern: Int64($0)) }, { Int32(truncatingIfNeeded: Int64(bitPattern: $0)) })
    }
}

extension ProtobufValue where Value == Bool {
    static var bool: Self { number(false, { $0 ? 1 : 0 }, { $0 != 0 }) }
}

extension ProtobufValue where Value: RawRepresentable & Equatable, Value.RawValue == Int32, Value: ProtobufEnumeration {
    /// An enum field; numbers without a name are kept.
    static var enumeration: Self {
        number(
            Value(rawValue: 0), { UInt64(bitPattern: Int64($0.rawValue)) },
            { Value(rawValue: Int32(truncatingIfNeeded: Int64(bitPattern: $0))) })
    }
}

/// An enum of the wire as an extensible value: what a newer server sends survives.
package protocol ProtobufEnumeration: RawRepresentable, Sendable, Hashable where RawValue == Int32 {
    init(rawValue: Int32)
}

extension ProtobufValue where Value == String {
    /// A string field, whose bytes must be UTF-8.
    static var string: Self {
        text { field throws(BackupError) in
            guard let text = String(validating: try field.bytes(), as: UTF8.self) else {
                throw BackupError(
                    .corrupted, "the protobuf message \(field.message) is damaged: field \(field.number) is not UTF-8")
            }
            return text
        }
    }

    /// A string for people, as error texts, where damaged bytes are replaced and not refused.
    static var repairedString: Self {
        text { field throws(BackupError) in String(decoding: try field.bytes(), as: UTF8.self) }
    }

    private static func text(_ read: @escaping @Sendable (ProtobufField) throws(BackupError) -> String) -> Self {
        ProtobufValue(
            isDefault: { $0.isEmpty }, read: read,
            write: { value, number, writer in writer.write(bytes: value.utf8, field: number) }, absent: { "" })
    }
}

extension ProtobufValue where Value == [UInt8] {
    /// A bytes field, or a sub-message that is passed on as it came.
    static var bytes: Self {
        ProtobufValue(
            isDefault: { $0.isEmpty }, read: { field throws(BackupError) in [UInt8](try field.bytes()) },
            write: { value, number, writer in writer.write(bytes: value, field: number) }, absent: { [] })
    }
}

extension ProtobufValue where Value: ProtobufMessage {
    /// A sub-message. One that has no content is left out of a singular field.
    static var message: Self {
        ProtobufValue(
            isDefault: { $0 == Value() },
            read: { field throws(BackupError) in try Value(serialized: try field.bytes()) },
            write: { value, number, writer in writer.write(bytes: value.serialized(), field: number) },
            absent: { Value() })
    }
}
