import CChecksum

/// CRC-32C (Castagnoli) of bytes that come in pieces, by the processor's own instruction where it has one.
package struct CRC32C: Sendable {
    /// Bytes of each of the three runs that are computed at once.
    private static let lane = 4096
    private static let hasInstruction = cchecksum_has_crc32c() != 0
    private static let overLane = ZeroesOperator(bytes: lane)

    private var inner: UInt32 = .max

    package init() {}

    package var value: UInt32 { ~inner }

    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard var address = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return }
        var left = bytes.count
        guard CRC32C.hasInstruction else {
            inner = cchecksum_crc32c_slow(inner, address, left)
            return
        }
        while left >= 3 * CRC32C.lane {
            var runs: (UInt32, UInt32, UInt32) = (inner, 0, 0)
            withUnsafeMutableBytes(of: &runs) {
                cchecksum_crc32c_three($0.baseAddress?.assumingMemoryBound(to: UInt32.self), address, CRC32C.lane)
            }
            inner = CRC32C.overLane.apply(CRC32C.overLane.apply(runs.0) ^ runs.1) ^ runs.2
            address += 3 * CRC32C.lane
            left -= 3 * CRC32C.lane
        }
        inner = cchecksum_crc32c_one(inner, address, left)
    }

    /// The checksum of two pieces of content, the second one `secondLength` bytes long, out of theirs.
    package static func combined(_ first: UInt32, _ second: UInt32, secondLength: Int64) -> UInt32 {
        ZeroesOperator(bytes: Int(secondLength)).apply(first) ^ second
    }
}

/// What a run of zero bytes does to a checksum: a linear map over its 32 bits, kept as a table for each of its four bytes.
struct ZeroesOperator: Sendable {
    private let tables: [UInt32]

    /// - Parameter bytes: how many zeroes.
    init(bytes: Int) {
        // The map of one bit, squared to those of 2, 4, 8, … bits, and put together as the binary digits of the length say.
        var power = [0x82f6_3b78] + (0..<31).map { UInt32(1) << UInt32($0) }
        var columns = (0..<32).map { UInt32(1) << UInt32($0) }
        var bits = bytes * 8
        while bits > 0 {
            if bits & 1 == 1 { columns = columns.map { ZeroesOperator.product(power, $0) } }
            power = power.map { ZeroesOperator.product(power, $0) }
            bits >>= 1
        }
        tables = (0..<4).flatMap { byte in
            (0..<256).map { ZeroesOperator.product(columns, UInt32($0) << UInt32(8 * byte)) }
        }
    }

    func apply(_ crc: UInt32) -> UInt32 {
        tables.withUnsafeBufferPointer {
            $0[Int(crc & 255)] ^ $0[256 + Int(crc >> 8 & 255)] ^ $0[512 + Int(crc >> 16 & 255)]
                ^ $0[768 + Int(crc >> 24)]
        }
    }

    private static func product(_ columns: [UInt32], _ vector: UInt32) -> UInt32 {
        var (sum, vector, index): (UInt32, UInt32, Int) = (0, vector, 0)
        while vector != 0 {
            if vector & 1 == 1 { sum ^= columns[index] }
            vector >>= 1
            index += 1
        }
        return sum
    }
}
