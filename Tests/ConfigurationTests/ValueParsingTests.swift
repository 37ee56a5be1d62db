import Support
import Testing

@testable import Configuration

@Suite("Values")
struct ValueParsingTests {
    private func parse(_ kind: Parameter.Kind, _ text: String) -> Result<ParameterValue, ValueProblem> {
        Result { () throws(ValueProblem) in try kind.parse(text) }
    }

    @Test(arguments: ["1", "t", "T", "true", "TRUE", "True"])
    func yes(text: String) { #expect(parse(.boolean, text) == .success(.boolean(true))) }

    @Test(arguments: ["0", "f", "F", "false", "FALSE", "False"])
    func no(text: String) { #expect(parse(.boolean, text) == .success(.boolean(false))) }

    @Test(arguments: ["yes", "on", "tRUE", "", "2"])
    func neither(text: String) {
        #expect(
            parse(.boolean, text) == .failure(ValueProblem("\"\(text)\" is not a boolean; write true or false")))
    }

    @Test(arguments: [("9000", 9000), ("9000.0", 9000), ("9e3", 9000), ("0x10", 16), ("-5", -5), ("+7", 7)])
    func numbers(text: String, number: Int) {
        #expect(parse(.integer(-10...100_000), text) == .success(.integer(number)))
    }

    @Test(
        arguments: [
            ("abc", "\"abc\" is not a number"), ("", "\"\" is not a number"), ("1.5", "\"1.5\" is not a number"),
            ("nan", "\"nan\" is not a number"), ("1e99", "\"1e99\" is not a number"),
            ("70000", "must be between 1 and 65535, not 70000"),
        ])
    func badNumbers(text: String, message: String) {
        #expect(parse(.integer(Parameter.port), text) == .failure(ValueProblem(message)))
    }

    @Test func countsMustBePositive() {
        #expect(parse(.integer(Parameter.positive), "0") == .failure(ValueProblem("must be greater than 0, not 0")))
    }

    @Test(
        arguments: [
            ("2g", 2 << 30), ("2G", 2 << 30), ("2gb", 2 << 30), ("512m", 512 << 20), ("512 MB", 512 << 20),
            ("8k", 8192), ("8kb", 8192), ("1048576", 1_048_576), ("1GiB", 1 << 30),
        ])
    func sizes(text: String, bytes: Int) { #expect(parse(.size, text) == .success(.integer(bytes))) }

    @Test(arguments: ["", "g", "2x", "-1", "0", "0g", "1.5g", "99999999999g"])
    func badSizes(text: String) {
        if case .success(let value) = parse(.size, text) { Issue.record("\(text) was read as \(value)") }
    }

    @Test(
        arguments: [("0", 0), ("100MiB", 100 << 20), ("100MiB/s", 100 << 20), ("2g", 2 << 30), ("1024", 1024)])
    func bandwidths(text: String, bytes: Int) throws {
        #expect(parse(.bandwidth, text) == .success(.integer(bytes)))
        #expect(try TransferSettings.bandwidth(text) == (bytes == 0 ? nil : Int64(bytes)))
    }

    @Test(arguments: ["", "100", "-1", "fast", "/s", "1.5g"])
    func badBandwidths(text: String) {
        if case .success(let value) = parse(.bandwidth, text) { Issue.record("\(text) was read as \(value)") }
        let error = #expect(throws: BackupError.self) { try TransferSettings.bandwidth(text) }
        #expect(error?.code == .invalidArgument && error?.message.hasPrefix("bandwidth: ") == true)
    }

    @Test func choicesDisregardCase() {
        let kind = Parameter.Kind.choice(["auto", "direct"])
        #expect(parse(kind, "AUTO") == .success(.text("auto")))
        #expect(parse(kind, "fast") == .failure(ValueProblem("\"fast\" is not one of auto, direct")))
    }

    @Test func shownValuesAreCutAndEscaped() {
        let long = String(repeating: "x", count: 500)
        guard case .failure(let problem) = parse(.boolean, "a\n\(long)") else {
            Issue.record("read")
            return
        }
        #expect(problem.message.count < 130)
        #expect(!problem.message.contains("\n"))
    }

    @Test(
        arguments: [
            ("127.0.0.1:9200", "127.0.0.1", 9200, true), ("localhost:1", "localhost", 1, true),
            ("[::1]:80", "::1", 80, true), ("127.8.9.1:0", "127.8.9.1", 0, true), (":9200", "", 9200, false),
            ("0.0.0.0:9200", "0.0.0.0", 9200, false), ("[::]:9200", "::", 9200, false),
            ("backup.example:9200", "backup.example", 9200, false),
            ("127.evil.example:1", "127.evil.example", 1, false),
        ])
    func hostsAndPorts(text: String, host: String, port: Int, isLoopback: Bool) throws {
        let parsed = try #require(HostPort(text))
        #expect(parsed == HostPort(host: host, port: port))
        #expect(parsed.isLoopback == isLoopback)
        #expect(parsed.description == text)
    }

    @Test(arguments: [
        "", "host", "host:", "host:x", "host:70000", "::1:80", "http://host:80", "[]:80", "a b:1", "h:+1",
    ])
    func noHostsAndPorts(text: String) { #expect(HostPort(text) == nil) }
}
