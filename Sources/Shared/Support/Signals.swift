import Glibc
import Synchronization

/// Where the handler of ``watchSignals(_:_:)`` writes the number of a signal; -1 before the first call.
private let signalPipe = Atomic<Int32>(-1)

/// Calls back on a thread of its own for every signal of a set that reaches the process. To be called once.
///
/// The signals are caught and not blocked: the runtime has a thread that suspends itself with no signal blocked, and one that
/// reached it there would end the process.
package func watchSignals(_ numbers: [Int32], _ handler: @escaping @Sendable (Int32) -> Void) {
    var ends: [Int32] = [-1, -1]
    guard pipe(&ends) == 0 else { return }
    let (output, input) = (ends[0], ends[1])
    signalPipe.store(input, ordering: .sequentiallyConsistent)
    startThread {
        var number: UInt8 = 0
        while true {
            let count = read(output, &number, 1)
            if count == 1 { handler(Int32(number)) }
            if count == 0 || (count < 0 && errno != EINTR) { return }
        }
    }
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { number in
        // Nothing but this is allowed here.
        let saved = errno
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(signalPipe.load(ordering: .sequentiallyConsistent), &byte, 1)
        errno = saved
    }
    action.sa_flags = SA_RESTART
    for number in numbers { sigaction(number, &action, nil) }
}

/// A write to a connection that the peer has closed must be an error, not the end of the process.
package func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }
