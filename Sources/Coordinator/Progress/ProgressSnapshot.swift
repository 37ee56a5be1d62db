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
    /// What each agent has done, by name; empty when it is not to be shown.
    var shares: [(agent: String, bytes: Int64)] = []

    /// The snapshot in one line.
    func line(_ rates: ProgressRates = ProgressRates()) -> String {
        var parts = ["\(phase)"]
        if shardsTotal > 0 {
            parts.append("shards \(shardsDone)/\(shardsTotal)")
            parts.append("objects \(objectsDone)/\(objectsTotal)")
            parts.append("\(formattedBytes(bytesDone)) of \(formattedBytes(bytesTotal))")
        }
        if let rate = rates.now, shardsTotal > 0 { parts.append("\(formattedBytes(Int64(rate)))/s") }
        if let left = timeLeft(rates.steady) { parts.append("\(left) left") }
        if let agents { parts.append("\(agents) agent\(agents == 1 ? "" : "s")") }
        let shown = shares.compactMap { share in
            rates.agents[share.agent].map { "\(share.agent) \(formattedBytes(Int64($0)))/s" }
        }
        if !shown.isEmpty { parts.append(shown.joined(separator: ", ")) }
        return parts.joined(separator: " | ")
    }

    /// How long the bytes that are known to come will take; nil as long as that cannot be said.
    private func timeLeft(_ rate: Double?) -> String? {
        guard let rate, rate >= 1, bytesTotal > bytesDone, bytesDone > 0 else { return nil }
        let seconds = (Double(bytesTotal - bytesDone) / rate).rounded(.up)
        // Nobody waits for that.
        guard seconds < 100 * 3600 else { return nil }
        let (hours, minutes) = (Int(seconds) / 3600, Int(seconds) / 60 % 60)
        if hours > 0 { return "\(hours) h \(minutes) min" }
        if minutes > 0 { return "\(minutes) min \(Int(seconds) % 60) s" }
        return "\(Int(seconds)) s"
    }
}

/// How fast a job goes, in bytes per second; nil where it is not known yet.
struct ProgressRates: Sendable {
    /// Of the last seconds.
    var now: Double?
    /// Of the last half minute: what the time left is told by, which must not jump.
    var steady: Double?
    var agents: [String: Double] = [:]
}

/// Measures how fast the snapshots of a job follow each other.
struct ProgressMeter: Sendable {
    private var now = RateMeter()
    private var steady = RateMeter(window: .seconds(30))
    private var agents: [String: RateMeter] = [:]

    mutating func rates(of snapshot: ProgressSnapshot, at time: ContinuousClock.Instant) -> ProgressRates {
        var rates = ProgressRates()
        rates.now = now.rate(of: snapshot.bytesDone, at: time)
        rates.steady = steady.rate(of: snapshot.bytesDone, at: time)
        for (agent, bytes) in snapshot.shares {
            rates.agents[agent] = agents[agent, default: RateMeter()].rate(of: bytes, at: time)
        }
        return rates
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
