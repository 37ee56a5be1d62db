/// Lets so many units a second through, first come, first served. A value without a clock: every call gets the time.
///
/// It begins empty and never grants what it does not have: up to any moment no more than the rate times the time since its
/// beginning has gone. What nobody uses is kept for a tenth of a second.
package struct TokenBucket: Sendable {
    /// Somebody who waits.
    package typealias Ticket = UInt64

    /// How much of the past can be made up for.
    private static let memory = 0.1

    /// Units per second; nil for no limit.
    package private(set) var rate: Double?
    private var level = 0.0
    private var updated: ContinuousClock.Instant
    private var waiting = FirstInFirstOut<(ticket: Ticket, amount: Double)>()
    private var lastTicket: Ticket = 0

    package init(rate: Double? = nil, now: ContinuousClock.Instant) {
        self.rate = rate
        updated = now
    }

    /// From now on another rate. Call ``granted(now:)`` after it.
    package mutating func setRate(_ rate: Double?, now: ContinuousClock.Instant) {
        fill(now)
        self.rate = rate
        fill(now)
    }

    /// Asks for `amount` units.
    ///
    /// - Returns: nil when they are granted at once.
    package mutating func request(_ amount: Int64, now: ContinuousClock.Instant) -> Ticket? {
        fill(now)
        let amount = Double(max(0, amount))
        if waiting.isEmpty, takes(amount) { return nil }
        lastTicket += 1
        waiting.append((lastTicket, amount))
        return lastTicket
    }

    /// Who waits does not any more; nothing happens when it was granted meanwhile.
    package mutating func withdraw(_ ticket: Ticket) { _ = waiting.removeFirst { $0.ticket == ticket } }

    /// Those whose turn has come.
    package mutating func granted(now: ContinuousClock.Instant) -> [Ticket] {
        fill(now)
        var granted: [Ticket] = []
        while let first = waiting.first, takes(first.amount) {
            granted.append(first.ticket)
            _ = waiting.popFirst()
        }
        return granted
    }

    /// How long it takes until somebody's turn comes; nil when nobody waits.
    package func delay(now: ContinuousClock.Instant) -> Duration? {
        guard let first = waiting.first else { return nil }
        guard let rate else { return .zero }
        return max(.zero, .seconds((first.amount - level) / rate) - (now - updated))
    }

    private mutating func takes(_ amount: Double) -> Bool {
        guard rate != nil else { return true }
        guard level >= amount else { return false }
        level -= amount
        return true
    }

    private mutating func fill(_ now: ContinuousClock.Instant) {
        let elapsed = max(0, (now - updated).seconds)
        updated = max(updated, now)
        guard let rate else { return level = 0 }
        // Whoever asks for more than is kept gets it when it has come together.
        level = min(level + elapsed * rate, max(rate * TokenBucket.memory, waiting.first?.amount ?? 1))
    }
}
