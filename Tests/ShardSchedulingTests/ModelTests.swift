import FoundationEssentials
import ShardProtocol
import Testing

@testable import ShardScheduling

@Suite struct ModelTests {
    /// Random agents, failures, silences and late reports: every shard finishes exactly once, no shard has two leases but by a takeover, epochs
    /// grow, nobody idles while a shard waits or holds more than its share, and late reports never count. `SCHEDULER_MODEL_STEPS` makes the runs longer.
    @Test(arguments: [1, 2, 3, 4] as [UInt64])
    func whateverHappensEveryShardFinishesExactlyOnce(seed: UInt64) async {
        let steps = ProcessInfo.processInfo.environment["SCHEDULER_MODEL_STEPS"].flatMap { Int($0) } ?? 40_000
        var model = SchedulerModel(seed: seed)
        for step in 0..<steps {
            model.step()
            if step % 1000 == 0 {
                model.checkSums()
                // Others wait for this thread.
                await Task.yield()
            }
            if let complaint = model.complaint {
                Issue.record("seed \(seed), step \(step): \(complaint)")
                return
            }
        }
        model.finish()
        model.checkSums()
        #expect(model.complaint == nil)
        #expect(model.scheduler.isFinished)
        #expect(model.doneCount == model.nextShard)
        #expect(model.prefetches > steps / 50, "\(model.prefetches)")
        #expect(
            model.nextShard > steps / 20 && model.takeovers > steps / 4000, "\(model.nextShard), \(model.takeovers)")
    }

    /// A large job with many agents goes through in the same few operations for each shard.
    @Test func aLargeJobWithManyAgents() {
        var scheduler = ShardScheduler(job: "job", backupName: "nightly")
        let agents = (0..<1000).map { AgentID("agent-\($0)") }
        for agent in agents { _ = scheduler.agentJoined(agent, capacity: 2, now: .start) }
        for id in 0..<20_000 { _ = scheduler.add(.sample(id, tasks: 1), lane: Int64(id % 500), now: .start) }
        scheduler.noMoreShards()
        var queue: [Handout] = agents.flatMap { scheduler.pull($0, count: 2, now: .start) }
        var finished = 0
        while let handout = queue.popLast() {
            let outcome = scheduler.complete(handout.agent, .sample(handout.assignment), now: .start)
            if case .finished = outcome.verdict { finished += 1 }
            queue += outcome.handouts + scheduler.pull(handout.agent, count: 1, now: .start)
        }
        #expect(finished == 20_000)
        #expect(scheduler.isFinished)
    }
}
