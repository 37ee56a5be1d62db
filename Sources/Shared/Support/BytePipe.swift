import Synchronization

/// A bounded, one-to-one pipe of bytes between two event loops, tasks or threads.
///
/// It holds at most ``capacity`` bytes, so a fast producer waits for a slow consumer and memory stays bounded. Both ends can
/// be used without blocking (`tryWrite`, `tryRead` and the callbacks) or with `async` calls.
///
/// Contract: one producer, one consumer. The producer ends with ``finish()`` or ``fail(_:)``; the consumer may leave early
/// with ``cancel()``, after which writes throw. A callback is called once, outside the lock, on the other end's thread: it
/// must only hand work on to its own loop.
package final class BytePipe: Sendable {
    /// What a non-blocking read found.
    package enum ReadResult {
        /// So many bytes were put into the buffer; never zero.
        case bytes(Int)
        /// Nothing there yet.
        case wouldBlock
        /// The producer has finished and everything was read.
        case end
    }

    private struct State {
        var buffer = RingBuffer()
        var finished = false
        var failure: BackupError?
        var canceled = false
        var onReadable: (@Sendable () -> Void)?
        var onWritable: (@Sendable () -> Void)?
        var ending: Ending?
        var received: Int64 = 0
        var transferred: Int64 = 0
        /// Bytes that may be read before the throttle is asked again.
        var allowance: Int64 = 0
        /// The throttle was asked, and has not answered yet.
        var isHeld = false
        var ticket: TokenBucket.Ticket?
        /// Whether a read would find something.
        var isReadable: Bool { failure != nil || (buffer.count > 0 ? !isHeld : finished) }
    }

    /// How the producer ended the stream.
    package enum Ending: Sendable {
        case finished
        case failed(BackupError)
    }

    package let capacity: Int
    private let throttle: Throttle?
    private let observer: (@Sendable (UnsafeRawBufferPointer) -> Void)?
    private let state = Mutex(State())

    /// - Parameters:
    ///   - capacity: bytes held at most.
    ///   - throttle: what the consumer's reads are bound by.
    ///   - observer: sees all bytes in their order as they are written. Called within the lock: it must not use the pipe.
    package init(
        capacity: Int = 256 * 1024, throttle: Throttle? = nil,
        observer: (@Sendable (UnsafeRawBufferPointer) -> Void)? = nil
    ) {
        precondition(capacity > 0)
        self.capacity = capacity
        self.throttle = throttle
        self.observer = observer
    }

    /// Whether the consumer waits for the throttle.
    package var isHeld: Bool { state.withLock { $0.isHeld } }

    /// Bytes that have been read so far.
    package var bytesRead: Int64 { state.withLock { $0.transferred } }

    /// Bytes that have been written so far.
    package var bytesWritten: Int64 { state.withLock { $0.received } }

    /// How the producer has ended the stream; nil while it has not, and when the consumer had left before.
    package var ending: Ending? { state.withLock { $0.ending } }

    // MARK: Producer

    /// Takes all of `bytes` or none of them: true when they were taken.
    ///
    /// - Throws: ``BackupError/Code/canceled`` when the consumer has left.
    package func tryWrite(_ bytes: UnsafeRawBufferPointer) throws(BackupError) -> Bool {
        try take(bytes, wholly: true) == bytes.count
    }

    /// Takes as many of `bytes` as fit and says how many.
    package func tryWriteSome(_ bytes: UnsafeRawBufferPointer) throws(BackupError) -> Int {
        try take(bytes, wholly: false)
    }

    /// Calls `callback` once when there is room again, or the consumer has left; at once when that is so already.
    ///
    /// - Parameter space: how many bytes must fit.
    package func whenWritable(space: Int = 1, _ callback: @escaping @Sendable () -> Void) {
        let now = state.withLock { state in
            if capacity - state.buffer.count >= min(space, capacity) || state.canceled { return true }
            state.onWritable = callback
            return false
        }
        if now { callback() }
    }

    /// Ends the stream: the consumer reads what is left and then the end.
    package func finish() { end(failure: nil) }

    /// Ends the stream with an error, which the consumer's next read throws. What was not read yet is dropped.
    package func fail(_ error: BackupError) { end(failure: error) }

    private func end(failure: BackupError?) {
        let callback = state.withLock { state -> (@Sendable () -> Void)? in
            guard !state.finished else { return nil }
            state.finished = true
            state.failure = failure
            if !state.canceled { state.ending = failure.map { .failed($0) } ?? .finished }
            defer { state.onReadable = nil }
            return state.onReadable
        }
        callback?()
    }

    private func take(_ bytes: UnsafeRawBufferPointer, wholly: Bool) throws(BackupError) -> Int {
        let (taken, callback, left) = state.withLock { state -> (Int, (@Sendable () -> Void)?, Bool) in
            if state.canceled { return (0, nil, true) }
            let room = capacity - state.buffer.count
            // A piece larger than the whole pipe is let in when the pipe is empty: else it could never pass.
            let oversized = wholly && bytes.count > capacity && state.buffer.count == 0
            let count =
                oversized ? bytes.count : (wholly ? (bytes.count <= room ? bytes.count : 0) : min(room, bytes.count))
            guard count > 0 else { return (0, nil, false) }
            let piece = UnsafeRawBufferPointer(rebasing: bytes[..<count])
            observer?(piece)
            state.buffer.append(piece, capacity: max(capacity, count))
            state.received += Int64(count)
            defer { state.onReadable = nil }
            return (count, state.onReadable, false)
        }
        if left { throw BackupError(.canceled, "the reader of this stream has gone") }
        callback?()
        return taken
    }

    // MARK: Consumer

    /// Moves what is there into `buffer`.
    ///
    /// - Throws: the error the producer failed with.
    package func tryRead(into buffer: UnsafeMutableRawBufferPointer) throws(BackupError) -> ReadResult {
        let (result, failure, callback) = state.withLock {
            state -> (ReadResult, BackupError?, (@Sendable () -> Void)?) in
            if let failure = state.failure { return (.end, failure, nil) }
            let wanted = min(buffer.count, state.buffer.count)
            guard wanted > 0 else {
                return (state.finished && state.buffer.count == 0 ? .end : .wouldBlock, nil, nil)
            }
            let count = allowed(wanted, &state)
            guard count > 0 else { return (.wouldBlock, nil, nil) }
            state.buffer.remove(into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
            state.transferred += Int64(count)
            // Wake the producer at half empty, not for every byte.
            guard state.buffer.count <= capacity / 2 else { return (.bytes(count), nil, nil) }
            defer { state.onWritable = nil }
            return (.bytes(count), nil, state.onWritable)
        }
        callback?()
        if let failure { throw failure }
        return result
    }

    /// Calls `callback` once when there is something to read, the end included; at once when that is so already.
    package func whenReadable(_ callback: @escaping @Sendable () -> Void) {
        let now = state.withLock { state in
            if state.isReadable { return true }
            state.onReadable = callback
            return false
        }
        if now { callback() }
    }

    /// The consumer leaves: the producer's next write throws.
    package func cancel() {
        let (callback, ticket) = state.withLock { state -> ((@Sendable () -> Void)?, TokenBucket.Ticket?) in
            state.canceled = true
            state.buffer.removeAll()
            defer {
                state.onWritable = nil
                state.ticket = nil
            }
            return (state.onWritable, state.ticket)
        }
        if let ticket { throttle?.withdraw(ticket) }
        callback?()
    }

    // MARK: Throttle

    /// How many of `wanted` bytes may be read now; when it is none, the consumer is called when there are some.
    private func allowed(_ wanted: Int, _ state: inout State) -> Int {
        guard let throttle, throttle.isLimited || state.isHeld else { return wanted }
        guard !state.isHeld else { return 0 }
        if state.allowance == 0 {
            let amount = min(Int64(wanted), throttle.slice)
            // The throttle calls back outside of its own lock only, and never from within this call.
            state.ticket = throttle.request(amount) { [weak self] in self?.grant(amount) }
            state.isHeld = state.ticket != nil
            guard !state.isHeld else { return 0 }
            state.allowance = amount
        }
        let count = Int(min(Int64(wanted), state.allowance))
        state.allowance -= Int64(count)
        return count
    }

    private func grant(_ amount: Int64) {
        let callback = state.withLock { state -> (@Sendable () -> Void)? in
            state.allowance += amount
            state.isHeld = false
            state.ticket = nil
            defer { state.onReadable = nil }
            return state.onReadable
        }
        callback?()
    }
}

extension BytePipe {
    /// Writes all of `bytes`, waiting for room.
    package func write(_ bytes: [UInt8]) async throws {
        var written = 0
        while written < bytes.count {
            let rest = written
            let taken = try bytes.withUnsafeBytes { all throws(BackupError) in
                try tryWriteSome(UnsafeRawBufferPointer(rebasing: all[rest...]))
            }
            written += taken
            if taken == 0 {
                try await wait { whenWritable($0) }
            }
        }
    }

    /// The next bytes, at most `limit` of them; nil at the end.
    package func read(upTo limit: Int = 64 * 1024) async throws -> [UInt8]? {
        while true {
            var isAtEnd = false
            let bytes = try [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
                switch try tryRead(into: UnsafeMutableRawBufferPointer(buffer)) {
                case .bytes(let read): count = read
                case .wouldBlock: count = 0
                case .end:
                    count = 0
                    isAtEnd = true
                }
            }
            if isAtEnd { return nil }
            if !bytes.isEmpty { return bytes }
            try await wait { whenReadable($0) }
        }
    }

    /// All that comes, collected. For small objects only.
    ///
    /// - Throws: ``BackupError/Code/corrupted`` when more than `limit` bytes come.
    package func collect(limit: Int) async throws -> [UInt8] {
        var all: [UInt8] = []
        while let bytes = try await read() {
            guard all.count + bytes.count <= limit else {
                cancel()
                throw BackupError(.corrupted, "more than \(limit) bytes came where fewer were expected")
            }
            all += bytes
        }
        return all
    }

    /// Cancellation of the task fails the pipe on this end, which also frees the other one.
    private func wait(_ register: (@escaping @Sendable () -> Void) -> Void) async throws {
        try await withTaskCancellationHandler {
            try Task.checkCancellation()
            await withCheckedContinuation { continuation in register { continuation.resume() } }
            try Task.checkCancellation()
        } onCancel: {
            cancel()
            fail(BackupError(.canceled, "canceled"))
        }
    }
}
