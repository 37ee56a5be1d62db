import Synchronization

/// Which loop takes the next call.
///
/// Calls stay together on the first loops: there they share wake-ups and warm connections, and one thread can do more of them
/// than most servers. Others get some when the first ones have many, or have little time left.
final class LoopChoice: Sendable {
    /// Bytes under way from which on a loop gets no more while another one has less.
    private static let fullLoop: Int64 = 8 << 20
    /// Calls that a loop may have beyond that, as long as it has time: how much time those take shows only later.
    private static let manyCalls = 32
    /// What a call costs besides its bytes, expressed in bytes.
    private static let callCost: Int64 = 64 << 10

    private struct Load {
        var bytes: Int64 = 0
        var calls = 0
    }

    private let loads: Mutex<[Load]>

    init(loops: Int) { loads = Mutex(Array(repeating: Load(), count: loops)) }

    /// - Parameter isBusy: whether a loop's thread has little time left.
    /// - Returns: the loop and the load to give back to ``leave(_:load:)``.
    func enter(bytes: Int64, isBusy: (Int) -> Bool) -> (loop: Int, load: Int64) {
        let load = bytes + LoopChoice.callCost
        let loop = loads.withLock { loads in
            let open = loads.indices.first { index in
                loads[index].bytes < LoopChoice.fullLoop
                    || (loads[index].calls < LoopChoice.manyCalls && !isBusy(index))
            }
            let loop = open ?? loads.indices.min { loads[$0].bytes < loads[$1].bytes } ?? 0
            loads[loop].bytes += load
            loads[loop].calls += 1
            return loop
        }
        return (loop, load)
    }

    func leave(_ loop: Int, load: Int64) {
        loads.withLock { loads in
            loads[loop].bytes -= load
            loads[loop].calls -= 1
        }
    }
}
