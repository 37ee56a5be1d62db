import Support
import Testing

@Suite struct BytePipeTests {
    /// Bytes that differ from their neighbours, so that a lost or doubled one shows.
    static func pattern(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) } }

    @Test(arguments: [(1, 1), (7, 3), (1000, 64), (100_000, 256), (300_000, 65_536)])
    func everythingWrittenIsReadInOrder(count: Int, capacity: Int) async throws {
        let pipe = BytePipe(capacity: capacity)
        let sent = Self.pattern(count)
        async let writing: Void = {
            var rest = sent[...]
            while !rest.isEmpty {
                let piece = Array(rest.prefix(997))
                try await pipe.write(piece)
                rest = rest.dropFirst(piece.count)
            }
            pipe.finish()
        }()
        var received: [UInt8] = []
        while let bytes = try await pipe.read(upTo: 613) { received += bytes }
        try await writing
        #expect(received == sent)
        #expect(pipe.bytesRead == Int64(count))
    }

    @Test func wholeWritesAreRefusedWhenThePipeIsFull() throws {
        let pipe = BytePipe(capacity: 10)
        let bytes = Self.pattern(6)
        let outcomes = try bytes.withUnsafeBytes { buffer in
            (
                try pipe.tryWrite(buffer), try pipe.tryWrite(buffer), try pipe.tryWriteSome(buffer),
                try pipe.tryWriteSome(buffer)
            )
        }
        #expect(outcomes == (true, false, 4, 0))
    }

    @Test func aPieceLargerThanThePipePasses() async throws {
        let pipe = BytePipe(capacity: 4)
        let bytes = Self.pattern(50)
        let taken = try bytes.withUnsafeBytes { try pipe.tryWrite($0) }
        #expect(taken)
        pipe.finish()
        #expect(try await pipe.collect(limit: 100) == bytes)
    }

    @Test func failureReachesTheReader() async throws {
        let pipe = BytePipe()
        try await pipe.write([1, 2, 3])
        pipe.fail(BackupError(.corrupted, "half an answer"))
        await #expect { try await pipe.read() } throws: { ($0 as? BackupError)?.message == "half an answer" }
    }

    @Test func aReaderThatLeavesFreesTheWriter() async throws {
        let pipe = BytePipe(capacity: 8)
        let writing = Task { try await pipe.write(Self.pattern(1000)) }
        _ = try await pipe.read(upTo: 4)
        pipe.cancel()
        await #expect { try await writing.value } throws: { ($0 as? BackupError)?.code == .canceled }
    }

    @Test func cancellationEndsAWaitingRead() async throws {
        let pipe = BytePipe()
        let reading = Task { try await pipe.read() }
        reading.cancel()
        await #expect(throws: (any Error).self) { try await reading.value }
    }

    @Test func collectingHasALimit() async throws {
        let pipe = BytePipe()
        try await pipe.write(Self.pattern(101))
        pipe.finish()
        await #expect { try await pipe.collect(limit: 100) } throws: { ($0 as? BackupError)?.code == .corrupted }
    }

    @Test func threadsCanUseBothEnds() async throws {
        let pipe = BytePipe(capacity: 100)
        let sent = Self.pattern(50_000)
        async let writing: Void = onDedicatedThread {
            try sent.withUnsafeBytes { try pipe.writeBlocking($0) }
            pipe.finish()
        }
        let received = try await onDedicatedThread {
            var all: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 77)
            while true {
                let count = try buffer.withUnsafeMutableBytes { try pipe.readBlocking(into: $0) }
                if count == 0 { return all }
                all += buffer[..<count]
            }
        }
        try await writing
        #expect(received == sent)
    }

    @Test func tellsWhatWasWrittenAndHowItEnded() async throws {
        let pipe = BytePipe()
        try await pipe.write([1, 2, 3])
        #expect(pipe.bytesWritten == 3)
        #expect(pipe.ending == nil)
        pipe.finish()
        pipe.fail(BackupError(.unavailable, "too late"))
        guard case .finished = pipe.ending else { return #expect(Bool(false), "a finished stream stays finished") }
        let broken = BytePipe()
        broken.fail(BackupError(.unavailable, "reset"))
        guard case .failed(let error) = broken.ending else { return #expect(Bool(false), "a failed stream says so") }
        #expect(error.code == .unavailable)
        let left = BytePipe()
        left.cancel()
        left.fail(BackupError(.unavailable, "the reader has gone"))
        #expect(left.ending == nil)
    }
}
