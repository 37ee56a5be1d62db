import Support
import Testing

@testable import BackupFormat

@Suite struct BackupNameTests {
    @Test(arguments: ["a", "_", "Nightly_2024", String(repeating: "x", count: 128)])
    func goodNamesAreTaken(name: String) {
        #expect(throws: Never.self) { try BackupName.validate(name) }
        #expect(throws: Never.self) { try BackupName.validateExisting(name) }
    }

    private static let bad: [(String, String)] = [
        ("", "backup name is required"), ("a b", "backup name should not contain whitespace"),
        ("a\n", "backup name should not contain whitespace"), ("a\u{A0}b", "backup name should not contain whitespace"),
        // White space is found before the length is.
        (String(repeating: " ", count: 200), "backup name should not contain whitespace"),
        (String(repeating: "x", count: 129), "backup name length should not exceed 128"),
        (String(repeating: "é", count: 65), "backup name length should not exceed 128"),
        ("1a", "backup name should start with an underscore or letter"),
        ("-a", "backup name should start with an underscore or letter"),
        ("éa", "backup name should start with an underscore or letter"),
        ("a-b", "backup name should only contain numbers, letters and underscores"),
        ("a/b", "backup name should only contain numbers, letters and underscores"),
        ("a.b", "backup name should only contain numbers, letters and underscores"),
        ("a٣", "backup name should only contain numbers, letters and underscores"),
    ]

    @Test(arguments: bad)
    func badNamesAreRefusedInTheOriginalsWords(name: String, expected: String) {
        let failure = #expect(throws: BackupError.self) { try BackupName.validate(name) }
        #expect(failure?.code == .invalidArgument)
        #expect(failure?.message == expected)
    }

    @Test func namesThatExistAreNeverPaths() {
        for name in ["a-b", "2024", "a.b", "é"] {
            #expect(throws: Never.self) { try BackupName.validateExisting(name) }
        }
        for name in ["", ".", "..", "a/b", "/", "../x", "a\u{0}", "a\n", String(repeating: "x", count: 256)] {
            #expect(throws: BackupError.self) { try BackupName.validateExisting(name) }
        }
    }

    @Test func generatedNamesTellTheTime() throws {
        let time = Timestamp(seconds: 1_728_045_009, nanoseconds: 4_506)
        #expect(BackupName.generated(at: time) == "backup_2024_10_04_12_30_09_4506")
        #expect(BackupName.generatedRestoreID(at: time) == "restore_2024_10_04_12_30_09_4506")
        #expect(throws: Never.self) { try BackupName.validate(BackupName.generated(at: time)) }
    }
}

@Suite struct SizeTextTests {
    private static let sizes: [(String, Int64)] = [
        ("1", 1), ("2147483648", 2_147_483_648), ("2g", 2 << 30), ("2G", 2 << 30), ("2gb", 2 << 30), ("2GB", 2 << 30),
        ("512m", 512 << 20), ("512MB", 512 << 20), ("64k", 64 << 10), ("64 kb", 64 << 10), (" 1 GiB ", 1 << 30),
        ("3t", 3 << 40),
        ("7b", 7),
    ]

    @Test(arguments: sizes)
    func sizesHaveUnits(text: String, expected: Int64) throws {
        #expect(try SizeText.parse(text, name: "size") == expected)
    }

    @Test(arguments: ["", "g", "0", "0g", "-1", "1.5g", "2x", "2gg", "g2", "٣g", "9223372036854775808", "1e3"])
    func otherTextsAreRefused(text: String) {
        let failure = #expect(throws: BackupError.self) {
            try SizeText.parse(text, name: "backup.maxSegmentGroupSize")
        }
        #expect(failure?.code == .configuration)
        #expect(failure?.message == "backup.maxSegmentGroupSize: \"\(text)\" is no size")
    }

    @Test func sizesAboveTheLimitAreRefused() {
        #expect(throws: BackupError.self) { try SizeText.parse("9223372036854775807g", name: "size") }
        #expect(throws: BackupError.self) { try SizeText.parse("8388608t", name: "size") }
    }
}
