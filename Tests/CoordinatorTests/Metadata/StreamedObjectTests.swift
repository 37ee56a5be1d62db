import ObjectStorage
import ObjectStorageTesting
import Support
import Synchronization
import Testing

@testable import Coordinator

@Suite(.timeLimit(.minutes(1))) struct StreamedObjectTests {
    private let store = MemoryObjectStore()

    /// `count` pieces of 64 KiB.
    private static func produce(_ count: Int) -> @Sendable (@escaping ([UInt8]) throws -> Void) throws -> Void {
        { sink in for index in 0..<count { try sink([UInt8](repeating: UInt8(index % 251), count: 65_536)) } }
    }

    private func read(_ key: String) async throws -> [UInt8] {
        try await store.getStreamed(key) { next in
            var bytes: [UInt8] = []
            while let piece = try next() { bytes += piece }
            return bytes
        }
    }

    /// Nothing, a little, the most that is kept, a byte more, and a lot.
    @Test(arguments: [0, 1, 16, 17, 160]) func whatIsPutCanBeGot(_ pieces: Int) async throws {
        #expect(try await store.putStreamed("k", producing: Self.produce(pieces)) == Int64(pieces * 65_536))
        let bytes = try #require(store.bytes("k"))
        #expect(bytes.count == pieces * 65_536)
        #expect(bytes.last == (pieces == 0 ? nil : UInt8((pieces - 1) % 251)))
        #expect(try await read("k") == bytes)
    }

    @Test func aPutThatBreaksIsDoneAgainFromTheStart() async throws {
        let failures = Mutex(2)
        store.faults.betweenPieces = {
            let fails = failures.withLock { left in
                guard left > 0 else { return false }
                left -= 1
                return true
            }
            if fails { throw BackupError(.unavailable, "connection reset", isRetryable: true) }
        }
        try await store.putStreamed("k", producing: Self.produce(40))
        #expect(store.bytes("k")?.count == 40 * 65_536)
        #expect(store.counts.count(.put) == 3)
    }

    @Test func aPutThatIsRefusedIsNot() async throws {
        store.faults.before = { call in
            if call.operation == .put { throw BackupError(.permissionDenied, "no") }
        }
        for pieces in [1, 40] {
            let error = await #expect(throws: BackupError.self) {
                try await store.putStreamed("k", producing: Self.produce(pieces))
            }
            #expect(error?.code == .permissionDenied)
        }
        #expect(store.counts.count(.put) == 2)
    }

    @Test func aProducerThatFailsPutsNothing() async throws {
        let runs = Mutex(0)
        for failingRun in [1, 2] {
            runs.withLock { $0 = 0 }
            let error = await #expect(throws: BackupError.self) {
                try await store.putStreamed("k") { sink in
                    let run = runs.withLock { count in
                        count += 1
                        return count
                    }
                    try Self.produce(run == failingRun ? 19 : 20)(sink)
                    if run == failingRun { throw BackupError(.internalError, "out of ink") }
                }
            }
            #expect(error?.message.contains("out of ink") == true)
        }
        #expect(store.keys.isEmpty)
    }

    @Test func aProducerThatFailsAfterItsLastByteFailsThePut() async throws {
        let runs = Mutex(0)
        let error = await #expect(throws: BackupError.self) {
            try await store.putStreamed("k") { sink in
                try Self.produce(20)(sink)
                let run = runs.withLock { count in
                    count += 1
                    return count
                }
                if run == 2 { throw BackupError(.internalError, "out of ink") }
            }
        }
        #expect(error?.message.contains("out of ink") == true)
    }

    @Test func aGetThatBreaksIsReadAgainFromTheStart() async throws {
        try await store.putStreamed("k", producing: Self.produce(20))
        let failures = Mutex(2)
        store.faults.bodyFault = { _ in
            failures.withLock { left in
                guard left > 0 else { return nil }
                left -= 1
                return .broken(after: 700_000)
            }
        }
        #expect(try await read("k").count == 20 * 65_536)
        #expect(store.counts.count(.get) == 3)
    }

    @Test func aReaderThatHasEnoughEndsWell() async throws {
        try await store.putStreamed("k", producing: Self.produce(40))
        let first = try await store.getStreamed("k") { next in try next()?.first }
        #expect(first == 0)
    }

    @Test func aMissingObjectIsSaid() async throws {
        let error = await #expect(throws: BackupError.self) { try await read("nothing") }
        #expect(error?.code == .notFound)
    }

    @Test func cancellationEndsAReadThatStalls() async throws {
        try await store.putStreamed("k", producing: Self.produce(2))
        store.faults.bodyFault = { _ in .stalled(after: 10) }
        let reading = Task { try await read("k") }
        try await eventually { store.counts.count(.get) == 1 }
        reading.cancel()
        let error = await #expect(throws: BackupError.self) { try await reading.value }
        #expect(error?.code == .canceled)
    }

    // MARK: Damage on the way

    @Test func whatItsETagContradictsIsReadAgain() async throws {
        store.set("k", Array("{}".utf8))
        let store = store
        store.faults.bodyFault = { _ in store.counts.count(.get) % 2 == 1 ? .corrupted : nil }
        #expect(try await store.readWhole("k", limit: 100).bytes == Array("{}".utf8))
        #expect(try await read("k") == Array("{}".utf8))
        #expect(store.counts.count(.get) == 4)
    }

    @Test func whatIsTheSameTwiceIsBelievedWhereETagsAreNoMD5() async throws {
        store.faults.hasOpaqueETags = true
        store.set("k", [7])
        store.faults.hasOpaqueETags = false
        store.faults.bodyFault = { _ in .corrupted }
        let bytes = try await store.readWhole("k", limit: 100).bytes
        #expect(try await read("k") == bytes)
    }

    @Test func whatCannotBeUnderstoodIsReadThreeTimes() async throws {
        store.set("k", [7])
        let error = await #expect(throws: BackupError.self) {
            try await store.read("k", limit: 100) { _, _ in throw BackupError(.corrupted, "no sense in it") }
        }
        #expect(error?.message == "no sense in it" && store.counts.count(.get) == 3)
    }
}
