import CWire
import Glibc
import Support
import Synchronization

/// Memory that bytes stay in until they have been sent on. Lent by a ``BufferPool``.
final class LentBuffer {
    static let capacity = 256 * 1024

    private let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: LentBuffer.capacity, alignment: 4096)
    private var start = 0
    private var end = 0

    deinit { memory.deallocate() }

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[start..<end]) }
    var isEmpty: Bool { start == end }
    var count: Int { end - start }
    /// Where more bytes may be put.
    var room: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(rebasing: memory[end...]) }

    func filled(_ count: Int) { end += count }

    func consumed(_ count: Int) {
        start += count
        if start == end { clear() }
    }

    /// Keeps the first `count` bytes.
    func truncate(to count: Int) { end = min(end, start + count) }

    func clear() { (start, end) = (0, 0) }
}

/// Buffers of one loop. The one given back last is lent first: it is still in the processor's cache.
struct BufferPool {
    private static let kept = 16
    private var idle: [LentBuffer] = []

    mutating func take() -> LentBuffer { idle.popLast() ?? LentBuffer() }

    mutating func give(_ buffer: LentBuffer) {
        buffer.clear()
        if idle.count < BufferPool.kept { idle.append(buffer) }
    }
}

/// A pipe of the kernel, through which bytes go from one socket to another without being copied.
final class LentPipe {
    /// Bytes of a pipe: the most an unprivileged process may have in one. Larger steps cost less.
    static let size = 1 << 20
    /// Bytes of a pipe when there are many: all pipes of a user together may have 64 MiB.
    private static let smallSize = 256 * 1024
    private static let largePipes = 24
    private static let count = Atomic<Int>(0)

    private let input: Int32
    private let output: Int32
    /// Bytes that are in it.
    private(set) var count = 0
    /// Bytes at its front that ``look(through:_:)`` has shown.
    private(set) var seen = 0
    /// What bytes are shown through.
    private var mirror: LentPipe?
    private let capacity: Int

    /// nil when the process has no descriptors left.
    init?() {
        var ends: [Int32] = [-1, -1]
        guard cwire_pipe(&ends) == 0 else { return nil }
        (output, input) = (ends[0], ends[1])
        let isOneOfFew = LentPipe.count.add(1, ordering: .relaxed).newValue <= LentPipe.largePipes
        let size = cwire_set_pipe_size(input, Int32(isOneOfFew ? LentPipe.size : LentPipe.smallSize))
        capacity = size > 0 ? Int(size) : 64 * 1024
    }

    deinit {
        LentPipe.count.subtract(1, ordering: .relaxed)
        close(input)
        close(output)
    }

    /// Takes up to `most` bytes out of a socket.
    func fill(from socket: Int32, most: Int64) -> Transferred {
        let result = Transferred(cwire_splice(socket, input, Int(min(most, Int64(capacity))), 0))
        if case .bytes(let moved) = result { count += moved }
        return result
    }

    /// Gives up to `most` bytes of what it holds to a socket.
    ///
    /// - Parameter more: whether bytes will follow.
    func drain(into socket: Int32, most: Int, more: Bool) -> Transferred {
        let result = Transferred(cwire_splice(output, socket, most, more ? 1 : 0))
        if case .bytes(let moved) = result {
            count -= moved
            seen = max(0, seen - moved)
        }
        return result
    }

    /// Whether ``look(through:_:)`` can be called: false when the process has no descriptors left.
    func prepareToLook() -> Bool {
        if mirror == nil { mirror = LentPipe() }
        return mirror != nil
    }

    /// Shows `body` the bytes at the front, piece by piece, and keeps them: one copy, where taking them out of the socket and
    /// sending them on would be two. Call it when nothing that was shown is left.
    ///
    /// - Returns: `.bytes` with how many were shown: perhaps not all.
    func look(
        through memory: UnsafeMutableRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> Void
    ) -> Transferred {
        guard let mirror else { return .failed(SystemError(EBADF)) }
        let mirrored = Transferred(cwire_tee(output, mirror.input, count))
        guard case .bytes(var left) = mirrored else { return mirrored.asFailure }
        let shown = left
        while left > 0 {
            let read = Transferred(read(mirror.output, memory.baseAddress, min(left, memory.count)))
            guard case .bytes(let some) = read else {
                // It would show them to the next one.
                self.mirror = nil
                return read.asFailure
            }
            body(UnsafeRawBufferPointer(rebasing: memory[..<some]))
            left -= some
        }
        seen = shown
        return .bytes(shown)
    }
}

/// Pipes of one loop.
struct PipePool {
    private static let kept = 8
    private var idle: [LentPipe] = []

    mutating func take() -> LentPipe? { idle.popLast() ?? LentPipe() }

    /// A pipe that still holds bytes of somebody is closed.
    mutating func give(_ pipe: LentPipe) {
        if pipe.count == 0 && idle.count < PipePool.kept { idle.append(pipe) }
    }
}

/// What became of an attempt to move bytes without waiting.
enum Transferred: Equatable {
    /// At least one.
    case bytes(Int)
    /// None now.
    case blocked
    /// None ever again: the peer has ended.
    case ended
    case failed(SystemError)

    /// Of bytes that are certainly there.
    fileprivate var asFailure: Transferred { if case .failed = self { self } else { .failed(SystemError(EIO)) } }

    /// Of the result of a system call that has just been made.
    init(_ result: Int) {
        switch result {
        case 1...: self = .bytes(result)
        case 0: self = .ended
        default:
            let error = SystemError()
            self = [EAGAIN, EWOULDBLOCK, EINTR].contains(error.number) ? .blocked : .failed(error)
        }
    }
}
