import Support
import Testing

@Suite struct FormattingTests {
    @Test(arguments: [
        (Int64(0), "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1536, "1.5 KiB"), (20 << 20, "20.0 MiB"),
        (5 << 40, "5.0 TiB"),
    ])
    func bytes(count: Int64, text: String) { #expect(formattedBytes(count) == text) }

    @Test(arguments: [(0.0, 2, "0.00"), (1.005, 1, "1.0"), (12.345, 2, "12.35"), (-1.26, 1, "-1.3"), (7.5, 0, "8")])
    func decimals(value: Double, decimals: Int, text: String) { #expect(formatted(value, decimals: decimals) == text) }

    @Test func timestampsAreUTC() {
        let moment = Timestamp(seconds: 1_728_000_000, nanoseconds: 7_000_000)
        #expect(moment.iso8601 == "2024-10-04T00:00:00.007Z")
        #expect(moment.iso8601Basic == "20241004T000000Z")
        #expect(moment.milliseconds == 1_728_000_000_007)
    }
}
