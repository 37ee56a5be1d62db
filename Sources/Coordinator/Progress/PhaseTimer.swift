import Support
import Synchronization

/// A step of a backup or restore, in the order of the table printed at the end.
enum Phase: String, CaseIterable, Sendable {
    case connect = "connect"
    case checkName = "check the name"
    case pauseGarbageCollection = "pause garbage collection"
    case readMetadata = "read the metadata"
    case listCollections = "list databases and collections"
    case createCollections = "create collections"
    case describe = "describe collections"
    case flush = "flush"
    case listSegments = "list segments"
    case listBinlogs = "list binlogs"
    case waitForAgents = "wait for agents"
    case copy = "copy"
    case verify = "verify the copies"
    case readBack = "read the copies"
    case importData = "import"
    case writeMetadata = "write the metadata"
    case cleanUp = "clean up"
    case resumeGarbageCollection = "resume garbage collection"
}

/// Measures how long each phase was under way. Phases overlap: a phase counts the time in which at least one collection
/// was in it, so the rows of the table may add up to more than the whole.
final class PhaseTimer: Sendable {
    private struct Entry {
        var active = 0
        var since: ContinuousClock.Instant?
        var total: Duration = .zero

        mutating func begin(_ now: ContinuousClock.Instant) {
            if active == 0 { since = now }
            active += 1
        }

        mutating func end(_ now: ContinuousClock.Instant) {
            active -= 1
            if active == 0, let since { total += now - since }
        }

        func total(at now: ContinuousClock.Instant) -> Duration {
            guard active > 0, let since else { return total }
            return total + (now - since)
        }
    }

    private struct State {
        var phases: [Phase: Entry] = [:]
        var milvus = Entry()
    }

    private let start = ContinuousClock.now
    private let state = Mutex(State())

    /// Runs `body` as a part of `phase`.
    func measure<Result>(
        _ phase: Phase, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
    ) async rethrows -> Result {
        state.withLock { $0.phases[phase, default: Entry()].begin(.now) }
        defer { state.withLock { $0.phases[phase, default: Entry()].end(.now) } }
        return try await body()
    }

    /// Runs `body`, which waits for Milvus, as a part of `phase`; the time also counts as Milvus' own.
    func measureMilvus<Result>(
        _ phase: Phase, isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result
    ) async rethrows -> Result {
        state.withLock { state in
            let now = ContinuousClock.now
            state.phases[phase, default: Entry()].begin(now)
            state.milvus.begin(now)
        }
        defer {
            state.withLock { state in
                let now = ContinuousClock.now
                state.phases[phase, default: Entry()].end(now)
                state.milvus.end(now)
            }
        }
        return try await body()
    }

    /// The phases that are under way, in order.
    var active: [Phase] {
        state.withLock { state in Phase.allCases.filter { (state.phases[$0]?.active ?? 0) > 0 } }
    }

    /// What has been measured so far.
    func report() -> PhaseReport {
        let now = ContinuousClock.now
        return state.withLock { state in
            PhaseReport(
                phases: Phase.allCases.compactMap { phase in state.phases[phase].map { (phase, $0.total(at: now)) } },
                milvus: state.milvus.total(at: now), whole: now - start)
        }
    }
}

/// The table of the time each phase took.
struct PhaseReport: Sendable {
    var phases: [(phase: Phase, duration: Duration)]
    /// The time in which at least one call to Milvus was under way.
    var milvus: Duration
    var whole: Duration

    /// One line a phase, then the whole, Milvus' share of it and the rest.
    var lines: [String] {
        var rows = phases.map { ($0.phase.rawValue, $0.duration) }
        rows.append(("whole", whole))
        rows.append(("of it in calls to Milvus", milvus))
        rows.append(("of it outside Milvus", whole - milvus))
        let width = rows.map(\.0.count).max() ?? 0
        return rows.map { name, duration in
            let seconds = formatted(duration.seconds, decimals: 3)
            return "  " + name.padding(to: width) + String(repeating: " ", count: max(2, 12 - seconds.count)) + seconds
                + " s"
        }
    }
}

extension String {
    /// The text followed by blanks up to `width` characters.
    func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
