/// Shares the time to connect out among the addresses that are tried one after the other: each has half of what the ones
/// before it have left, and the last one all of it. So the first has time enough where connecting takes long everywhere.
struct ConnectClock {
    /// The time to connect, all addresses together.
    let limit: Duration
    private var left: Duration
    private var attempt: (began: ContinuousClock.Instant, share: Duration)?

    init(limit: Duration) {
        self.limit = limit
        left = limit
    }

    /// An address is tried.
    ///
    /// - Parameter others: addresses that can be tried after it.
    mutating func beginAttempt(others: Int, at now: ContinuousClock.Instant) {
        // That a busy loop looked late is not to the cost of the next address.
        if let attempt { left -= min(now - attempt.began, attempt.share) }
        attempt = (now, others > 0 ? left / 2 : left)
    }

    /// Whether the address that is tried has had its time.
    func isOver(at now: ContinuousClock.Instant) -> Bool {
        guard let attempt else { return false }
        return now - attempt.began >= attempt.share
    }
}
