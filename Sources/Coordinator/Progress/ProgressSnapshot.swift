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

    /// What is shortened or left out where a line has little room, along with what stands before it here.
    private enum Brevity: CaseIterable, Comparable {
        case nothing
        /// Of several phases only the first one is named.
        case phases
        case objects
        /// A percentage instead of the shards and bytes done.
        case amounts
        case time
        case phase
        /// The agents whose rates are shown can be counted.
        case agentCount
        case agentNames
    }

    /// The snapshot in one line, as long as it comes.
    func line(_ rates: ProgressRates = ProgressRates()) -> String {
        let agents = agentRates(rates, .nothing)
        let all = parts(rates, .nothing) + (agents.isEmpty ? [] : [agents.joined(separator: ", ")])
        return all.joined(separator: Self.separator)
    }

    /// The snapshot in a line of at most `width` characters: with the rates of as many agents as possible, then with as
    /// much of the rest as possible.
    func line(_ rates: ProgressRates = ProgressRates(), width: Int) -> String {
        var shortest = ""
        var best: (line: String, agents: Int)?
        for brevity in Brevity.allCases {
            shortest = parts(rates, brevity).joined(separator: Self.separator)
            guard shortest.count <= width else { continue }
            let room = width - shortest.count - Self.separator.count
            let shown = fitting(agentRates(rates, brevity), width: room)
            if let best, best.agents >= shown.count { continue }
            best = (shown.count == 0 ? shortest : shortest + Self.separator + shown.text, shown.count)
        }
        return best?.line ?? String(shortest.prefix(max(0, width)))
    }

    private static let separator = " | "

    /// All but the rates of the agents.
    private func parts(_ rates: ProgressRates, _ brevity: Brevity) -> [String] {
        var parts: [String] = []
        if shardsTotal == 0 || brevity < .phase { parts.append(brevity < .phases ? phase : shortPhase) }
        if shardsTotal > 0 { parts += amounts(brevity) }
        if let rate = rates.now, shardsTotal > 0 { parts.append("\(formattedBytes(Int64(rate)))/s") }
        if let left = timeLeft(rates.steady, isShort: brevity >= .time) { parts.append("\(left) left") }
        if let agents, brevity < .agentCount { parts.append("\(agents) agent\(agents == 1 ? "" : "s")") }
        return parts
    }

    /// The first phase and the number of the others.
    private var shortPhase: String {
        let first = String(phase.prefix { $0 != "," })
        let others = phase.count { $0 == "," }
        return others > 0 ? "\(first) +\(others)" : first
    }

    private func amounts(_ brevity: Brevity) -> [String] {
        let total = formattedBytes(bytesTotal)
        guard brevity < .amounts else { return ["\(percentage)% of \(total)"] }
        let objects = brevity < .objects ? ["objects \(objectsDone)/\(objectsTotal)"] : []
        return ["shards \(shardsDone)/\(shardsTotal)"] + objects + ["\(formattedBytes(bytesDone)) of \(total)"]
    }

    /// Of the bytes; of the shards where there are none.
    private var percentage: Int {
        let bytes = Double(bytesDone) / Double(max(1, bytesTotal))
        let shards = Double(shardsDone) / Double(max(1, shardsTotal))
        return Int(min(max(0, bytesTotal > 0 ? bytes : shards), 1) * 100)
    }

    private func agentRates(_ rates: ProgressRates, _ brevity: Brevity) -> [String] {
        shares.compactMap { share in
            guard let rate = rates.agents[share.agent] else { return nil }
            let name = brevity < .agentNames ? share.agent : shortened(share.agent)
            return "\(name) \(formattedBytes(Int64(rate)))/s"
        }
    }

    /// The end of a long name: that is where the names of pods differ.
    private func shortened(_ name: String) -> String { name.count > 12 ? "..\(name.suffix(10))" : name }

    /// As many of `rates` as fit into `width` characters, and how many more there are.
    private func fitting(_ rates: [String], width: Int) -> (count: Int, text: String) {
        var fitting = (count: 0, text: "")
        var text = ""
        for (index, rate) in rates.enumerated() {
            text += index == 0 ? rate : ", \(rate)"
            guard text.count <= width else { break }
            let others = rates.count - index - 1
            let line = others == 0 ? text : "\(text), +\(others)"
            if line.count <= width { fitting = (index + 1, line) }
        }
        return fitting
    }

    /// How long the bytes that are known to come will take; nil as long as that cannot be said.
    private func timeLeft(_ rate: Double?, isShort: Bool) -> String? {
        guard let rate, rate >= 1, bytesTotal > bytesDone, bytesDone > 0 else { return nil }
        let seconds = (Double(bytesTotal - bytesDone) / rate).rounded(.up)
        // Nobody waits for that.
        guard seconds < 100 * 3600 else { return nil }
        let (hours, minutes) = (Int(seconds) / 3600, Int(seconds) / 60 % 60)
        if hours > 0 { return isShort ? "\(hours)h\(minutes)m" : "\(hours) h \(minutes) min" }
        let rest = Int(seconds) % 60
        if minutes > 0 { return isShort ? "\(minutes)m\(rest)s" : "\(minutes) min \(rest) s" }
        return isShort ? "\(rest)s" : "\(rest) s"
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
