import Support
import Synchronization

/// Chooses the loop for each transfer and counts what runs on it.
///
/// The two transfers of one pipe go to the same loop, where handing bytes on needs no other thread. HTTP/2 requests of one
/// origin share a loop and so one connection. All others go where the least is running.
final class LoopBalancer: Sendable {
    private let state: Mutex<LoopLoads>

    init(loops: Int) { state = Mutex(LoopLoads(count: loops)) }

    func place(pipe: BytePipe?, sharedOrigin: Origin?) -> Placement {
        state.withLock { $0.place(pipe: pipe.map { ObjectIdentifier($0) }, sharedOrigin: sharedOrigin) }
    }

    /// The transfer has ended; its pipe must have been alive until now.
    func release(_ placement: Placement) { state.withLock { $0.release(placement) } }
}

/// Where a transfer runs.
struct Placement: Sendable, Equatable {
    var loop: Int
    var pipe: ObjectIdentifier?
}

/// The numbers behind ``LoopBalancer``.
struct LoopLoads {
    private var loads: [Int]
    private var pipes: [ObjectIdentifier: (loop: Int, ends: Int)] = [:]

    init(count: Int) { loads = [Int](repeating: 0, count: count) }

    mutating func place(pipe: ObjectIdentifier?, sharedOrigin: Origin?) -> Placement {
        let loop: Int
        if let pipe, let known = pipes[pipe] {
            loop = known.loop
        } else if let sharedOrigin {
            loop = Int(UInt(bitPattern: sharedOrigin.hashValue) % UInt(loads.count))
        } else {
            loop = loads.indices.min { loads[$0] < loads[$1] } ?? 0
        }
        loads[loop] += 1
        if let pipe { pipes[pipe, default: (loop, 0)].ends += 1 }
        return Placement(loop: loop, pipe: pipe)
    }

    mutating func release(_ placement: Placement) {
        loads[placement.loop] -= 1
        guard let pipe = placement.pipe, let known = pipes[pipe] else { return }
        pipes[pipe] = known.ends > 1 ? (known.loop, known.ends - 1) : nil
    }
}
