import Support

/// Reads the fields of one protobuf message from bytes that may be damaged or hostile.
///
/// Nothing is trusted: a truncated or overlong value throws ``BackupError/Code/corrupted``, and no more memory is taken than
/// the input already has (values of length-delimited fields are slices of it).
package struct ProtobufReader: Sendable {
    private let bytes: ArraySlice<UInt8>
    private var position: Int
    /// The message's name, for error texts.
    private let name: String

    package init(_ bytes: ArraySlice<UInt8>, of name: String) {
        self.bytes = bytes
        self.position = bytes.startIndex
        self.name = name
    }

    /// The next field, or nil at the end of the message. Groups, which no message here has, are passed over.
    package mutating func nextField() throws(BackupError) -> ProtobufField? {
        while position < bytes.endIndex {
            let (number, wireType) = try readTag()
            switch wireType {
            case 3: try skipGroup(number)
            case 4: throw damaged("a group ends that has not begun")
            default: return ProtobufField(number: number, value: try readValue(wireType), message: name)
            }
        }
        return nil
    }

    /// All the varints of a packed repeated field.
    static func packedVarints(_ bytes: ArraySlice<UInt8>, of name: String) throws(BackupError) -> [UInt64] {
        var reader = ProtobufReader(bytes, of: name)
        var values: [UInt64] = []
        while reader.position < bytes.endIndex { values.append(try reader.readVarint()) }
        return values
    }

    private mutating func readTag() throws(BackupError) -> (number: Int, wireType: UInt8) {
        let tag = try readVarint()
        guard tag <= UInt64(UInt32.max), tag >> 3 > 0 else { throw damaged("a field number is out of range") }
        return (Int(tag >> 3), UInt8(tag & 7))
    }

    private mutating func readValue(_ wireType: UInt8) throws(BackupError) -> ProtobufField.Value {
        switch wireType {
        case 0: return .varint(try readVarint())
        case 1: return .fixed64(try readFixed(8))
        case 2:
            let length = try readVarint()
            guard length <= UInt64(bytes.endIndex - position) else {
                throw damaged("a field is longer than the message")
            }
            return .bytes(take(Int(length)))
        case 5: return .fixed32(UInt32(truncatingIfNeeded: try readFixed(4)))
        default: throw damaged("wire type \(wireType) does not exist")
        }
    }

    private mutating func readVarint() throws(BackupError) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while true {
            guard position < bytes.endIndex else { throw damaged("it is cut off") }
            let byte = bytes[position]
            position += 1
            // The tenth byte has room for the topmost bit only.
            guard shift < 63 || byte <= 1 else { throw damaged("a number is longer than 64 bits") }
            value |= UInt64(byte & 0x7f) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
    }

    private mutating func readFixed(_ count: Int) throws(BackupError) -> UInt64 {
        guard bytes.endIndex - position >= count else { throw damaged("it is cut off") }
        return take(count).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private mutating func take(_ count: Int) -> ArraySlice<UInt8> {
        defer { position += count }
        return bytes[position..<position + count]
    }

    /// Passes over a group and those inside it without recursion, so that deep nesting costs no stack.
    private mutating func skipGroup(_ number: Int) throws(BackupError) {
        var open = [number]
        while let innermost = open.last {
            let (number, wireType) = try readTag()
            switch wireType {
            case 3: open.append(number)
            case 4:
                guard number == innermost else { throw damaged("a group ends that has not begun") }
                open.removeLast()
            default: _ = try readValue(wireType)
            }
        }
    }

    private func damaged(_ what: String) -> BackupError {
        BackupError(
            .corrupted, "the protobuf message \(name) is damaged: \(what) (at byte \(position - bytes.startIndex))")
    }
}

/// One field as it stands on the wire.
package struct ProtobufField: Sendable {
    package enum Value: Sendable {
        case varint(UInt64)
        case fixed64(UInt64)
        case bytes(ArraySlice<UInt8>)
        case fixed32(UInt32)
    }

    package let number: Int
    package let value: Value
    /// The name of the message the field is in, for error texts.
    let message: String

    /// - Throws: ``BackupError/Code/corrupted`` when the field has another wire type.
    package func varint() throws(BackupError) -> UInt64 {
        guard case .varint(let value) = value else { throw mismatch("a number") }
        return value
    }

    /// - Throws: ``BackupError/Code/corrupted`` when the field has another wire type.
    package func bytes() throws(BackupError) -> ArraySlice<UInt8> {
        guard case .bytes(let value) = value else { throw mismatch("a byte sequence") }
        return value
    }

    private func mismatch(_ expected: String) -> BackupError {
        BackupError(.corrupted, "the protobuf message \(message) is damaged: field \(number) is not \(expected)")
    }
}
