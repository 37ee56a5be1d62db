import Synchronization

/// Which loop takes the next call.
///
/// Small calls stay together on the first loops: there they share wake-ups and warm connections, and one thread can do more of
/// them than any server. Large bodies are spread over all.
final class LoopChoice: Sendable {
    /// Bytes under way from which on a loop gets no more while another one has less.
    private static let fullLoop: Int64 = 8 << 20
    /// What a call costs besides its bytes, expressed in bytes.
    private static let callCost: Int64 = 64 << 10

    private let loads: Mutex<[Int64]>

    init(loops: Int) { loads = Mutex(Array(repeating: 0, count: loops)) }

    /// - Returns: the loop and the load to give back to ``leave(_:load:)``.
    func enter(bytes: Int64) -> (loop: Int, load: Int64) {
        let load = bytes + LoopChoice.callCost
        let loop = loads.withLock { loads in
            let open = loads.firstIndex { $0 < LoopChoice.fullLoop }
            let loop = open ?? loads.indices.min { loads[$0] < loads[$1] } ?? 0
            loads[loop] += load
            return loop
        }
        return (loop, load)
    }

    func leave(_ loop: Int, load: Int64) { loads.withLock { $0[loop] -= load } }
}
