/// How many transfers run at once to each origin, and who waits for a place. First come, first served.
struct Admission {
    private struct Queue {
        var running = 0
        var waiting: [TransferID] = []
        /// Where the queue begins in `waiting`: taking from the front must not move all the others.
        var front = 0
    }

    private let limit: Int
    private var queues: [Origin: Queue] = [:]

    init(limit: Int) { self.limit = max(1, limit) }

    /// Whether `id` may start now; otherwise it waits until ``leave(_:)`` names it.
    mutating func enter(_ id: TransferID, _ origin: Origin) -> Bool {
        if queues[origin, default: Queue()].running < limit {
            queues[origin, default: Queue()].running += 1
            return true
        }
        queues[origin, default: Queue()].waiting.append(id)
        return false
    }

    /// A running transfer has ended. Returns the one that takes its place.
    mutating func leave(_ origin: Origin) -> TransferID? {
        guard var queue = queues.removeValue(forKey: origin) else { return nil }
        var next: TransferID?
        if queue.front < queue.waiting.count {
            next = queue.waiting[queue.front]
            queue.front += 1
            if queue.front > 64 && queue.front * 2 > queue.waiting.count {
                queue.waiting.removeFirst(queue.front)
                queue.front = 0
            }
        } else {
            queue.running -= 1
        }
        if queue.running > 0 { queues[origin] = queue }
        return next
    }

    /// A waiting transfer has given up.
    mutating func withdraw(_ id: TransferID, _ origin: Origin) {
        guard let queue = queues[origin], let index = queue.waiting[queue.front...].firstIndex(of: id) else { return }
        queues[origin]?.waiting.remove(at: index)
    }
}
