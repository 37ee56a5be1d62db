/// A first-in first-out queue of bytes in one allocation.
struct RingBuffer {
    /// Empty until the first bytes come, so that an idle buffer costs nothing.
    private var storage: [UInt8] = []
    private var start = 0
    private(set) var count = 0

    /// Adds all of `bytes`, growing step by step up to `capacity`, or to what is needed: for small objects, touching all of a
    /// large buffer would cost more than the transfer.
    mutating func append(_ bytes: UnsafeRawBufferPointer, capacity: Int) {
        let needed = count + bytes.count
        if storage.count < needed { grow(to: max(needed, min(capacity, max(storage.count * 2, 32 * 1024)))) }
        let size = storage.count
        let end = (start + count) % size
        storage.withUnsafeMutableBytes { ring in
            guard let to = ring.baseAddress, let from = bytes.baseAddress else { return }
            let first = min(bytes.count, size - end)
            to.advanced(by: end).copyMemory(from: from, byteCount: first)
            if first < bytes.count { to.copyMemory(from: from.advanced(by: first), byteCount: bytes.count - first) }
        }
        count += bytes.count
    }

    /// Moves the oldest bytes into `buffer`, which must not be larger than ``count``.
    mutating func remove(into buffer: UnsafeMutableRawBufferPointer) {
        precondition(buffer.count <= count)
        guard buffer.count > 0 else { return }
        let size = storage.count
        storage.withUnsafeBytes { ring in
            guard let from = ring.baseAddress, let to = buffer.baseAddress else { return }
            let first = min(buffer.count, size - start)
            to.copyMemory(from: from.advanced(by: start), byteCount: first)
            if first < buffer.count { to.advanced(by: first).copyMemory(from: from, byteCount: buffer.count - first) }
        }
        start = (start + buffer.count) % size
        count -= buffer.count
    }

    /// Drops everything and frees the memory.
    mutating func removeAll() { self = RingBuffer() }

    private mutating func grow(to capacity: Int) {
        var larger = [UInt8](repeating: 0, count: capacity)
        let held = count
        larger.withUnsafeMutableBytes { remove(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<held])) }
        storage = larger
        start = 0
        count = held
    }
}
