/// Which pauses of Milvus' garbage collection we hold, and when each must be renewed: a pure value, which is told the time.
///
/// Milvus forgets a pause after the time it was asked for, so that a killed backup does no lasting harm; a long backup has
/// to ask again. Up to 2.6.7 there is one pause for the whole cluster, later one per collection with a ticket. A renewal
/// gives a new ticket, and the older one stays in force until it runs out, so all of them are kept to be given back.
struct GarbageCollectionPauses: Sendable {
    /// What is asked for in one request.
    static let length = Duration.seconds(3600)
    /// The cluster's pause is renewed after half of its length.
    static let clusterRenewal = Duration.seconds(1800)
    /// A ticket is renewed when it has no more than this left.
    static let ticketMargin = Duration.seconds(600)
    /// When to try again after a renewal has failed; there is time for several tries.
    static let retryAfter = Duration.seconds(60)

    enum Target: Sendable, Hashable {
        case cluster
        case collection(Int64)
    }

    private struct Pause {
        var renewAt: ContinuousClock.Instant
        /// When Milvus forgets all of it.
        var end: ContinuousClock.Instant
        /// Tickets with the time at which they run out; none for the cluster.
        var tickets: [(ticket: String, expires: ContinuousClock.Instant)] = []
    }

    private var pauses: [Target: Pause] = [:]
    /// Whether one was renewed after Milvus had forgotten it: what was deleted meanwhile is not known.
    private var hadGap = false

    /// Whether something that should be paused is not, or was not for a while.
    func isLost(at now: ContinuousClock.Instant) -> Bool { hadGap || pauses.values.contains { $0.end <= now } }

    /// What is paused at present.
    var targets: Set<Target> { Set(pauses.keys) }

    /// Milvus has paused `target`, for the first time or again.
    ///
    /// - Parameters:
    ///   - ticket: the one in the answer; a collection's pause without one cannot be given back and is not kept.
    ///   - now: when the request was sent: the pause runs from then on at the latest.
    mutating func paused(_ target: Target, ticket: String, at now: ContinuousClock.Instant) {
        if let present = pauses[target], present.end <= now { hadGap = true }
        switch target {
        case .cluster: pauses[target] = Pause(renewAt: now + Self.clusterRenewal, end: now + Self.length)
        case .collection:
            guard !ticket.isEmpty else { return }
            var pause = pauses[target] ?? Pause(renewAt: now, end: now)
            pause.tickets.removeAll { $0.expires <= now || $0.ticket == ticket }
            pause.tickets.append((ticket, now + Self.length))
            pause.renewAt = now + Self.length - Self.ticketMargin
            pause.end = now + Self.length
            pauses[target] = pause
        }
    }

    /// A renewal of `target` did not succeed.
    mutating func renewalFailed(_ target: Target, at now: ContinuousClock.Instant) {
        pauses[target]?.renewAt = now + Self.retryAfter
    }

    /// What has to be paused again now.
    func due(at now: ContinuousClock.Instant) -> [Target] {
        pauses.filter { $0.value.renewAt <= now }.map(\.key)
    }

    /// When something will be due next; nil when nothing is paused.
    var nextRenewal: ContinuousClock.Instant? { pauses.values.map(\.renewAt).min() }

    /// Ends the pause of `target` for this value.
    ///
    /// - Returns: the tickets to be given back, or one empty ticket for the cluster; nothing when it is not paused.
    mutating func end(_ target: Target, at now: ContinuousClock.Instant) -> [String] {
        guard let pause = pauses.removeValue(forKey: target) else { return [] }
        if target == .cluster { return [""] }
        return pause.tickets.filter { $0.expires > now }.map(\.ticket)
    }
}
