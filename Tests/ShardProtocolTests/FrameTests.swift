import ShardProtocol
import Support
import Testing

@Suite struct FrameTests {
    @Test func aFrameHasTheDocumentedShape() {
        let frame = Frame(kind: 16, flags: .compressed, payload: [7, 8, 9])
        #expect(frame.bytes == [0, 0, 0, 5, 16, 1, 7, 8, 9])
    }

    @Test(arguments: [1, 2, 3, 5, 7, 64, 100_000])
    func framesAreFoundHoweverTheStreamIsCut(piece: Int) throws {
        let frames = (0..<50).map { Frame(kind: UInt8($0), payload: [UInt8](repeating: UInt8($0), count: $0 * 17)) }
        let stream = frames.flatMap(\.bytes)
        var decoder = FrameDecoder(limits: .session)
        var found: [Frame] = []
        for start in stride(from: 0, to: stream.count, by: piece) {
            decoder.feed(stream[start..<min(start + piece, stream.count)])
            while let frame = try decoder.next() { found.append(frame) }
        }
        #expect(found == frames)
        #expect(!decoder.isInsideFrame)
    }

    @Test func aStreamThatEndsInsideAFrameIsKnownAsSuch() throws {
        var decoder = FrameDecoder()
        decoder.feed(Frame(kind: 1, payload: [1, 2, 3]).bytes.dropLast())
        #expect(try decoder.next() == nil)
        #expect(decoder.isInsideFrame)
    }

    @Test(
        arguments: [
            ("four GiB", [0xff, 0xff, 0xff, 0xff, 1, 0]),
            ("one byte over the limit", [0, 1, 0, 1]),
            ("HTTP", Array("GET / HTTP/1.1\r\n".utf8)),
            ("TLS", [0x16, 0x03, 0x01, 0x02, 0x00]),
            ("no kind", [0, 0, 0, 0]),
            ("no flags", [0, 0, 0, 1, 5]),
            ("unknown flag", [0, 0, 0, 9, 1, 2]),
            ("unknown flag beside a known one", [0, 0, 0, 9, 1, 0x81]),
        ] as [(String, [UInt8])])
    func hostileBytesAreAViolationAtOnceAndForEver(name: String, bytes: [UInt8]) {
        var decoder = FrameDecoder(limits: .handshake)
        decoder.feed(bytes)
        for _ in 1...2 {
            #expect { try decoder.next() } throws: { ($0 as? BackupError)?.code == .protocolViolation }
            decoder.feed(Frame(kind: 1, payload: []).bytes)
        }
    }

    @Test func theLimitItselfIsAllowed() throws {
        let payload = [UInt8](repeating: 1, count: FrameLimits.handshake.frameSize - 2)
        var decoder = FrameDecoder(limits: .handshake)
        decoder.feed(Frame(kind: 1, payload: payload).bytes)
        #expect(try decoder.next()?.payload.count == payload.count)
    }

    @Test func afterTheHandshakeLargerFramesPass() throws {
        var decoder = FrameDecoder(limits: .handshake)
        decoder.limits = .session
        decoder.feed(Frame(kind: 1, payload: [UInt8](repeating: 1, count: 1 << 20)).bytes)
        #expect(try decoder.next()?.payload.count == 1 << 20)
    }

    /// Random bytes, and good frames with random damage: an error or a frame, never a crash.
    @Test func randomInputNeverCrashes() throws {
        var random = SeededGenerator(seed: 42)
        let good: [[UInt8]] = try AgentMessage.samples.map { try $0.frame().bytes }
        for round in 0..<5000 {
            var bytes: [UInt8]
            if round % 2 == 0 {
                bytes = (0..<Int.random(in: 0...64, using: &random)).map { _ in .random(in: 0...255, using: &random) }
            } else {
                bytes = good[round % good.count]
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
                }
            }
            var decoder = FrameDecoder(limits: .handshake)
            decoder.feed(bytes)
            let failure = decodeAll(&decoder)
            #expect(failure == nil || failure?.code == .protocolViolation)
        }
    }

    private func decodeAll(_ decoder: inout FrameDecoder) -> BackupError? {
        do throws(BackupError) {
            while let frame = try decoder.next() {
                let message = try AgentMessage(frame, limits: .handshake)
                if let message { #expect(frame.kind == message.kind.rawValue) }
            }
            return nil
        } catch {
            return error
        }
    }
}
