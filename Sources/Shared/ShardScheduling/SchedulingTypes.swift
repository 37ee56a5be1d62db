import ShardProtocol
import Support

/// One agent's connection, under a name of the caller's choice: an agent that comes back after its connection broke may come
/// under the same one.
package struct AgentID: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let description: String
    package init(_ description: String) { self.description = description }

    package static func < (left: AgentID, right: AgentID) -> Bool { left.description < right.description }
}

package struct SchedulingPolicy: Sendable, Hashable {
    /// From a lease's last heartbeat to its end. Also how long a shard waits for another agent than the one it failed on.
    package var leaseDuration: Duration
    /// Tries of one shard, after which the job fails.
    package var maximumFailures: Int
    /// How old a lease is, at least, before an idle agent takes its shard over: a few heartbeats, so that its progress is known.
    package var takeoverDelay: Duration
    /// An agent may hold so many bytes however little is left: what is done in no time need not be shared.
    package var smallestShare: Int64

    package init(
        leaseDuration: Duration = .seconds(30), maximumFailures: Int = 3, takeoverDelay: Duration = .seconds(10),
        smallestShare: Int64 = 1 << 20
    ) {
        self.leaseDuration = leaseDuration
        self.maximumFailures = max(1, maximumFailures)
        self.takeoverDelay = takeoverDelay
        self.smallestShare = smallestShare
    }

    /// Bytes that one of several agents may hold: half of what would be its part of all that is left. So agents of different
    /// speeds end together, since what is handed out at a time gets finer towards the end.
    func share(of left: Int64, agents: Int) -> Int64 {
        agents < 2 ? .max : max(smallestShare, left / Int64(2 * agents))
    }
}

/// A shard for an agent: send it.
package struct Handout: Sendable, Hashable {
    package var agent: AgentID
    package var assignment: Assignment
    /// Who works on the same shard and is slow: whoever is done first counts. nil for all but takeovers.
    package var rival: AgentID?

    package init(agent: AgentID, assignment: Assignment, rival: AgentID? = nil) {
        self.agent = agent
        self.assignment = assignment
        self.rival = rival
    }
}

/// An agent's lease, for calls that say what has become of it.
package struct HeldLease: Sendable, Hashable {
    package var agent: AgentID
    package var lease: Lease
}

/// A shard that is done, with all that is known of it: the scheduler forgets it.
package struct FinishedShard: Sendable, Hashable {
    package var shard: Shard
    package var agent: AgentID
    package var epoch: Int
    /// One for each task, in their order.
    package var results: [TaskResult]
    /// Bytes that passed the agent.
    package var bytesCopied: Int64
    /// Why the agent had to fall back to streaming, if it had to.
    package var fallback: String?

    package init(
        shard: Shard, agent: AgentID, epoch: Int, results: [TaskResult], bytesCopied: Int64, fallback: String? = nil
    ) {
        self.shard = shard
        self.agent = agent
        self.epoch = epoch
        self.results = results
        self.bytesCopied = bytesCopied
        self.fallback = fallback
    }
}

/// Why the job cannot be finished.
package struct JobFailure: Sendable, Hashable {
    package var shard: Int
    /// The object that failed.
    package var key: String
    package var message: String
    package var code: String
    /// Where it was tried, in that order.
    package var agents: [AgentID]
    /// How often it was tried.
    package var tries: Int

    /// As an error for the user.
    package var error: BackupError {
        let names = agents.map(\.description).joined(separator: ", ")
        let times = tries == 1 ? "" : " (\(tries) tries)"
        return BackupError(
            BackupError.Code(code), "copying \(key) failed on \(names)\(times): \(message)".escapingControlCharacters)
    }
}

/// What became of an agent's report, and who gets work because of it.
package struct ReportOutcome: Sendable {
    package enum Verdict: Sendable, Hashable {
        case finished(FinishedShard)
        /// The shard waits for its next try.
        case requeued
        /// It has failed here, and another agent is at work on it.
        case leftToRival
        /// The job is lost. Nothing is handed out any more; ``ShardScheduler/cancelAll()`` gives the leases to cancel.
        case jobFailed(JobFailure)
        /// It cannot be done, and the job goes on without it.
        case givenUp(JobFailure)
        /// The lease was over, or never was: the report changes nothing. Harmless: the shard is done or with somebody else.
        case late
    }
    package var verdict: Verdict
    package var handouts: [Handout]
    /// Leases of the finished shard that others still hold: tell them to cancel.
    package var superseded: [HeldLease] = []
}

package struct HeartbeatOutcome: Sendable {
    /// Leases that the agent believes in and that are over: tell it to cancel them.
    package var stale: [Lease]
    package var handouts: [Handout]
}

package struct ExpiryOutcome: Sendable {
    /// Leases that have run out: tell the agents to cancel them, should they still be there.
    package var expired: [HeldLease]
    package var handouts: [Handout]
    /// When the next lease runs out, or a shard need not wait for another agent any more; nil when there is no such moment.
    package var nextDeadline: ContinuousClock.Instant?
}

/// So much work.
package struct WorkAmount: Sendable, Hashable {
    package var shards = 0
    package var objects = 0
    /// By the sizes of the plan.
    package var bytes: Int64 = 0

    package init(shards: Int = 0, objects: Int = 0, bytes: Int64 = 0) {
        self.shards = shards
        self.objects = objects
        self.bytes = bytes
    }

    // The sizes are a store's. Of so many that they overflow no sum is right, and none ends the program.
    package static func + (left: WorkAmount, right: WorkAmount) -> WorkAmount {
        WorkAmount(
            shards: left.shards + right.shards, objects: left.objects + right.objects, bytes: left.bytes &+ right.bytes)
    }

    package static func - (left: WorkAmount, right: WorkAmount) -> WorkAmount {
        WorkAmount(
            shards: left.shards - right.shards, objects: left.objects - right.objects, bytes: left.bytes &- right.bytes)
    }

    package static func += (left: inout WorkAmount, right: WorkAmount) { left = left + right }
    package static func -= (left: inout WorkAmount, right: WorkAmount) { left = left - right }
}

/// How far a job is.
package struct JobProgress: Sendable, Hashable {
    /// All that was added so far.
    package var planned = WorkAmount()
    package var done = WorkAmount()
    /// What the leased shards have done so far, by their last heartbeats; of a shard with two leases what the faster one has.
    package var inFlight = WorkAmount()
    package var pendingShards = 0
    /// Whether no more shards will be added.
    package var isPlanComplete = false

    package init() {}
}

/// What one agent does and has done in this job.
package struct AgentProgress: Sendable, Hashable {
    package var agent: AgentID
    package var isConnected: Bool
    package var done: WorkAmount
    package var inFlight: WorkAmount
    /// Shards that have failed on it.
    package var failures: Int
    /// Leases that it lost by silence or by a broken connection.
    package var losses: Int
}
