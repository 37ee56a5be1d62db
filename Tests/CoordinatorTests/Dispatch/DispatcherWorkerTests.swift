import CopyWorker
import ObjectStorageTesting
import ShardProtocol
import ShardScheduling
import ShardTransport
import Support
import Testing

@testable import Coordinator

/// Workers that come, go, fall silent and misbehave.
@Suite(.timeLimit(.minutes(1))) struct DispatcherWorkerTests {
    /// Runs `body` while three shards are being copied as job `j`, and waits for the end of the copying.
    private func whileCopying(
        _ bench: DispatchBench, _ body: () async throws -> Void
    ) async throws {
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        let copying = Task { try await bench.dispatcher.copy(bench.shards(3), job: "j", lane: 1) }
        try await body()
        try await copying.value
    }

    // MARK: Losses

    @Test func theShardsOfAWorkerThatVanishesGoToAnother() async throws {
        let bench = DispatchBench()
        let gone = try await bench.startScripted("gone")
        let heir = try await bench.startScripted("heir")
        try await whileCopying(bench) {
            try await gone.pull(3)
            for _ in 0..<3 { #expect(try await gone.assignment().lease.epoch == 1) }
            gone.channel.close()
            await gone.serving.value
            try await heir.pull(3)
            for _ in 0..<3 {
                let assignment = try await heir.assignment()
                #expect(assignment.lease.epoch == 2)
                try await heir.complete(assignment)
            }
        }
        let shares = await bench.dispatcher.shares(of: "j")
        #expect(shares.map(\.losses) == [3, 0] && shares.map(\.isConnected) == [false, true])
        #expect(bench.hasLogged("agent lost, its shards go to others"))
        #expect(await bench.dispatcher.workerCount == 1)
    }

    @Test func theShardsOfASilentWorkerGoToAnother() async throws {
        let bench = DispatchBench(lease: .seconds(3600))
        let silent = try await bench.startScripted("silent")
        let heir = try await bench.startScripted("heir")
        try await whileCopying(bench) {
            try await silent.pull(3)
            let held = [
                try await silent.assignment(), try await silent.assignment(), try await silent.assignment(),
            ]
            try await heir.pull(3)
            try await eventually { await bench.dispatcher.shares(of: "j").count == 2 }
            await bench.dispatcher.expire(.now + .seconds(3500))
            #expect(await bench.dispatcher.shares(of: "j").map(\.losses) == [0, 0])
            await bench.dispatcher.expire(.now + .seconds(3700))
            // It is told, should it still be there.
            guard case .cancel(let cancellation) = try await silent.next() else {
                Issue.record("the silent worker was not told")
                return
            }
            #expect(Set(cancellation.leases) == Set(held.map(\.lease)))
            // What it says later of them counts no more.
            try await silent.complete(held[0])
            try await eventually { bench.hasLogged("late report dropped") }
            for _ in 0..<3 {
                let assignment = try await heir.assignment()
                #expect(assignment.lease.epoch == 2)
                try await heir.complete(assignment)
            }
        }
        #expect(await bench.dispatcher.shares(of: "j").map(\.done.shards) == [3, 0])
    }

    @Test func theTimerEndsLeasesByItself() async throws {
        let bench = DispatchBench(lease: .milliseconds(50))
        let silent = try await bench.startScripted("silent")
        try await whileCopying(bench) {
            try await silent.pull(3)
            for _ in 0..<3 { _ = try await silent.assignment() }
            try await eventually { bench.hasLogged("agent is silent, its shards go to others") }
            try await bench.startWorker("heir")
        }
        #expect(bench.hasArrived(bench.shards(3)))
        await bench.dispatcher.shutDown()
    }

    /// A worker that lives, and does nothing: the job ends without it, and it is told.
    @Test func aSlowWorkerHoldsUpNobody() async throws {
        let bench = DispatchBench(takeoverDelay: .milliseconds(50))
        let slow = try await bench.startScripted("slow")
        var held: [Assignment] = []
        try await whileCopying(bench) {
            try await slow.pull(3)
            for _ in 0..<3 { held.append(try await slow.assignment()) }
            try await slow.beat(held)
            try await bench.startWorker("fast")
            try await eventually { bench.hasLogged("slow shard taken over") }
        }
        var canceled: Set<Lease> = []
        while canceled.count < 3, case .cancel(let cancellation) = try await slow.next() {
            canceled.formUnion(cancellation.leases)
        }
        #expect(canceled == Set(held.map(\.lease)))
        #expect(bench.hasArrived(bench.shards(3)))
        // It says that it was done after all: too late.
        try await slow.complete(held[0])
        try await eventually { bench.hasLogged("late report dropped") }
        #expect(await bench.dispatcher.shares(of: "j").map(\.done.shards) == [3, 0])
        #expect(await bench.dispatcher.abandonedLeases(of: "j") == 3)
    }

    @Test func aBeatingWorkerKeepsItsShards() async throws {
        let bench = DispatchBench(lease: .seconds(3600))
        let slow = try await bench.startScripted("slow")
        try await whileCopying(bench) {
            try await slow.pull(3)
            let held = [try await slow.assignment(), try await slow.assignment(), try await slow.assignment()]
            let begin = ContinuousClock.now
            try await slow.beat(held, bytes: 2)
            try await eventually { await bench.dispatcher.progress(of: "j").progress.inFlight.bytes == 6 }
            await bench.dispatcher.expire(begin + .seconds(3600))
            for assignment in held { try await slow.complete(assignment) }
        }
        #expect(await bench.dispatcher.shares(of: "j").map(\.losses) == [0])
    }

    @Test func aRealWorkerThatIsCutOffLosesNothingOfTheJob() async throws {
        let bench = DispatchBench()
        let shards = bench.shards(30)
        bench.destination.faults.before = { call in
            // The first one never gets anything done.
            if call.operation == .put, await bench.dispatcher.workerCount == 1 {
                try await Task.sleep(for: .seconds(60))
            }
        }
        let first = try await bench.startWorker("first")
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        let copying = Task { try await bench.dispatcher.copy(shards, job: "j", lane: 1) }
        try await eventually { bench.destination.counts.count(.put) > 0 }
        bench.destination.faults.before = { _ in }
        first.channel.close()
        try await bench.startWorker("second")
        try await copying.value
        #expect(bench.hasArrived(shards))
        await bench.dispatcher.shutDown()
    }

    @Test func whatIsGivenBackGoesToAnother() async throws {
        let bench = DispatchBench()
        let leaving = try await bench.startScripted("leaving")
        let heir = try await bench.startScripted("heir")
        try await whileCopying(bench) {
            try await leaving.pull(3)
            for _ in 0..<3 { try await leaving.channel.send(.returned(try await leaving.assignment().lease)) }
            try await leaving.channel.send(.goodbye)
            await leaving.serving.value
            try await heir.pull(3)
            for _ in 0..<3 { try await heir.complete(try await heir.assignment()) }
        }
        #expect(bench.hasLogged("it has said goodbye"))
        #expect(await bench.dispatcher.shares(of: "j").allSatisfy { $0.losses == 0 && $0.failures == 0 })
    }

    @Test func aShardThatFailsOnOneWorkerIsTriedOnAnother() async throws {
        let bench = DispatchBench()
        let weak = try await bench.startScripted("weak")
        let strong = try await bench.startScripted("strong")
        try await whileCopying(bench) {
            try await weak.pull(3)
            for _ in 0..<3 { try await weak.fail(try await weak.assignment(), "connection reset") }
            try await strong.pull(3)
            for _ in 0..<3 { try await strong.complete(try await strong.assignment()) }
        }
        #expect(bench.hasLogged("shard failed and will be tried again"))
        #expect(await bench.dispatcher.shares(of: "j").map(\.failures) == [0, 3])
    }

    // MARK: Names

    @Test func twoWorkersOfOneNameBothWork() async throws {
        let bench = DispatchBench()
        let one = try await bench.startScripted("host", instance: "1")
        let other = try await bench.startScripted("host", instance: "2")
        #expect(await bench.dispatcher.workerCount == 2)
        try await whileCopying(bench) {
            try await one.pull(1)
            try await one.complete(try await one.assignment())
            try await other.pull(2)
            for _ in 0..<2 { try await other.complete(try await other.assignment()) }
        }
        let shares = await bench.dispatcher.shares(of: "j")
        #expect(shares.map(\.agent.description) == ["host", "host-2"] && shares.map(\.done.shards) == [1, 2])
    }

    @Test func aWorkerThatComesBackTakesItsPlaceAgain() async throws {
        let bench = DispatchBench()
        let before = try await bench.startScripted("host", instance: "1")
        try await whileCopying(bench) {
            try await before.pull(3)
            let held = try await before.assignment()
            let after = try await bench.startScripted("host", instance: "1")
            await before.serving.value
            #expect(await bench.dispatcher.workerCount == 1)
            try await after.pull(3)
            for _ in 0..<3 {
                let assignment = try await after.assignment()
                #expect(assignment.lease.shard != held.lease.shard || assignment.lease.epoch == 2)
                try await after.complete(assignment)
            }
        }
        #expect(await bench.dispatcher.shares(of: "j").map(\.agent.description) == ["host"])
    }

    // MARK: Ends

    @Test func shuttingDownSendsTheWorkersHome() async throws {
        let bench = DispatchBench()
        let real = try await bench.startWorker("real")
        let scripted = try await bench.startScripted("scripted")
        let ending = Task { await bench.dispatcher.shutDown() }
        #expect(try await scripted.next() == .finish)
        try await scripted.channel.send(.goodbye)
        await ending.value
        #expect(await real.working.value.ending == .finished)
        await real.serving.value
        await scripted.serving.value
        #expect(await bench.dispatcher.workerCount == 0)
    }

    @Test func whoComesDuringTheShutdownIsSentHomeAtOnce() async throws {
        let bench = DispatchBench()
        let slow = try await bench.startScripted("slow")
        let ending = Task { await bench.dispatcher.shutDown() }
        #expect(try await slow.next() == .finish)
        let late = try await bench.startScripted("late")
        #expect(try await late.next() == .finish)
        for worker in [slow, late] { try await worker.channel.send(.goodbye) }
        await ending.value
    }

    @Test func aWorkerThatDoesNotListenCannotHoldUpTheEnd() async throws {
        let bench = DispatchBench()
        // It takes in one message and then no more.
        let deaf = try await bench.startScripted("deaf", messages: 1)
        await bench.dispatcher.begin(job: "j", backupName: "nightly")
        let copying = Task { try await bench.dispatcher.copy(bench.shards(3), job: "j", lane: 1) }
        try await deaf.pull(3)
        try await eventually { await bench.dispatcher.progress(of: "j").progress.inFlight.shards == 3 }
        copying.cancel()
        _ = await copying.result
        await bench.dispatcher.shutDown()
        await deaf.serving.value
    }

    // MARK: Bad manners

    @Test(arguments: [Int.max, -1, 0]) func absurdWishesDoNoHarm(_ wish: Int) async throws {
        let bench = DispatchBench()
        let greedy = try await bench.startScripted("greedy")
        try await whileCopying(bench) {
            for _ in 0..<3 { try await greedy.pull(wish) }
            try await greedy.pull(3)
            for _ in 0..<3 { try await greedy.complete(try await greedy.assignment()) }
        }
    }

    @Test func aJobThatComesLaterGetsTheWorkerThatWaits() async throws {
        let bench = DispatchBench()
        let worker = try await bench.startScripted("one", capacity: 8)
        for job in ["a", "b"] { await bench.dispatcher.begin(job: job, backupName: "nightly") }
        // Both answer the same wish, so it gets more than it has asked for.
        try await worker.pull(2)
        let copying = ["a", "b"].map { job in
            Task { try await bench.dispatcher.copy(bench.shards(2, of: job), job: job, lane: 1) }
        }
        for _ in 0..<4 { try await worker.complete(try await worker.assignment()) }
        for task in copying { try await task.value }
        try await worker.pull(2)
        // The answer to what comes after the wish shows that the wish was heard.
        let stale = Lease(job: "over", shard: 1, epoch: 1)
        try await worker.channel.send(.heartbeat(Heartbeat(leases: [.init(lease: stale, bytes: 0, objects: 0)])))
        #expect(try await worker.next() == .cancel(Cancellation(leases: [stale], reason: "the lease is over")))
        for job in ["a", "b"] { await bench.dispatcher.end(job: job) }
        await bench.dispatcher.begin(job: "c", backupName: "nightly")
        let late = Task { try await bench.dispatcher.copy(bench.shards(2, of: "c"), job: "c", lane: 1) }
        for _ in 0..<2 { try await worker.complete(try await worker.assignment()) }
        try await late.value
    }

    @Test func aWorkerThatSpeaksOutOfTurnIsCutOff() async throws {
        let bench = DispatchBench()
        let rude = try await bench.startScripted("rude")
        try await rude.channel.send(.proof(Proof(proof: "")))
        await rude.serving.value
        #expect(await bench.dispatcher.workerCount == 0)
        #expect(bench.hasLogged("it sent a message of the handshake after it"))
    }

    @Test func reportsOfUnknownJobsAreDroppedAndTheirShardsCalledOff() async throws {
        let bench = DispatchBench()
        let confused = try await bench.startScripted("confused")
        let lease = Lease(job: "yesterday", shard: 7, epoch: 3)
        try await confused.channel.send(.completed(ShardCompletion(lease: lease, results: [], bytes: 0)))
        try await confused.channel.send(
            .failed(ShardFailure(lease: lease, key: "k", message: "m", code: "unavailable", isRetryable: true)))
        try await confused.channel.send(.returned(lease))
        try await confused.channel.send(.heartbeat(Heartbeat(leases: [.init(lease: lease, bytes: 1, objects: 1)])))
        #expect(
            try await confused.next() == .cancel(Cancellation(leases: [lease], reason: "the lease is over")))
    }
}
