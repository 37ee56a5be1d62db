import Support

/// What the copies of a process are bound by, all together. Changes at any time, also for copies that are under way.
package final class CopyLimiter: Sendable {
    /// Bytes that pass this process, counted once.
    let bytes = Throttle()
    /// Requests to stores.
    let requests = Throttle()

    package init() {}

    /// - Parameters:
    ///   - bandwidth: bytes per second; nil for no limit.
    ///   - requestsPerSecond: nil for no limit.
    package func set(bandwidth: Int64?, requestsPerSecond: Double?) {
        bytes.setRate(bandwidth.map { Double(max(1, $0)) })
        requests.setRate(requestsPerSecond.map { max(0.001, $0) })
    }
}
