import Dispatch

/// Ends of a pipe for threads of their own. Never call these on Swift's cooperative pool or on an event loop.
extension BytePipe {
    /// Writes all of `bytes`, blocking this thread while the pipe is full.
    ///
    /// - Throws: ``BackupError/Code/canceled`` when the reader has left.
    package func writeBlocking(_ bytes: UnsafeRawBufferPointer) throws(BackupError) {
        var rest = bytes
        while !rest.isEmpty {
            let taken = try tryWriteSome(rest)
            rest = UnsafeRawBufferPointer(rebasing: rest[taken...])
            if taken == 0 { BytePipe.block { whenWritable($0) } }
        }
    }

    /// Reads at least one byte into `buffer`, blocking this thread while there is none; 0 at the end.
    ///
    /// - Throws: the error the writer failed with.
    package func readBlocking(into buffer: UnsafeMutableRawBufferPointer) throws(BackupError) -> Int {
        while true {
            switch try tryRead(into: buffer) {
            case .bytes(let count): return count
            case .end: return 0
            case .wouldBlock: BytePipe.block { whenReadable($0) }
            }
        }
    }

    private static func block(_ register: (@escaping @Sendable () -> Void) -> Void) {
        let semaphore = DispatchSemaphore(value: 0)
        register { semaphore.signal() }
        semaphore.wait()
    }
}
