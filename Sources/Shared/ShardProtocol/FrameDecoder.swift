import Support

/// Finds the frames in a stream of bytes that comes in pieces of any size.
///
/// It holds no more than one frame and what was fed last; a frame's memory grows with the bytes that really came, not with
/// what its length field claims. After a violation it stays failed.
package struct FrameDecoder: Sendable {
    package var limits: FrameLimits
    private var buffer: [UInt8] = []
    /// Where the next frame begins in ``buffer``.
    private var start = 0
    private var failure: BackupError?

    package init(limits: FrameLimits = .handshake) { self.limits = limits }

    /// Whether a frame has begun that is not complete: the stream must not end here.
    package var isInsideFrame: Bool { start < buffer.count }

    /// Adds the next bytes of the stream. Call ``next()`` until it gives nil before feeding again.
    package mutating func feed(_ bytes: some Collection<UInt8>) {
        guard failure == nil else { return }
        if start > 0 {
            buffer.removeFirst(start)
            start = 0
        }
        buffer += bytes
    }

    /// The next whole frame; nil when more bytes are needed.
    ///
    /// - Throws: ``BackupError/Code/protocolViolation`` when the stream is not one of frames within the limits.
    package mutating func next() throws(BackupError) -> Frame? {
        if let failure { throw failure }
        do {
            return try decode()
        } catch {
            failure = error
            buffer = []
            start = 0
            throw error
        }
    }

    private mutating func decode() throws(BackupError) -> Frame? {
        guard buffer.count - start >= Frame.lengthSize else { return nil }
        let length = buffer[start..<start + Frame.lengthSize].reduce(0) { $0 << 8 | Int($1) }
        guard length <= limits.frameSize else {
            // The first bytes of a TLS handshake or alert, which no frame can begin with.
            guard ![0x1603, 0x1503].contains(length >> 16) else {
                throw BackupError(
                    .protocolViolation, "it speaks TLS, and TLS is not on here",
                    hint: "coordinator.tls and agent.tls must both be set, or neither")
            }
            throw BackupError(
                .protocolViolation, "a frame of \(length) bytes was announced, at most \(limits.frameSize) are allowed",
                hint: "is this the port of another program?")
        }
        guard length >= Frame.headerSize else {
            throw BackupError(.protocolViolation, "a frame of \(length) bytes was announced, which holds no message")
        }
        let body = start + Frame.lengthSize
        // The flags are judged as soon as they are there: no need to wait for a payload that could not be read.
        guard buffer.count >= body + Frame.headerSize else { return nil }
        let flags = Frame.Flags(rawValue: buffer[body + 1])
        guard flags.isSubset(of: .known) else {
            throw BackupError(.protocolViolation, "a frame has flags that are not known: \(flags.rawValue)")
        }
        guard buffer.count >= body + length else { return nil }
        let payload = Array(buffer[body + Frame.headerSize..<body + length])
        let frame = Frame(kind: buffer[body], flags: flags, payload: payload)
        start = body + length
        if start == buffer.count {
            buffer.removeAll(keepingCapacity: buffer.capacity <= FrameLimits.handshake.frameSize)
            start = 0
        }
        return frame
    }
}
