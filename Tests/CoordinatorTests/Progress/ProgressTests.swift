import Support
import Testing

@testable import Coordinator

@Suite struct RateMeterTests {
    private let start = ContinuousClock.now

    @Test func theRateIsThatOfTheLastSeconds() {
        var meter = RateMeter(window: .seconds(5))
        #expect(meter.rate(of: 0, at: start) == nil)
        #expect(meter.rate(of: 100, at: start + .seconds(1)) == 100)
        #expect(meter.rate(of: 400, at: start + .seconds(2)) == 200)
        // A long time later only the last seconds count.
        for second in 3...20 { _ = meter.rate(of: 400, at: start + .seconds(second)) }
        #expect(meter.rate(of: 400, at: start + .seconds(21)) == 0)
        #expect(meter.rate(of: 1000, at: start + .seconds(22)) == 120)
    }

    @Test func lostWorkIsNoNegativeRate() {
        var meter = RateMeter()
        _ = meter.rate(of: 100, at: start)
        #expect(meter.rate(of: 50, at: start + .seconds(1)) == 0)
        #expect(meter.rate(of: 50, at: start + .seconds(1)) == 0)
    }
}

@Suite struct PhaseTimerTests {
    @Test func phasesAreActiveWhileTheyRun() async throws {
        let timer = PhaseTimer()
        #expect(timer.active.isEmpty)
        await timer.measure(.copy) {
            await timer.measureMilvus(.flush) { #expect(timer.active == [.flush, .copy]) }
            await timer.measure(.copy) {}
            #expect(timer.active == [.copy])
        }
        #expect(timer.active.isEmpty)
        let report = timer.report()
        #expect(report.phases.map(\.phase) == [.flush, .copy])
        #expect(report.milvus <= report.whole && report.phases.allSatisfy { $0.duration <= report.whole })
    }

    @Test func aPhaseThatFailsEndsToo() async {
        let timer = PhaseTimer()
        await #expect(throws: BackupError.self) {
            try await timer.measure(.verify) { throw BackupError(.corrupted, "x") }
        }
        #expect(timer.active.isEmpty)
    }

    @Test func theTableHasALineForEachAndTheSums() {
        let report = PhaseReport(
            phases: [(.copy, .milliseconds(12_345)), (.flush, .milliseconds(500))], milvus: .milliseconds(500),
            whole: .seconds(13))
        #expect(
            report.lines == [
                "  copy                          12.345 s", "  flush                          0.500 s",
                "  whole                         13.000 s", "  of it in calls to Milvus       0.500 s",
                "  of it outside Milvus          12.500 s",
            ])
    }
}

@Suite struct ProgressSnapshotTests {
    @Test func theLineSaysHowFarItIs() {
        var snapshot = ProgressSnapshot()
        snapshot.phase = "flush"
        #expect(snapshot.line() == "flush")
        snapshot.phase = "copy"
        snapshot.shardsDone = 1
        snapshot.shardsTotal = 4
        snapshot.objectsDone = 10
        snapshot.objectsTotal = 40
        snapshot.bytesDone = 1 << 20
        snapshot.bytesTotal = 4 << 20
        #expect(snapshot.line() == "copy | shards 1/4 | objects 10/40 | 1.0 MiB of 4.0 MiB")
        snapshot.agents = 1
        #expect(snapshot.line(ProgressRates(now: 2048)).hasSuffix("4.0 MiB | 2.0 KiB/s | 1 agent"))
        snapshot.agents = 3
        #expect(snapshot.line(ProgressRates(now: 2048)).hasSuffix("3 agents"))
    }

    @Test(
        arguments: [
            (3 << 10, "1 s"), (300 << 10, "1 min 40 s"), (12_000 << 10, "1 h 6 min"),
        ])
    func theLineSaysHowLongItTakes(left: Int64, text: String) {
        var snapshot = ProgressSnapshot()
        snapshot.shardsTotal = 4
        snapshot.bytesDone = 1 << 20
        snapshot.bytesTotal = snapshot.bytesDone + left
        let rates = ProgressRates(now: 9000, steady: 3072)
        #expect(snapshot.line(rates).contains(" | \(text) left"))
        // Nothing is said where it would be made up.
        #expect(!snapshot.line(ProgressRates(now: 9000)).contains("left"))
        #expect(!snapshot.line(ProgressRates(now: 9000, steady: 0)).contains("left"))
        snapshot.bytesDone = snapshot.bytesTotal
        #expect(!snapshot.line(rates).contains("left"))
    }

    @Test func everyAgentHasARateOfItsOwn() {
        var meter = ProgressMeter()
        var snapshot = ProgressSnapshot()
        snapshot.shardsTotal = 1
        let start = ContinuousClock.now
        snapshot.shares = [("one", 0), ("two", 0)]
        #expect(!snapshot.line(meter.rates(of: snapshot, at: start)).contains("one"))
        snapshot.shares = [("one", 1 << 20), ("two", 4 << 20), ("late", 7)]
        let line = snapshot.line(meter.rates(of: snapshot, at: start + .seconds(2)))
        #expect(line.hasSuffix(" | one 512.0 KiB/s, two 2.0 MiB/s"))
    }

    /// A copy of half a tebibyte with a long list of phases, and its rates with `-v`.
    private func large(agents: [String]) -> (ProgressSnapshot, ProgressRates) {
        let mebibyte: Int64 = 1 << 20
        var snapshot = ProgressSnapshot()
        snapshot.phase = "flush, list segments, list binlogs, copy, verify the copies"
        (snapshot.shardsDone, snapshot.shardsTotal) = (1234, 4096)
        (snapshot.objectsDone, snapshot.objectsTotal) = (310_000, 1_022_000)
        (snapshot.bytesDone, snapshot.bytesTotal) = (80 << 30, 512 << 30)
        snapshot.agents = 4
        snapshot.shares = agents.map { ($0, mebibyte) }
        var rates = ProgressRates(now: Double(96 * mebibyte), steady: Double(96 * mebibyte))
        for agent in agents { rates.agents[agent] = Double(25 * mebibyte) }
        return (snapshot, rates)
    }

    @Test(
        arguments: [
            (60, "15% of 512.0 GiB | 96.0 MiB/s | 1h16m left | 4 agents"),
            (79, "flush +4 | 15% of 512.0 GiB | 96.0 MiB/s | 1 h 16 min left | 4 agents"),
            (80, "flush +4 | 15% of 512.0 GiB | 96.0 MiB/s | 1 h 16 min left | 4 agents"),
            (
                120,
                "flush +4 | shards 1234/4096 | objects 310000/1022000 | 80.0 GiB of 512.0 GiB | 96.0 MiB/s"
                    + " | 1 h 16 min left | 4 agents"
            ),
        ])
    func aShortLineHasWhatMatters(width: Int, line: String) {
        let (snapshot, rates) = large(agents: [])
        #expect(snapshot.line(rates, width: width) == line)
        #expect(snapshot.line(rates, width: 200) == snapshot.line(rates))
    }

    @Test(
        arguments: [
            // Not even one of them has room.
            (60, "15% of 512.0 GiB | 96.0 MiB/s | 1h16m left | 4 agents"),
            (79, "15% of 512.0 GiB | 96.0 MiB/s | 1h16m left | 4 agents | agent-1 25.0 MiB/s, +3"),
            (80, "15% of 512.0 GiB | 96.0 MiB/s | 1h16m left | 4 agents | agent-1 25.0 MiB/s, +3"),
            (
                120,
                "15% of 512.0 GiB | 96.0 MiB/s | 1h16m left | 4 agents | agent-1 25.0 MiB/s, agent-2 25.0 MiB/s, "
                    + "agent-3 25.0 MiB/s, +1"
            ),
            (
                200,
                "flush +4 | shards 1234/4096 | objects 310000/1022000 | 80.0 GiB of 512.0 GiB | 96.0 MiB/s"
                    + " | 1 h 16 min left | 4 agents | agent-1 25.0 MiB/s, agent-2 25.0 MiB/s, agent-3 25.0 MiB/s, "
                    + "agent-4 25.0 MiB/s"
            ),
        ])
    func aShortLineHasTheRatesOfTheAgents(width: Int, line: String) {
        let (snapshot, rates) = large(agents: (1...4).map { "agent-\($0)" })
        #expect(snapshot.line(rates, width: width) == line)
        #expect(snapshot.line(rates, width: 300) == snapshot.line(rates))
    }

    @Test func longNamesOfAgentsAreShortenedAtLast() {
        let (snapshot, rates) = large(agents: (10..<22).map { "milvus-backup-agent-7f9c6d-x\($0)" })
        let start = "15% of 512.0 GiB | 96.0 MiB/s | 1h16m left | "
        #expect(snapshot.line(rates, width: 79) == start + "..7f9c6d-x10 25.0 MiB/s, +11")
        #expect(snapshot.line(rates, width: 1000) == snapshot.line(rates))
    }

    @Test(arguments: [0, 1, 60, 80, 120, 200]) func noLineIsWiderThanTheTerminal(width: Int) {
        for count in [0, 1, 9, 10, 11, 400] {
            let (snapshot, rates) = large(agents: (0..<count).map { "agent-\($0)" })
            #expect(snapshot.line(rates, width: width).count <= width)
        }
    }

    @Test func aShortLineBeforeTheFirstShardNamesThePhase() {
        var snapshot = ProgressSnapshot()
        #expect(snapshot.line(width: 60).isEmpty)
        snapshot.phase = "list databases and collections, describe collections, wait for agents"
        #expect(snapshot.line(width: 60) == "list databases and collections +2")
        #expect(snapshot.line(width: 80) == snapshot.phase)
        #expect(snapshot.line(width: 20) == "list databases and c")
        // Shards without bytes are counted themselves.
        (snapshot.shardsDone, snapshot.shardsTotal) = (1, 3)
        #expect(snapshot.line(width: 20) == "33% of 0 B")
    }

    @Test func countedWordsAgree() {
        #expect(counted(0, "object") == "0 objects" && counted(1, "object") == "1 object")
    }
}
