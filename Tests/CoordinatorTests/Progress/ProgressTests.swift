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

    @Test func countedWordsAgree() {
        #expect(counted(0, "object") == "0 objects" && counted(1, "object") == "1 object")
    }
}
