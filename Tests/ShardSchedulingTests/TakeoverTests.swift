import ShardProtocol
import Testing

@testable import ShardScheduling

/// The end of a job, when agents without work help those that are slow.
@Suite struct TakeoverTests {
    private let slow = AgentID("slow")
    private let fast = AgentID("fast")
    private let third = AgentID("third")

    private func scheduler(_ agents: [AgentID], shards: Int, maximumFailures: Int = 3) -> ShardScheduler {
        var scheduler = ShardScheduler(
            job: "job", backupName: "nightly",
            policy: SchedulingPolicy(maximumFailures: maximumFailures, takeoverDelay: .seconds(10)))
        for agent in agents { _ = scheduler.agentJoined(agent, capacity: 4, now: .start) }
        for id in 0..<shards { _ = scheduler.add(.sample(id), now: .start) }
        return scheduler
    }

    private func beat(_ assignment: Assignment, bytes: Int64) -> [Heartbeat.Progress] {
        [Heartbeat.Progress(lease: assignment.lease, bytes: bytes, objects: 0)]
    }

    @Test func theFirstToFinishCounts() throws {
        var scheduler = scheduler([slow, fast], shards: 1)
        let first = scheduler.pull(slow, count: 1, now: .start)[0].assignment
        #expect(scheduler.pull(fast, count: 1, now: .start).isEmpty)
        #expect(scheduler.expire(now: .at(9)).handouts.isEmpty, "it may be about to be done")
        let handouts = scheduler.expire(now: .at(10)).handouts
        #expect(handouts.map(\.agent) == [fast] && handouts.map(\.rival) == [slow])
        let second = try #require(handouts.first).assignment
        #expect(second.lease == Lease(job: "job", shard: 0, epoch: 2))
        // Both leases live, and the shard counts once.
        #expect(scheduler.heartbeat(slow, beat(first, bytes: 20), now: .at(11)).stale.isEmpty)
        #expect(scheduler.heartbeat(fast, beat(second, bytes: 150), now: .at(11)).stale.isEmpty)
        #expect(scheduler.progress.inFlight == WorkAmount(shards: 1, objects: 0, bytes: 150))
        let outcome = scheduler.complete(fast, .sample(second), now: .at(12))
        guard case .finished = outcome.verdict else {
            Issue.record("\(outcome.verdict)")
            return
        }
        #expect(outcome.superseded == [HeldLease(agent: slow, lease: first.lease)])
        #expect(scheduler.heartbeat(slow, beat(first, bytes: 30), now: .at(13)).stale == [first.lease])
        #expect(scheduler.complete(slow, .sample(first), now: .at(14)).verdict == .late)
        #expect(scheduler.progress.done.shards == 1 && scheduler.progress.inFlight == WorkAmount())
    }

    @Test func theHolderMayBeFasterAfterAll() throws {
        var scheduler = scheduler([slow, fast], shards: 1)
        let first = scheduler.pull(slow, count: 1, now: .start)[0].assignment
        _ = scheduler.pull(fast, count: 1, now: .start)
        let second = try #require(scheduler.expire(now: .at(10)).handouts.first).assignment
        let outcome = scheduler.complete(slow, .sample(first), now: .at(11))
        #expect(outcome.superseded == [HeldLease(agent: fast, lease: second.lease)])
        #expect(scheduler.complete(fast, .sample(second), now: .at(11)).verdict == .late)
    }

    @Test func theSlowestGoFirstAndNoneIsTakenTwice() throws {
        var scheduler = scheduler([slow, fast, third], shards: 3)
        let held = scheduler.pull(slow, count: 3, now: .start).map(\.assignment)
        let reports = zip(held, [150, 20, 0] as [Int64]).flatMap { beat($0, bytes: $1) }
        _ = scheduler.heartbeat(slow, reports, now: .at(9))
        _ = scheduler.pull(fast, count: 2, now: .at(9))
        _ = scheduler.pull(third, count: 4, now: .at(9))
        let handouts = scheduler.expire(now: .at(10)).handouts
        #expect(handouts.map(\.assignment.lease.shard) == [2, 1, 0])
        #expect(handouts.map(\.agent) == [fast, third, fast])
        #expect(scheduler.expire(now: .at(20)).handouts.isEmpty)
    }

    @Test func whoWillBeDoneSoonIsLeftAlone() throws {
        var scheduler = scheduler([slow, fast], shards: 2)
        let own = scheduler.pull(fast, count: 1, now: .start)[0].assignment
        let other = scheduler.pull(slow, count: 1, now: .start)[0].assignment
        // A shard takes 20 s on the fast one; the slow one will need 5 s more.
        _ = scheduler.complete(fast, .sample(own), now: .at(20))
        _ = scheduler.heartbeat(slow, beat(other, bytes: 160), now: .at(20))
        _ = scheduler.pull(fast, count: 1, now: .at(20))
        #expect(scheduler.expire(now: .at(20)).handouts.isEmpty)
        // It stalls: now it would need half a minute.
        _ = scheduler.heartbeat(slow, beat(other, bytes: 160), now: .at(85))
        #expect(scheduler.expire(now: .at(85)).handouts.map(\.agent) == [fast])
    }

    /// All bytes are sent and the end does not come.
    @Test func whoHangsAtTheEndIsTakenOver() throws {
        var scheduler = scheduler([slow, fast], shards: 2)
        let own = scheduler.pull(fast, count: 1, now: .start)[0].assignment
        let other = scheduler.pull(slow, count: 1, now: .start)[0].assignment
        _ = scheduler.complete(fast, .sample(own), now: .at(10))
        _ = scheduler.pull(fast, count: 1, now: .at(10))
        for second in 10...20 { _ = scheduler.heartbeat(slow, beat(other, bytes: 200), now: .at(second)) }
        #expect(scheduler.expire(now: .at(20)).handouts.isEmpty, "it stands still for no longer than a shard takes")
        #expect(scheduler.expire(now: .at(21)).handouts.map(\.agent) == [fast])
    }

    @Test func nothingIsTakenOverWhileSomethingIsPending() throws {
        var scheduler = scheduler([slow, fast], shards: 2)
        _ = scheduler.pull(slow, count: 1, now: .start)
        #expect(scheduler.expire(now: .at(20)).handouts.isEmpty)
        let handouts = scheduler.pull(fast, count: 1, now: .at(20))
        #expect(handouts.map(\.rival) == [nil])
        _ = scheduler.pull(fast, count: 1, now: .at(20))
        #expect(scheduler.expire(now: .at(25)).handouts.isEmpty, "it has work of its own")
    }

    @Test func aFailureIsLeftToTheRivalAndDoesNotEndTheJob() throws {
        var scheduler = scheduler([slow, fast], shards: 1, maximumFailures: 1)
        let first = scheduler.pull(slow, count: 1, now: .start)[0].assignment
        _ = scheduler.pull(fast, count: 1, now: .start)
        let second = try #require(scheduler.expire(now: .at(10)).handouts.first).assignment
        #expect(scheduler.fail(fast, .sample(second.lease), now: .at(11)).verdict == .leftToRival)
        _ = scheduler.pull(fast, count: 1, now: .at(11))
        #expect(scheduler.expire(now: .at(29)).handouts.isEmpty, "it has failed with it")
        guard case .jobFailed = scheduler.fail(slow, .sample(first.lease), now: .at(29)).verdict else {
            Issue.record("nobody is left")
            return
        }
    }

    @Test(arguments: ["silence", "loss", "return"]) func aLeaseThatEndsLeavesTheOther(how: String) throws {
        var scheduler = scheduler([slow, fast], shards: 1)
        let first = scheduler.pull(slow, count: 1, now: .start)[0].assignment
        _ = scheduler.pull(fast, count: 1, now: .start)
        let second = try #require(scheduler.expire(now: .at(10)).handouts.first).assignment
        switch how {
        case "silence":
            #expect(scheduler.expire(now: .at(30)).expired == [HeldLease(agent: slow, lease: first.lease)])
        case "loss": _ = scheduler.agentLost(slow, now: .at(30))
        default: _ = scheduler.giveBack(slow, first.lease, now: .at(30))
        }
        #expect(scheduler.progress.pendingShards == 0 && scheduler.progress.inFlight.shards == 1)
        let outcome = scheduler.complete(fast, .sample(second), now: .at(31))
        #expect(outcome.superseded.isEmpty)
        #expect(scheduler.progress.done.shards == 1)
    }

    /// One agent is a hundred times as slow and says all the time that it lives: the job takes hardly longer than without it.
    @Test func aSlowAgentHoldsUpNobody() {
        var scheduler = scheduler([slow, fast], shards: 20)
        scheduler.noMoreShards()
        var work: [AgentID: [(assignment: Assignment, done: Double)]] = [slow: [], fast: []]
        let speed = [slow: 0.2, fast: 20]
        var seconds = 0
        func take(_ handouts: [Handout]) {
            for handout in handouts { work[handout.agent]?.append((handout.assignment, 0)) }
        }
        while !scheduler.isFinished, seconds < 100_000 {
            seconds += 1
            for agent in [slow, fast] {
                if work[agent]?.count ?? 0 < 2 {
                    take(scheduler.pull(agent, count: 1, now: .at(seconds)))
                }
                // One shard after the other, as long as the second lasts.
                work[agent]?.first.map { _ in work[agent]?[0].done += speed[agent] ?? 0 }
                if let (assignment, done) = work[agent]?.first, done >= 200 {
                    work[agent]?.removeFirst()
                    let outcome = scheduler.complete(agent, .sample(assignment), now: .at(seconds))
                    for held in outcome.superseded { work[held.agent]?.removeAll { $0.assignment.lease == held.lease } }
                    take(outcome.handouts)
                }
                let reports = (work[agent] ?? []).map {
                    Heartbeat.Progress(lease: $0.assignment.lease, bytes: Int64($0.done), objects: 0)
                }
                let outcome = scheduler.heartbeat(agent, reports, now: .at(seconds))
                work[agent]?.removeAll { outcome.stale.contains($0.assignment.lease) }
                take(outcome.handouts)
            }
            take(scheduler.expire(now: .at(seconds)).handouts)
        }
        // 20 shards of 10 s each; the slow one alone would need 1000 s for one.
        #expect(scheduler.isFinished && seconds <= 220, "\(seconds) s")
    }
}
