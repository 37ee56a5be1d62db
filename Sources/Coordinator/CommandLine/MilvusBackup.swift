import CommandLineInterface
import Glibc
import Support
import Synchronization

/// `milvus-backup`: the coordinator's command line.
@main
enum MilvusBackup {
    static func main() async {
        limitHeapArenas()
        raiseOpenFileLimit()
        ignoreBrokenPipes()
        let interrupted = Mutex(false)
        let running = Mutex<Task<ExitCode, Never>?>(nil)
        watchSignals([SIGINT, SIGTERM]) { number in
            // The first one ends the job in good order; who asks again does not want to wait for that.
            let again = interrupted.withLock { seen in
                defer { seen = true }
                return seen
            }
            if again { _exit(128 + number) }
            running.withLock { $0?.cancel() }
        }
        let work = Task { await Program(arguments: Array(CommandLine.arguments.dropFirst())).run() }
        running.withLock { $0 = work }
        if interrupted.withLock({ $0 }) { work.cancel() }
        let code = await work.value
        fflush(nil)
        exit(code.rawValue)
    }
}
