import ShardProtocol

/// Takeovers: near the end, agents that have nothing to do help those that are slow.
extension ShardScheduler {
    /// A shard that one agent holds, and when that one will be done if it goes on like this.
    private struct Candidate {
        let shard: Int
        let holder: AgentID
        /// nil when nothing of it is done.
        let left: Duration?

        static func isSlower(_ one: Candidate, _ other: Candidate) -> Bool {
            switch (one.left, other.left) {
            case (nil, nil): one.shard < other.shard
            case (nil, _): true
            case (_, nil): false
            case (let left?, let right?): (left, other.shard) > (right, one.shard)
            }
        }
    }

    /// Gives shards that others hold to idle agents. A shard goes only to an agent that is likely to be done earlier, and that
    /// has not failed with it.
    mutating func takeOver(_ now: ContinuousClock.Instant) -> [Handout] {
        guard state == .running, pending.isEmpty else { return [] }
        let idle = roster.idle
        guard !idle.isEmpty else { return [] }
        var candidates = candidates(now)
        var handouts: [Handout] = []
        // One each, and again: the first must not take what another would have done meanwhile.
        var takers = idle
        while !takers.isEmpty {
            takers.removeAll { agent in
                let expected = roster[agent]?.timeForShard ?? .zero
                guard let index = candidates.firstIndex(where: { suits(agent, $0, expected) }), isWilling(agent) else {
                    return true
                }
                let candidate = candidates.remove(at: index)
                if let handout = lease(candidate.shard, to: agent, now) { handouts.append(handout) }
                return false
            }
        }
        return handouts
    }

    private func isWilling(_ agent: AgentID) -> Bool { roster[agent]?.isWilling ?? false }

    private func suits(_ agent: AgentID, _ candidate: Candidate, _ expected: Duration) -> Bool {
        candidate.holder != agent && candidate.left.map { $0 > expected } ?? true
            && entries[candidate.shard]?.failedOn.contains(agent) == false
    }

    /// The slowest first.
    private func candidates(_ now: ContinuousClock.Instant) -> [Candidate] {
        entries.compactMap { shard, entry -> Candidate? in
            guard entry.leases.count == 1, let lease = entry.leases.first, now - lease.began >= policy.takeoverDelay
            else { return nil }
            return Candidate(shard: shard, holder: lease.agent, left: entry.timeLeft(lease, now))
        }
        .sorted(by: Candidate.isSlower)
    }
}

extension ShardScheduler.Entry {
    /// By what is done so far, and no less than it has stood still; nil when nothing is done. All bytes may have been sent, and
    /// the store never answers.
    fileprivate func timeLeft(
        _ lease: ShardScheduler.ActiveLease, _ now: ContinuousClock.Instant
    ) -> Duration? {
        let (done, all) =
            amount.bytes > 0
            ? (Double(lease.done.bytes), Double(amount.bytes))
            : (Double(lease.done.objects), Double(amount.objects))
        return done > 0 ? max((now - lease.began) * ((all - done) / done), now - lease.progressed) : nil
    }
}
