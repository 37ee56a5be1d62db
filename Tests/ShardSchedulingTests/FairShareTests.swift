import ShardProtocol
import Testing

@testable import ShardScheduling

/// Several agents share even a small job, whoever asks first and however much.
@Suite struct FairShareTests {
    private let a = AgentID("a")
    private let b = AgentID("b")

    private func scheduler(_ shards: Int, of bytes: Int64 = 64 << 20, agents: [AgentID]) -> ShardScheduler {
        var scheduler = ShardScheduler(job: "job", backupName: "nightly")
        for agent in agents { _ = scheduler.agentJoined(agent, capacity: 8, now: .start) }
        for id in 0..<shards { _ = scheduler.add(.sample(id, tasks: 1, bytes: bytes), now: .start) }
        scheduler.noMoreShards()
        return scheduler
    }

    @Test func whoAsksFirstDoesNotGetEverything() {
        var scheduler = scheduler(10, agents: [a, b])
        #expect(scheduler.pull(a, count: 8, now: .start).count == 2, "a quarter of ten")
        #expect(scheduler.pull(b, count: 8, now: .start).count == 2)
    }

    @Test func whoIsAloneIsNotHeldBack() {
        var scheduler = scheduler(10, agents: [a])
        #expect(scheduler.pull(a, count: 8, now: .start).count == 8)
    }

    @Test func whatIsDoneInNoTimeIsNotParcelledOut() {
        var scheduler = scheduler(10, of: 100 << 10, agents: [a, b])
        #expect(scheduler.pull(a, count: 8, now: .start).count == 8)
    }

    @Test func anObjectAboveTheShareStillGoesOut() {
        var scheduler = scheduler(1, of: 1 << 40, agents: [a, b])
        #expect(scheduler.pull(a, count: 8, now: .start).count == 1)
    }

    @Test func anAgentThatIsSilentKeepsNothingFromTheOthers() {
        var scheduler = scheduler(10, agents: [a, b])
        _ = scheduler.pull(a, count: 8, now: .start)
        _ = scheduler.pull(b, count: 8, now: .start)
        // a lives, b does not: what b held, and all that waited for its share, is a's as far as it has room.
        _ = scheduler.heartbeat(
            a, [.init(lease: Lease(job: "job", shard: 0, epoch: 1), bytes: 1, objects: 0)], now: .at(20))
        _ = scheduler.heartbeat(
            a, [.init(lease: Lease(job: "job", shard: 1, epoch: 1), bytes: 1, objects: 0)], now: .at(20))
        let handouts = scheduler.expire(now: .at(31)).handouts
        #expect(handouts.count == 6 && handouts.allSatisfy { $0.agent == a })
    }

    /// Time goes by in steps; an agent does a shard in so many of them.
    private func shares(_ shards: Int, steps: [AgentID: Int]) -> (copied: [AgentID: Int], steps: Int) {
        let agents = steps.keys.sorted()
        var scheduler = scheduler(shards, agents: agents)
        var queues: [AgentID: [(Assignment, Int)]] = [:]
        var copied: [AgentID: Int] = [:]
        func take(_ handouts: [Handout]) {
            for handout in handouts {
                queues[handout.agent, default: []].append((handout.assignment, steps[handout.agent] ?? 1))
            }
        }
        for agent in agents { take(scheduler.pull(agent, count: 8, now: .start)) }
        var step = 0
        while !scheduler.isFinished && step < 10_000 {
            step += 1
            for agent in agents {
                guard let (assignment, left) = queues[agent]?.first else { continue }
                queues[agent]?[0].1 = left - 1
                guard left == 1 else { continue }
                queues[agent]?.removeFirst()
                copied[agent, default: 0] += 1
                take(scheduler.complete(agent, .sample(assignment), now: .start).handouts)
                take(scheduler.pull(agent, count: 1, now: .start))
            }
        }
        return (copied, step)
    }

    @Test(arguments: [2, 5, 9, 16, 40]) func equalAgentsDoEqualParts(shards: Int) {
        let (copied, steps) = shares(shards, steps: [a: 10, b: 10])
        #expect(abs(copied[a, default: 0] - copied[b, default: 0]) <= 1)
        #expect(steps == (shards + 1) / 2 * 10)
    }

    /// One of the two takes four times as long: they end together but for one shard of the slow one.
    @Test(arguments: [10, 20, 40]) func agentsOfDifferentSpeedsEndTogether(shards: Int) {
        let (copied, steps) = shares(shards, steps: [a: 40, b: 10])
        #expect(copied[b, default: 0] > copied[a, default: 0])
        #expect(steps <= shards * 8 + 40, "\(steps) of \(shards * 8), \(copied)")
    }
}
