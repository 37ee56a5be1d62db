import Support

/// How many bytes of a body are worth waking up for: on a fast wire many, for the fewer steps, and on a slow one few, so that
/// both sides are at work at the same time.
struct StepSize {
    /// Seconds that bytes may wait for others to be passed on with.
    private static let longestWait = 0.1
    private static let smallest: Int64 = 16 * 1024
    /// Until the speed of the wire is known.
    private static let first: Int64 = 128 * 1024
    /// Seconds after which it is.
    private static let measuringTime = 0.005

    private let began: ContinuousClock.Instant
    private let total: Int64

    /// - Parameter left: bytes of the body that are still to come.
    init(left: Int64, now: ContinuousClock.Instant) {
        began = now
        total = left
    }

    /// - Returns: at most `left`.
    func next(left: Int64, now: ContinuousClock.Instant) -> Int64 {
        let elapsed = (now - began).seconds
        guard elapsed > StepSize.measuringTime else { return min(left, StepSize.first) }
        let wanted = max(Int64(Double(total - left) / elapsed * StepSize.longestWait), StepSize.smallest)
        // A power of two, so that the socket is told seldom.
        return min(left, 1 << (Int64.bitWidth - 1 - wanted.leadingZeroBitCount))
    }
}
