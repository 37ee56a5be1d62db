import Support

/// When to ask whether a flush is done, and when to give up asking: a pure value, which is told the time.
struct FlushWait: Sendable {
    /// What follows from an answer or a failure.
    enum Step: Sendable {
        case ask(after: Duration)
        /// As ``ask(after:)``, and the user is to be told that it takes long.
        case warn(after: Duration)
        case giveUp
    }

    /// A small flush is done in no time and shall not wait for a whole second.
    static let firstPause = Duration.milliseconds(50)
    static let longestPause = Duration.seconds(1)
    static let warnAfter = Duration.seconds(30 * 60)
    /// Without a single good answer for so long the server is taken for gone.
    static let failureLimit = Duration.seconds(5 * 60)

    private let start: ContinuousClock.Instant
    private var lastAnswer: ContinuousClock.Instant
    private var nextWarning: ContinuousClock.Instant
    private var pause = FlushWait.firstPause

    init(at now: ContinuousClock.Instant) {
        start = now
        lastAnswer = now
        nextWarning = now + FlushWait.warnAfter
    }

    /// The server said that it is not done yet.
    mutating func notYet(at now: ContinuousClock.Instant) -> Step {
        lastAnswer = now
        return step(at: now)
    }

    /// The server could not be asked.
    mutating func failed(at now: ContinuousClock.Instant) -> Step {
        lastAnswer.duration(to: now) >= FlushWait.failureLimit ? .giveUp : step(at: now)
    }

    func waited(at now: ContinuousClock.Instant) -> Duration { start.duration(to: now) }

    private mutating func step(at now: ContinuousClock.Instant) -> Step {
        let current = pause
        pause = min(FlushWait.longestPause, pause * 1.5)
        guard now >= nextWarning else { return .ask(after: current) }
        nextWarning = now + FlushWait.warnAfter
        return .warn(after: current)
    }
}
