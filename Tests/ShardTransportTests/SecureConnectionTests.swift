import Glibc
import ShardProtocol
import Support
import TLS
import Testing

@testable import ShardTransport

/// Who gets in over TLS, who does not, and what both sides are told.
@Suite struct SecureConnectionTests {
    private static let token = Secret("0123456789abcdef0123456789abcdef")
    private let certificates = Certificates.shared

    /// What each side of a connection with a handshake came to.
    private struct Ends {
        var agent: BackupError?
        var coordinator: BackupError?
    }

    private func meet(
        _ agent: TLSContext?, _ coordinator: TLSContext?, name: String = "a1", allowed: [String] = []
    ) async throws -> Ends {
        let listener = try await AgentListener(HostAndPort(host: "127.0.0.1", port: 0), tls: coordinator)
        defer { listener.close() }
        async let agentEnd = Result.catching { try await shake(listener.localAddress, agent, name: name) }
        let channel = try await listener.nextConnection()
        let coordinatorEnd = await Result.catching { try await welcome(channel, allowed: allowed) }
        return await Ends(agent: agentEnd.failure, coordinator: coordinatorEnd.failure)
    }

    private func shake(_ address: HostAndPort, _ tls: TLSContext?, name: String) async throws {
        let channel = try await dialCoordinator(address, tls: tls)
        let identity = try AgentIdentity(name: name, capacity: 1, stores: [])
        _ = try await agentHandshake(over: channel, identity: identity, token: SecureConnectionTests.token) {
            probe, _ in
            .init(storage: probe.storage, value: nil)
        }
    }

    private func welcome(_ channel: CoordinatorChannel, allowed: [String] = []) async throws {
        let policy = HandshakePolicy(stores: [], allowedAgents: allowed)
        _ = try await coordinatorHandshake(over: channel, policy: policy, token: SecureConnectionTests.token) { _ in []
        }
    }

    @Test func withAnAuthorityInCommonTheyWork() async throws {
        let ends = try await meet(certificates.agent(), certificates.coordinator())
        #expect(ends.agent == nil)
        #expect(ends.coordinator == nil)
    }

    @Test func withCertificatesOnBothSidesTheyWork() async throws {
        let ends = try await meet(
            certificates.agent("ours-a1"), certificates.coordinator(clients: "ours"), allowed: ["a0", "a1"])
        #expect(ends.agent == nil)
        #expect(ends.coordinator == nil)
    }

    @Test func aCoordinatorOfAnotherAuthorityIsNotBelieved() async throws {
        let ends = try await meet(certificates.agent(), certificates.coordinator("theirs-coordinator"))
        #expect(ends.agent?.description.contains("the coordinator's certificate is not accepted") == true)
        #expect(ends.agent?.description.contains("agent.tls.caPath") == true)
        #expect(ends.agent?.isRetryable == false)
        #expect(ends.coordinator?.message.contains("does not accept our certificate") == true)
    }

    @Test func aCoordinatorOfAnotherNameIsNotBelieved() async throws {
        let ends = try await meet(certificates.agent(), certificates.coordinator("ours-other"))
        #expect(ends.agent?.description.contains("not for 127.0.0.1: set agent.tls.serverName") == true)
        let named = try await meet(
            certificates.agent(serverName: "elsewhere.test"), certificates.coordinator("ours-other"))
        #expect(named.agent == nil)
    }

    @Test func anExpiredCertificateOfTheCoordinatorIsNotBelieved() async throws {
        let ends = try await meet(certificates.agent(), certificates.coordinator("ours-old"))
        #expect(ends.agent?.description.contains("certificate has expired") == true)
        #expect(try certificates.coordinator("ours-old").daysLeft == -1)
    }

    @Test func anAgentsCertificateMakesNoCoordinator() async throws {
        let ends = try await meet(certificates.agent(serverName: "a2"), certificates.coordinator("ours-a2"))
        #expect(ends.agent?.description.contains("the coordinator's certificate is not accepted") == true)
    }

    @Test(arguments: [
        (nil, "it shows no certificate", "asks for a certificate"),
        ("theirs-a1", "the agent's certificate is not accepted", "does not accept our certificate"),
        ("ours-olda1", "certificate has expired", "certificate expired"),
        ("ours-coordinator", "the agent's certificate is not accepted", "does not accept our certificate"),
        ("ours-a2", "agent a1 shows the certificate of a2", "agent a1 shows the certificate of a2"),
    ])
    func anAgentWithoutTheRightCertificateIsRefused(name: String?, told: String, heard: String) async throws {
        let ends = try await meet(certificates.agent(name), certificates.coordinator(clients: "ours"))
        #expect(ends.coordinator?.description.contains(told) == true, "\(String(describing: ends.coordinator))")
        #expect(ends.agent?.description.contains(heard) == true, "\(String(describing: ends.agent))")
        #expect(ends.agent?.isRetryable == false)
    }

    @Test func anAgentThatIsNotOnTheListIsRefused() async throws {
        let ends = try await meet(
            certificates.agent("ours-a1"), certificates.coordinator(clients: "ours"), allowed: ["a2"])
        #expect(ends.coordinator?.message.contains("a1 is not in coordinator.tls.allowedAgents") == true)
        #expect(ends.agent?.message.contains("not in coordinator.tls.allowedAgents") == true)
    }

    // MARK: Downgrade

    @Test func aPlainAgentIsToldThatTLSIsDue() async throws {
        let ends = try await meet(nil, certificates.coordinator())
        #expect(ends.coordinator?.message.hasSuffix("speaks no TLS, which is due here") == true)
        #expect(ends.agent?.description.contains("it speaks TLS only; set agent.tls.caPath") == true)
    }

    @Test func anAgentWithTLSSaysNothingToAPlainCoordinator() async throws {
        let listener = try await AgentListener(HostAndPort(host: "127.0.0.1", port: 0))
        async let agent = Result.catching { try await shake(listener.localAddress, certificates.agent(), name: "a1") }
        let channel = try await listener.nextConnection()
        let coordinator = await Result.catching { try await welcome(channel) }
        #expect(coordinator.failure?.message.contains("it speaks TLS, and TLS is not on here") == true)
        #expect(await agent.failure?.description.contains("during the TLS handshake") == true)
    }

    /// Whatever a man in the middle answers, nothing of the agent is readable.
    @Test(arguments: [[UInt8](repeating: 0, count: 6), [21, 3, 3, 0, 2, 2, 70], Array("HTTP/1.1 200 OK\r\n\r\n".utf8)])
    func noAnswerMakesAnAgentSpeakPlainly(answer: [UInt8]) async throws {
        let listener = try await AgentListener(HostAndPort(host: "127.0.0.1", port: 0))
        listener.close()
        let (middle, address) = try RawServer.start()
        async let agent = Result.catching { try await shake(address, certificates.agent(), name: "a1") }
        let heard = try await middle.exchange(answer)
        #expect(heard.first == 22)
        #expect(!String(decoding: heard, as: UTF8.self).contains("nonce"))
        #expect(await agent.failure != nil)
    }

    @Test func anOlderVersionIsRefused() async throws {
        let listener = try await AgentListener(
            HostAndPort(host: "127.0.0.1", port: 0), tls: certificates.coordinator())
        let stranger = try await TCPConnection.dial(listener.localAddress, timeout: .seconds(10))
        let channel = try await listener.nextConnection()
        try await stranger.write(ClientHello.ofVersion1_2)
        await #expect { () async throws in
            _ = try await channel.secured()
        } throws: { "\($0)".contains("an older version than 1.3") }
        // A fatal alert: protocol_version.
        #expect(try await stranger.read() == [21, 3, 3, 0, 2, 2, 70])
    }

    // MARK: A man in the middle

    /// He has a good certificate of the same authority and passes on all that both say: the proofs are of two connections.
    @Test func proofsCannotBeRelayedToAnotherConnection() async throws {
        let coordinator = try await AgentListener(
            HostAndPort(host: "127.0.0.1", port: 0), tls: certificates.coordinator())
        let middle = try await AgentListener(HostAndPort(host: "127.0.0.1", port: 0), tls: certificates.coordinator())
        async let agent = Result.catching { try await shake(middle.localAddress, certificates.agent(), name: "a1") }
        let towardsAgent = try await middle.nextConnection()
        let towardsCoordinator = try await dialCoordinator(coordinator.localAddress, tls: certificates.agent())
        let channel = try await coordinator.nextConnection()
        async let welcomed = Result.catching { try await welcome(channel) }
        async let relayed: Void = {
            while let message = try? await towardsAgent.receive() { try? await towardsCoordinator.send(message) }
            towardsCoordinator.close()
        }()
        while let message = try? await towardsCoordinator.receive() { try? await towardsAgent.send(message) }
        towardsAgent.close()
        await relayed
        #expect(await agent.failure?.message.contains("the tokens differ") == true)
        #expect(await welcomed.failure != nil)
    }

    /// An end that nobody has said may be the work of a third.
    @Test func aTornConnectionIsNoOrderlyEnd() async throws {
        let listener = try await AgentListener(
            HostAndPort(host: "127.0.0.1", port: 0), tls: certificates.coordinator())
        let agent = try await TCPConnection.dial(
            listener.localAddress, tls: certificates.agent(), timeout: .seconds(10))
        let channel = try await listener.nextConnection()
        _ = try await agent.secured()
        _ = try await channel.secured()
        agent.abort(BackupError(.canceled, "torn"))
        await #expect { () async throws in
            _ = try await channel.receive()
        } throws: { "\($0)".contains("without a farewell") || "\($0)".contains("broke") }
    }

    @Test func aFileThatCannotBeUsedIsNamed() throws {
        #expect {
            _ = try TLSContext.coordinator(TLSFiles(section: "coordinator.tls", certificate: "/nowhere.crt", key: "/k"))
        } throws: { "\($0)".contains("coordinator.tls.certPath: cannot use /nowhere.crt: No such file") }
        let mixed = TLSFiles(
            section: "coordinator.tls", certificate: certificates.path("ours-coordinator.crt"),
            key: certificates.path("ours-a1.key"))
        #expect { _ = try TLSContext.coordinator(mixed) } throws: { "\($0)".contains("coordinator.tls.keyPath") }
    }
}

extension Result where Failure == any Error {
    var failure: BackupError? { if case .failure(let error) = self { BackupError(wrapping: error) } else { nil } }
}

/// A server of bytes alone.
private final class RawServer: Sendable {
    private let descriptor: Int32

    private init(_ descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }

    static func start() throws -> (RawServer, HostAndPort) {
        let descriptor = try Sockets.make(family: AF_INET)
        _ = fcntl(descriptor, F_SETFL, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = in_addr_t(0x7f00_0001).bigEndian
        _ = withUnsafePointer(to: address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        listen(descriptor, 1)
        return (RawServer(descriptor), Sockets.localAddress(descriptor))
    }

    /// Answers the first thing that one client says; returns all that it has said until it leaves.
    func exchange(_ answer: [UInt8]) async throws -> [UInt8] {
        await withCheckedContinuation { continuation in
            startThread { [self] in
                let client = accept(descriptor, nil, nil)
                var heard: [UInt8] = []
                var buffer = [UInt8](repeating: 0, count: 65536)
                var hasAnswered = false
                while true {
                    let count = recv(client, &buffer, buffer.count, 0)
                    guard count > 0 else { break }
                    heard += buffer[..<count]
                    if !hasAnswered { send(client, answer, answer.count, Int32(MSG_NOSIGNAL)) }
                    hasAnswered = true
                }
                close(client)
                continuation.resume(returning: heard)
            }
        }
    }
}

private enum ClientHello {
    /// One without the extension that offers TLS 1.3.
    static let ofVersion1_2: [UInt8] = {
        let body: [UInt8] =
            [3, 3] + [UInt8](repeating: 7, count: 32) + [0] + [0, 2, 0xC0, 0x2F] + [1, 0]
        let handshake: [UInt8] = [1, 0, 0, UInt8(body.count)] + body
        return [22, 3, 1, 0, UInt8(handshake.count)] + handshake
    }()
}
