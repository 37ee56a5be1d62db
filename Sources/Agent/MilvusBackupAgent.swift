import CommandLineInterface
import Glibc
import Support

/// `milvus-backup-agent`: copies what a coordinator hands out.
@main
enum MilvusBackupAgent {
    static func main() async {
        limitHeapArenas()
        raiseOpenFileLimit()
        ignoreBrokenPipes()
        let stop = StopSignal()
        watchSignals([SIGINT, SIGTERM]) { number in
            // The first one gives the shards back; who asks again does not want to wait for that.
            if !stop.request() { _exit(128 + number) }
        }
        let code = await Program(arguments: Array(CommandLine.arguments.dropFirst()), stop: stop).run()
        fflush(nil)
        exit(code.rawValue)
    }
}
