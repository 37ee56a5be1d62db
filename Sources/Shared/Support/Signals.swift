import Glibc

/// Calls back on a thread of its own for every signal of a set that reaches the process.
///
/// The signals are blocked in the calling thread and in all threads started later, so call this first thing in the program.
package func watchSignals(_ numbers: [Int32], _ handler: @escaping @Sendable (Int32) -> Void) {
    var set = sigset_t()
    sigemptyset(&set)
    for number in numbers { sigaddset(&set, number) }
    pthread_sigmask(SIG_BLOCK, &set, nil)
    let watched = set
    startThread {
        var set = watched
        while true {
            var number: Int32 = 0
            if sigwait(&set, &number) == 0 { handler(number) }
        }
    }
}

/// A write to a connection that the peer has closed must be an error, not the end of the process.
package func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }
