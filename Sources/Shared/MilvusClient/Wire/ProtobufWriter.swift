/// Builds the bytes of one protobuf message, field by field.
package struct ProtobufWriter: Sendable {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    /// A number field; negative numbers are given as their two's complement in 64 bits, which takes ten bytes.
    package mutating func write(varint value: UInt64, field number: Int) {
        append(varint: UInt64(number) << 3)
        append(varint: value)
    }

    /// A byte sequence, string or sub-message field.
    package mutating func write(bytes value: some Collection<UInt8>, field number: Int) {
        append(varint: UInt64(number) << 3 | 2)
        append(varint: UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    /// A repeated number field in its packed form, which is what proto3 writes.
    package mutating func write(packed values: some Sequence<UInt64>, field number: Int) {
        var body = ProtobufWriter()
        for value in values { body.append(varint: value) }
        write(bytes: body.bytes, field: number)
    }

    private mutating func append(varint value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
