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
        let reloading = LimitReloading()
        watchSignals([SIGINT, SIGTERM, SIGUSR1]) { number in
            if number == SIGUSR1 { return reloading.reload() }
            // The first one ends the job in good order; who asks again does not want to wait for that.
            let again = interrupted.withLock { seen in
                defer { seen = true }
                return seen
            }
            if again { _exit(128 + number) }
            running.withLock { $0?.cancel() }
        }
        let program = Program(arguments: Array(CommandLine.arguments.dropFirst()), reloading: reloading)
        let work = Task { await program.run() }
        running.withLock { $0 = work }
        if interrupted.withLock({ $0 }) { work.cancel() }
        let code = await work.value
        fflush(nil)
        exit(code.rawValue)
    }
}
