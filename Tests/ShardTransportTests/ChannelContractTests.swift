import ShardProtocol
import ShardTransport
import Support
import Testing

/// Every kind of channel keeps the contract of ``MessageChannel``.
@Suite struct ChannelContractTests {
    @Test(arguments: ChannelKind.allCases)
    func messagesArriveInOrderBothWays(kind: ChannelKind) async throws {
        try await kind.withAuthenticatedPair { agent, coordinator in
            for shards in 1...20 { try await agent.send(.pull(Pull(shards: shards))) }
            for index in 1...20 { try await coordinator.send(.assignment(.sample(shard: index))) }
            for shards in 1...20 { #expect(try await coordinator.receive() == .pull(Pull(shards: shards))) }
            for index in 1...20 { #expect(try await agent.receive() == .assignment(.sample(shard: index))) }
        }
    }

    @Test(arguments: ChannelKind.allCases)
    func whatWasSentBeforeACloseStillArrives(kind: ChannelKind) async throws {
        try await kind.withAuthenticatedPair { agent, coordinator in
            for shards in 1...10 { try await agent.send(.pull(Pull(shards: shards))) }
            try await agent.send(.goodbye)
            agent.close()
            agent.close()
            for shards in 1...10 { #expect(try await coordinator.receive() == .pull(Pull(shards: shards))) }
            #expect(try await coordinator.receive() == .goodbye)
            #expect(try await coordinator.receive() == nil)
            #expect(try await coordinator.receive() == nil)
        }
    }

    @Test(arguments: ChannelKind.allCases)
    func closingFreesAWaitingReceiveOnBothSides(kind: ChannelKind) async throws {
        try await kind.withAuthenticatedPair { agent, coordinator in
            async let here = agent.receive()
            async let there = coordinator.receive()
            try await Task.sleep(for: .milliseconds(20))
            agent.close()
            #expect(try await here == nil)
            #expect(try await there == nil)
        }
    }

    @Test(arguments: ChannelKind.allCases)
    func sendingOnAClosedChannelFails(kind: ChannelKind) async throws {
        try await kind.withAuthenticatedPair { agent, coordinator in
            agent.close()
            await #expect(throws: BackupError.self) { try await agent.send(.goodbye) }
            let end = try await coordinator.receive()
            #expect(end == nil)
            await #expect(throws: BackupError.self) { try await coordinator.send(.finish) }
        }
    }

    @Test(arguments: ChannelKind.allCases)
    func aSenderWaitsForASlowPeerAndLosesNothing(kind: ChannelKind) async throws {
        try await kind.withAuthenticatedPair { agent, coordinator in
            // More than the kernel's buffers take, and it does not compress.
            let messages = 1000
            let filler = Refusal.incompressibleText(count: 64 * 1024)
            let sent = Counter()
            async let sending: Void = {
                for index in 0..<messages {
                    try await coordinator.send(.refused(Refusal(message: "\(index) \(filler)", isRetryable: false)))
                    sent.increment()
                }
            }()
            // Nobody reads: the sender must come to a halt long before everything is sent.
            var before = -1
            while sent.value != before {
                before = sent.value
                try await Task.sleep(for: .milliseconds(300))
            }
            #expect(sent.value < messages)
            for index in 0..<messages {
                guard case .refused(let refusal) = try await agent.receive() else {
                    Issue.record("message \(index) is missing")
                    break
                }
                #expect(refusal.message.hasPrefix("\(index) "))
            }
            try await sending
        }
    }

    @Test(arguments: ChannelKind.allCases)
    func aCloseFreesASenderThatWaits(kind: ChannelKind) async throws {
        try await kind.withAuthenticatedPair { agent, coordinator in
            let large = Refusal(message: Refusal.incompressibleText(count: 64 * 1024), isRetryable: false)
            let sending = Task {
                while true { try await coordinator.send(.refused(large)) }
            }
            try await Task.sleep(for: .milliseconds(200))
            coordinator.close()
            await #expect(throws: BackupError.self) { try await sending.value }
            _ = agent
        }
    }

    @Test(arguments: ChannelKind.allCases)
    func cancelingATaskFreesItsReceiveAndTheChannelStaysUsable(kind: ChannelKind) async throws {
        try await kind.withAuthenticatedPair { agent, coordinator in
            let receiving = Task { try await agent.receive() }
            try await Task.sleep(for: .milliseconds(20))
            receiving.cancel()
            await #expect(throws: BackupError.self) { try await receiving.value }
            try await coordinator.send(.finish)
            #expect(try await agent.receive() == .finish)
        }
    }
}
