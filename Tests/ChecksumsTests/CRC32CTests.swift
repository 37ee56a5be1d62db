import CChecksum
import Testing

@testable import Checksums

@Suite struct CRC32CTests {
    private func checksum(_ bytes: some Collection<UInt8>) -> UInt32 {
        var crc = CRC32C()
        Array(bytes).withUnsafeBytes { crc.update($0) }
        return crc.value
    }

    /// RFC 3720, appendix B.4.
    @Test func knownValues() {
        #expect(checksum("123456789".utf8) == 0xe306_9283)
        #expect(checksum([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(checksum([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
        #expect(checksum(0..<32) == 0x46dd_794e)
        #expect(checksum([]) == 0)
    }

    @Test(arguments: [1, 7, 8, 4095, 12_287, 12_288, 12_289, 100_003])
    func allWaysGiveTheSame(size: Int) {
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
        let expected = ~cchecksum_crc32c_slow(.max, bytes, bytes.count)
        #expect(checksum(bytes) == expected)
        // In pieces, and put together from two.
        for cut in [0, 1, size / 3, size - 1, size] {
            var crc = CRC32C()
            bytes[..<cut].withUnsafeBytes { crc.update($0) }
            bytes[cut...].withUnsafeBytes { crc.update($0) }
            #expect(crc.value == expected)
            let whole = CRC32C.combined(
                checksum(bytes[..<cut]), checksum(bytes[cut...]), secondLength: Int64(size - cut))
            #expect(whole == expected)
        }
    }
}
