import ShardProtocol
import Support
import Testing

@testable import ShardScheduling

@Suite struct ShardSchedulerTests {
    private let a = AgentID("a")
    private let b = AgentID("b")
    private let c = AgentID("c")

    private func scheduler(_ agents: [AgentID], shards: Int, capacity: Int = 4, maximumFailures: Int = 3)
        -> ShardScheduler
    {
        var scheduler = ShardScheduler(
            job: "job", backupName: "nightly",
            policy: SchedulingPolicy(maximumFailures: maximumFailures, takeoverDelay: .seconds(3600)))
        for agent in agents { _ = scheduler.agentJoined(agent, capacity: capacity, now: .start) }
        for id in 0..<shards { _ = scheduler.add(.sample(id), now: .start) }
        return scheduler
    }

    // MARK: Handing out

    @Test func anAgentGetsWhatItAsksForAndNoMore() {
        var scheduler = scheduler([a], shards: 5)
        #expect(scheduler.pull(a, count: 2, now: .start).map(\.assignment.lease.shard) == [0, 1])
        #expect(scheduler.pull(a, count: 1, now: .start).map(\.assignment.lease.shard) == [2])
        #expect(scheduler.pull(a, count: 0, now: .start).isEmpty)
        #expect(scheduler.pull(a, count: -5, now: .start).isEmpty)
        #expect(scheduler.pull(a, count: .max, now: .start).count == 1, "its capacity is 4")
        #expect(scheduler.progress.pendingShards == 1)
    }

    @Test func anAssignmentSaysAllThatTheAgentNeeds() {
        var scheduler = scheduler([a], shards: 1)
        let handout = scheduler.pull(a, count: 1, now: .start)[0]
        #expect(handout.agent == a)
        #expect(
            handout.assignment
                == Assignment(lease: Lease(job: "job", shard: 0, epoch: 1), backupName: "nightly", shard: .sample(0)))
    }

    @Test func aWishIsRememberedUntilThereIsWork() {
        var scheduler = scheduler([a, b], shards: 0)
        #expect(scheduler.pull(a, count: 2, now: .start).isEmpty)
        #expect(scheduler.pull(b, count: 1, now: .start).isEmpty)
        let served = (0..<4).map { scheduler.add(.sample($0), now: .start).map(\.agent) }
        #expect(served == [[a], [b], [a], []], "in turn, and not beyond the wishes")
    }

    @Test func whatAnAgentLosesGoesToOneThatWaits() {
        var scheduler = scheduler([a, b], shards: 1)
        _ = scheduler.pull(a, count: 1, now: .start)
        #expect(scheduler.pull(b, count: 1, now: .start).isEmpty)
        let handouts = scheduler.agentLost(a, now: .start)
        #expect(handouts.map(\.agent) == [b])
        #expect(handouts[0].assignment.lease == Lease(job: "job", shard: 0, epoch: 2))
    }

    @Test func lanesTakeTurns() {
        var scheduler = scheduler([a], shards: 0, capacity: 10)
        for id in 0..<6 { _ = scheduler.add(.sample(id), lane: id < 4 ? 1 : 2, now: .start) }
        #expect(scheduler.pull(a, count: 10, now: .start).map(\.assignment.lease.shard) == [0, 4, 1, 5, 2, 3])
    }

    @Test func agentsWorkInDifferentPlacesOfTheStore() {
        let agents = (0..<4).map { AgentID("agent-\($0)") }
        var scheduler = scheduler(agents, shards: 0, capacity: 8)
        // Three collections; each of four segments of eight shards, one segment after the other.
        for id in 0..<96 {
            var shard = Shard.sample(id)
            let collection = id / 32
            shard.sourcePrefix = "files/insert_log/\(collection)/\(id / 8)/"
            _ = scheduler.add(shard, lane: Int64(collection), spreadsKeys: true, now: .start)
        }
        var prefixes: [AgentID: [String]] = [:]
        for _ in 0..<3 {
            for agent in agents {
                let handouts = scheduler.pull(agent, count: 1, now: .start)
                prefixes[agent, default: []] += handouts.map(\.assignment.shard.sourcePrefix)
            }
        }
        // Twelve shards in twelve places: nobody shares a prefix with anybody, and every collection is worked at.
        let all = prefixes.values.flatMap(\.self)
        #expect(all.count == 12 && Set(all).count == 12)
        #expect(prefixes.values.allSatisfy { Set($0.map { $0.split(separator: "/")[2] }).count == 3 })
    }

    @Test func shardsOfOnePrefixComeOutInOrder() {
        var scheduler = scheduler([a], shards: 0, capacity: 10)
        for id in 0..<6 {
            var shard = Shard.sample(id)
            shard.sourcePrefix = id < 4 ? "files/1/" : "files/2/"
            _ = scheduler.add(shard, spreadsKeys: true, now: .start)
        }
        #expect(scheduler.pull(a, count: 10, now: .start).map(\.assignment.lease.shard) == [0, 4, 1, 5, 2, 3])
    }

    @Test func strangersGetNothing() {
        var scheduler = scheduler([], shards: 1)
        #expect(scheduler.pull(a, count: 1, now: .start).isEmpty)
        #expect(scheduler.heartbeat(a, [], now: .start).handouts.isEmpty)
        #expect(scheduler.agentLost(a, now: .start).isEmpty)
        #expect(scheduler.agents.isEmpty)
    }

    // MARK: Finishing

    @Test func aFinishedShardIsHandedOverOnceWithItsResultsInOrder() throws {
        var scheduler = scheduler([a], shards: 1)
        let assignment = scheduler.pull(a, count: 1, now: .start)[0].assignment
        let outcome = scheduler.complete(a, .sample(assignment), now: .start)
        guard case .finished(let finished) = outcome.verdict else {
            Issue.record("\(outcome.verdict)")
            return
        }
        #expect(finished.shard == assignment.shard)
        #expect(finished.results.map(\.index) == [0, 1])
        #expect(finished.bytesCopied == 200)
        #expect(scheduler.complete(a, .sample(assignment), now: .start).verdict == .late)
        #expect(!scheduler.isFinished)
        scheduler.noMoreShards()
        #expect(scheduler.isFinished)
    }

    @Test(arguments: [[], [0], [0, 0], [0, 1, 1], [0, 2], [-1, 0]])
    func aReportThatLeavesTasksOutIsAFailure(indices: [Int]) {
        var scheduler = scheduler([a], shards: 1)
        let lease = scheduler.pull(a, count: 1, now: .start)[0].assignment.lease
        let results = indices.map { TaskResult(index: $0, copiedByStore: false) }
        let outcome = scheduler.complete(a, ShardCompletion(lease: lease, results: results, bytes: 0), now: .start)
        #expect(outcome.verdict == .requeued)
        #expect(scheduler.progress.done == WorkAmount())
    }

    @Test func reportsUnderAnotherAgentsOrJobsLeaseAreLate() {
        var scheduler = scheduler([a, b], shards: 1)
        let assignment = scheduler.pull(a, count: 1, now: .start)[0].assignment
        #expect(scheduler.complete(b, .sample(assignment), now: .start).verdict == .late)
        for lease in [
            Lease(job: "other", shard: 0, epoch: 1), Lease(job: "job", shard: 0, epoch: 0),
            Lease(job: "job", shard: 0, epoch: 2), Lease(job: "job", shard: 9, epoch: 1),
        ] {
            var completion = ShardCompletion.sample(assignment)
            completion.lease = lease
            #expect(scheduler.complete(a, completion, now: .start).verdict == .late)
            #expect(scheduler.fail(a, .sample(lease), now: .start).verdict == .late)
        }
        #expect(scheduler.progress.inFlight.shards == 1)
    }

    @Test func aJobThatGoesOnBeginsWithAHigherEpoch() {
        var scheduler = ShardScheduler(job: "job", backupName: "nightly", firstEpoch: 1000)
        _ = scheduler.agentJoined(a, capacity: 1, now: .start)
        _ = scheduler.add(.sample(0), now: .start)
        #expect(scheduler.pull(a, count: 1, now: .start)[0].assignment.lease.epoch == 1000)
    }

    // MARK: Leases

    @Test func aLeaseRunsOutWithoutHeartbeatsAndTheShardGoesToAnother() {
        var scheduler = scheduler([a, b], shards: 1)
        let first = scheduler.pull(a, count: 1, now: .start)[0].assignment
        _ = scheduler.pull(b, count: 1, now: .start)
        let early = scheduler.expire(now: .at(29))
        #expect(early.expired.isEmpty && early.nextDeadline == .at(30))
        let outcome = scheduler.expire(now: .at(30))
        #expect(outcome.expired == [.init(agent: a, lease: first.lease)])
        #expect(outcome.handouts.map(\.agent) == [b])
        #expect(scheduler.complete(a, .sample(first), now: .at(31)).verdict == .late)
        let second = outcome.handouts[0].assignment
        guard case .finished = scheduler.complete(b, .sample(second), now: .at(32)).verdict else {
            Issue.record("the later lease counts")
            return
        }
    }

    @Test func heartbeatsKeepALease() {
        var scheduler = scheduler([a], shards: 1)
        let lease = scheduler.pull(a, count: 1, now: .start)[0].assignment.lease
        for second in stride(from: 5, through: 100, by: 5) {
            let beat = scheduler.heartbeat(a, [.init(lease: lease, bytes: 0, objects: 0)], now: .at(second))
            #expect(beat.stale.isEmpty)
            #expect(scheduler.expire(now: .at(second)).expired.isEmpty)
        }
        #expect(scheduler.expire(now: .at(129)).expired.isEmpty)
        #expect(scheduler.expire(now: .at(130)).expired.count == 1)
    }

    @Test func aSilentAgentGetsNothingUntilItSpeaksAndHearsWhichLeasesAreOver() {
        var scheduler = scheduler([a], shards: 1)
        let lease = scheduler.pull(a, count: 2, now: .start)[0].assignment.lease
        #expect(scheduler.expire(now: .at(30)).handouts.isEmpty, "it has asked for another one, but it is silent")
        let beat = scheduler.heartbeat(a, [.init(lease: lease, bytes: 0, objects: 0)], now: .at(40))
        #expect(beat.stale == [lease])
        #expect(beat.handouts.map(\.assignment.lease.epoch) == [2])
    }

    @Test func givenBackShardsGoToAnotherAgentFirst() {
        var scheduler = scheduler([a, b], shards: 1)
        let lease = scheduler.pull(a, count: 2, now: .start)[0].assignment.lease
        #expect(scheduler.giveBack(a, lease, now: .start).isEmpty)
        #expect(scheduler.pull(b, count: 1, now: .start).map(\.assignment.lease.epoch) == [2])
        #expect(scheduler.agents.map(\.failures) == [0, 0])
    }

    @Test func anAgentThatComesBackUnderItsNameHasLostItsLeases() {
        var scheduler = scheduler([a, b], shards: 1)
        let first = scheduler.pull(a, count: 1, now: .start)[0].assignment
        _ = scheduler.pull(b, count: 1, now: .start)
        #expect(scheduler.agentJoined(a, capacity: 4, now: .start).map(\.agent) == [b])
        #expect(scheduler.complete(a, .sample(first), now: .start).verdict == .late)
    }

    // MARK: Failures

    @Test func aShardThatFailedWaitsForAnotherAgentButNotForEver() {
        var scheduler = scheduler([a, b], shards: 1)
        let lease = scheduler.pull(a, count: 2, now: .start)[0].assignment.lease
        let outcome = scheduler.fail(a, .sample(lease), now: .at(10))
        #expect(outcome.verdict == .requeued)
        #expect(outcome.handouts.isEmpty, "b is there and may come")
        let wait = scheduler.expire(now: .at(39))
        #expect(wait.handouts.isEmpty && wait.nextDeadline == .at(40))
        #expect(scheduler.expire(now: .at(40)).handouts.map(\.agent) == [a])
    }

    @Test func theOtherAgentTakesItBeforeFreshOnes() {
        var scheduler = scheduler([a, b], shards: 3)
        let lease = scheduler.pull(a, count: 1, now: .start)[0].assignment.lease
        _ = scheduler.fail(a, .sample(lease), now: .start)
        #expect(scheduler.pull(a, count: 1, now: .start).map(\.assignment.lease.shard) == [1])
        #expect(scheduler.pull(b, count: 1, now: .start).map(\.assignment.lease.shard) == [0])
    }

    @Test func theLastAgentGetsItAgain() {
        var scheduler = scheduler([a], shards: 1)
        let lease = scheduler.pull(a, count: 2, now: .start)[0].assignment.lease
        #expect(scheduler.fail(a, .sample(lease), now: .start).handouts.map(\.agent) == [a])
    }

    @Test(arguments: [true, false])
    func whenTheOtherAgentLeavesOrFallsSilentTheShardIsNotWithheld(leaves: Bool) {
        var scheduler = scheduler([a, b], shards: 2)
        let lease = scheduler.pull(a, count: 1, now: .start)[0].assignment.lease
        _ = scheduler.pull(b, count: 1, now: .start)
        _ = scheduler.fail(a, .sample(lease), now: .at(20))
        #expect(scheduler.pull(a, count: 1, now: .at(20)).isEmpty)
        let handouts = leaves ? scheduler.agentLost(b, now: .at(21)) : scheduler.expire(now: .at(30)).handouts
        #expect(handouts.map(\.agent) == [a])
    }

    @Test func afterTooManyFailuresTheJobFailsWithObjectAndReason() throws {
        var scheduler = scheduler([a, b, c], shards: 2)
        let other = scheduler.pull(c, count: 1, now: .start)[0].assignment
        for (agent, expected) in [(a, false), (b, false), (a, true)] {
            let now = ContinuousClock.Instant.at(agent == a && expected ? 100 : 0)
            _ = scheduler.heartbeat(c, [.init(lease: other.lease, bytes: 0, objects: 0)], now: now)
            _ = scheduler.expire(now: now)
            let handout = scheduler.pull(agent, count: 1, now: now).first
            let lease = try #require(handout).assignment.lease
            let outcome = scheduler.fail(agent, .sample(lease), now: now)
            guard expected else {
                #expect(outcome.verdict == .requeued)
                continue
            }
            guard case .jobFailed(let failure) = outcome.verdict else {
                Issue.record("\(outcome.verdict)")
                return
            }
            #expect(failure.error.message == "copying files/1/0 failed on a, b (3 tries): connection reset")
            #expect(scheduler.state == .failed(failure))
        }
        #expect(scheduler.pull(b, count: 1, now: .at(100)).isEmpty, "nothing is handed out any more")
        guard case .finished = scheduler.complete(c, .sample(other), now: .at(101)).verdict else {
            Issue.record("what is on its way still counts, so that a resumed job need not do it again")
            return
        }
        #expect(!scheduler.isFinished)
    }

    @Test func aFailureThatNoRetryMendsIsTriedOnOneOtherAgent() {
        var scheduler = scheduler([a, b, c], shards: 1)
        let first = scheduler.pull(a, count: 1, now: .start)[0].assignment.lease
        #expect(scheduler.fail(a, .sample(first, isRetryable: false), now: .start).verdict == .requeued)
        let second = scheduler.pull(b, count: 1, now: .start)[0].assignment.lease
        guard case .jobFailed(let failure) = scheduler.fail(b, .sample(second, isRetryable: false), now: .start).verdict
        else {
            Issue.record("two agents say the same")
            return
        }
        #expect(failure.agents == [a, b])
        #expect(failure.tries == 2)
    }

    @Test func aFailureThatNoRetryMendsEndsAJobWithOneAgentAtOnce() {
        var scheduler = scheduler([a], shards: 1)
        let lease = scheduler.pull(a, count: 1, now: .start)[0].assignment.lease
        guard case .jobFailed = scheduler.fail(a, .sample(lease, isRetryable: false), now: .start).verdict else {
            Issue.record("there is nobody else to ask")
            return
        }
    }

    // MARK: Ending

    @Test func cancelingNamesEveryLeaseAndLeavesNothing() {
        var scheduler = scheduler([a, b], shards: 5)
        let held = scheduler.pull(a, count: 2, now: .start) + scheduler.pull(b, count: 1, now: .start)
        _ = scheduler.pull(b, count: 3, now: .start)
        let canceled = scheduler.cancelAll()
        #expect(canceled.map(\.agent) == [a, b])
        #expect(canceled[0].leases == held.prefix(2).map(\.assignment.lease))
        #expect(scheduler.progress.pendingShards == 0 && scheduler.progress.inFlight == WorkAmount())
        #expect(scheduler.complete(a, .sample(held[0].assignment), now: .start).verdict == .late)
        #expect(scheduler.add(.sample(100), now: .start).isEmpty)
        #expect(scheduler.state == .canceled && !scheduler.isFinished)
        #expect(scheduler.cancelAll().isEmpty)
    }

    // MARK: Progress

    @Test func progressCountsWhatIsDoneAndWhatIsUnderWay() {
        var scheduler = scheduler([a, b], shards: 3)
        let first = scheduler.pull(a, count: 1, now: .start)[0].assignment
        let second = scheduler.pull(b, count: 1, now: .start)[0].assignment
        _ = scheduler.complete(a, .sample(first), now: .start)
        _ = scheduler.heartbeat(b, [.init(lease: second.lease, bytes: 150, objects: 1)], now: .start)
        #expect(scheduler.progress.planned == WorkAmount(shards: 3, objects: 6, bytes: 600))
        #expect(scheduler.progress.done == WorkAmount(shards: 1, objects: 2, bytes: 200))
        #expect(scheduler.progress.inFlight == WorkAmount(shards: 1, objects: 1, bytes: 150))
        #expect(scheduler.agents.map(\.done.shards) == [1, 0])
        #expect(scheduler.agents.map(\.inFlight.bytes) == [0, 150])
        // A report beyond all bounds, or below, does not spoil the sums.
        _ = scheduler.heartbeat(b, [.init(lease: second.lease, bytes: .max, objects: .max)], now: .start)
        #expect(scheduler.progress.inFlight == WorkAmount(shards: 1, objects: 2, bytes: 200))
        _ = scheduler.heartbeat(b, [.init(lease: second.lease, bytes: .min, objects: .min)], now: .start)
        #expect(scheduler.progress.inFlight == WorkAmount(shards: 1, objects: 0, bytes: 0))
        _ = scheduler.agentLost(b, now: .start)
        #expect(scheduler.progress.inFlight == WorkAmount())
        #expect(scheduler.agents.map(\.isConnected) == [true, false])
        #expect(scheduler.agents.map(\.losses) == [0, 1])
        #expect(scheduler.agents[0].done == WorkAmount(shards: 1, objects: 2, bytes: 200), "what is done stays known")
    }
}
