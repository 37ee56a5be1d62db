import Support
import Testing

@testable import ShardTransport

@Suite struct AddressTests {
    @Test(
        arguments: [
            ("10.0.0.7:7000", "10.0.0.7", 7000), ("coordinator.example:1", "coordinator.example", 1),
            ("[::1]:0", "::1", 0),
            (":65535", "", 65535), ("[fe80::1%eth0]:7", "fe80::1%eth0", 7),
        ] as [(String, String, UInt16)])
    func addressesAreRead(text: String, host: String, port: UInt16) throws {
        let address = try HostAndPort(parsing: text)
        #expect(address == HostAndPort(host: host, port: port))
        #expect(address.description == text)
    }

    @Test(arguments: [
        "", "host", "host:", "host:65536", "host:-1", "::1", "::1:7000", "[::1", "host:http", "[::1]7000",
    ])
    func whatIsNoAddressIsRefused(text: String) {
        #expect { try HostAndPort(parsing: text) } throws: { ($0 as? BackupError)?.code == .configuration }
    }

    @Test func nobodyListeningIsARetryableError() async throws {
        let listener = try await AgentListener(HostAndPort(host: "127.0.0.1", port: 0))
        let address = listener.localAddress
        listener.close()
        await #expect { () async throws in
            _ = try await dialCoordinator(address)
        } throws: {
            let error = $0 as? BackupError
            return error?.isRetryable == true
                && error?.message.contains("cannot reach the coordinator at \(address)") == true
        }
    }

    @Test func anUnknownNameIsNamed() async throws {
        await #expect { () async throws in
            _ = try await dialCoordinator(HostAndPort(host: "nowhere.invalid", port: 1))
        } throws: { "\($0)".contains("cannot look up nowhere.invalid") }
    }
}
