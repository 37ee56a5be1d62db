import ShardProtocol
import Testing

@testable import ShardScheduling

@Suite struct LimitSharesTests {
    private let a = AgentID("a")
    private let b = AgentID("b")
    private let c = AgentID("c")

    private func text(_ updates: [LimitShares.Update]) -> [String] {
        updates.map { "\($0.agent) \($0.limits.bandwidth ?? 0) \($0.limits.requestsPerSecond ?? 0)" }
    }

    @Test func thoseWhoHaveWorkShareEqually() {
        var shares = LimitShares(total: TransferLimits(bandwidth: 900, requestsPerSecond: 9))
        #expect(text(shares.getWork([a])) == ["a 900 9.0"])
        // Whoever gets less hears of it before the newcomer does.
        #expect(text(shares.getWork([b, c])) == ["a 300 3.0", "b 300 3.0", "c 300 3.0"])
        #expect(text(shares.getWork([b])) == [])
        #expect(text(shares.haveWork([b])) == ["b 900 9.0"])
    }

    @Test func oneThatComesBackHasHeardNothing() {
        var shares = LimitShares(total: TransferLimits(bandwidth: 900))
        _ = shares.getWork([a, b])
        shares.forget(a)
        #expect(text(shares.haveWork([b])) == ["b 900 0.0"])
        #expect(text(shares.getWork([a])) == ["b 450 0.0", "a 450 0.0"])
    }

    @Test func withoutALimitNothingIsSaid() {
        var shares = LimitShares(total: TransferLimits())
        #expect(text(shares.getWork([a, b])) == [])
        #expect(text(shares.setTotal(TransferLimits(bandwidth: 10))) == ["a 5 0.0", "b 5 0.0"])
        // But that there is none any more is.
        #expect(text(shares.setTotal(TransferLimits())) == ["a 0 0.0", "b 0 0.0"])
        #expect(text(shares.setTotal(TransferLimits())) == [])
    }

    @Test func aTinyLimitIsNoLimitForNobody() {
        var shares = LimitShares(total: TransferLimits(bandwidth: 2))
        #expect(text(shares.getWork([a, b, c])).first == "a 1 0.0")
    }
}
