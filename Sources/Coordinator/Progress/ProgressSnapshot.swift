import Support

/// How far a job is, at one moment.
struct ProgressSnapshot: Sendable {
    /// What is being done, e.g. `copy`.
    var phase = ""
    var shardsDone = 0
    var shardsTotal = 0
    var objectsDone = 0
    var objectsTotal = 0
    var bytesDone: Int64 = 0
    var bytesTotal: Int64 = 0
    /// Workers that are connected; nil when the worker is inside this process.
    var agents: Int?

    /// The snapshot in one line.
    ///
    /// - Parameter rate: bytes per second of late.
    func line(rate: Double?) -> String {
        var parts = ["\(phase)"]
        if shardsTotal > 0 {
            parts.append("shards \(shardsDone)/\(shardsTotal)")
            parts.append("objects \(objectsDone)/\(objectsTotal)")
            parts.append("\(formattedBytes(bytesDone)) of \(formattedBytes(bytesTotal))")
        }
        if let rate, shardsTotal > 0 { parts.append("\(formattedBytes(Int64(rate)))/s") }
        if let agents { parts.append("\(agents) agent\(agents == 1 ? "" : "s")") }
        return parts.joined(separator: " | ")
    }
}

/// The rate over the last seconds, from samples of a growing number.
struct RateMeter: Sendable {
    private var samples: [(time: ContinuousClock.Instant, value: Int64)] = []
    private let window: Duration

    init(window: Duration = .seconds(5)) { self.window = window }

    /// Takes a sample and gives the rate per second over the window; nil until there are two samples.
    mutating func rate(of value: Int64, at now: ContinuousClock.Instant) -> Double? {
        samples.append((now, value))
        while samples.count > 2, now - samples[1].time >= window { samples.removeFirst() }
        guard let first = samples.first, samples.count > 1 else { return nil }
        let elapsed = (now - first.time).seconds
        return elapsed > 0 ? max(0, Double(value - first.value) / elapsed) : nil
    }
}
