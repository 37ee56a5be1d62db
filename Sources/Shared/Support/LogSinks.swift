import Glibc
import Synchronization

/// Log lines on standard error.
package struct StandardErrorSink: LogSink {
    /// Called before a line is written, for a progress display that has to step aside.
    private let willWrite: @Sendable () -> Void

    package init(willWrite: @escaping @Sendable () -> Void = {}) { self.willWrite = willWrite }

    package func write(_ line: String, level: LogLevel) {
        willWrite()
        writeAll("\(line)\n", to: STDERR_FILENO)
    }
}

/// Log lines in a file that is rotated by size: `backup.log` becomes `backup.log.1`, that becomes `backup.log.2`, …
package final class FileSink: LogSink {
    private struct State {
        var descriptor: Int32
        var size: Int
    }

    private let path: String
    private let maximumSize: Int
    private let maximumBackups: Int
    private let maximumDays: Int
    private let state: Mutex<State>

    /// - Parameters:
    ///   - maximumSize: bytes after which the file is rotated; 0 for never.
    ///   - maximumBackups: rotated files kept; 0 keeps all.
    ///   - maximumDays: days that a rotated file is kept; 0 keeps it for ever.
    /// - Throws: ``BackupError/Code/configuration`` when the file cannot be opened.
    package init(path: String, maximumSize: Int, maximumBackups: Int, maximumDays: Int = 0) throws(BackupError) {
        self.path = path
        self.maximumSize = maximumSize
        self.maximumBackups = maximumBackups
        self.maximumDays = maximumDays
        createParentDirectories(of: path)
        let descriptor = FileSink.open(path)
        guard descriptor >= 0 else {
            throw BackupError(
                .configuration, "cannot open the log file \(path): \(SystemError().text)",
                hint: "change log.file.path, or set it to \"\" for no log file")
        }
        self.state = Mutex(State(descriptor: descriptor, size: Int(lseek(descriptor, 0, SEEK_END))))
        removeOldFiles()
    }

    deinit { _ = state.withLock { close($0.descriptor) } }

    package func write(_ line: String, level: LogLevel) {
        state.withLock { state in
            if maximumSize > 0, state.size > 0, state.size + line.utf8.count >= maximumSize { rotate(&state) }
            writeAll("\(line)\n", to: state.descriptor)
            state.size += line.utf8.count + 1
        }
    }

    private func rotate(_ state: inout State) {
        var index = 1
        while access("\(path).\(index)", F_OK) == 0, index != maximumBackups { index += 1 }
        unlink("\(path).\(index)")
        while index > 1 {
            rename("\(path).\(index - 1)", "\(path).\(index)")
            index -= 1
        }
        rename(path, "\(path).1")
        let descriptor = FileSink.open(path)
        // A file that cannot be opened anew must not lose the log: go on in the old one.
        guard descriptor >= 0 else { return }
        close(state.descriptor)
        state = State(descriptor: descriptor, size: 0)
        removeOldFiles()
    }

    /// Removes rotated files that have not been written to for too long. The highest numbers are the oldest.
    private func removeOldFiles() {
        guard maximumDays > 0 else { return }
        let oldest = time(nil) - maximumDays * 86_400
        var index = 1
        var status = stat()
        while stat("\(path).\(index)", &status) == 0 {
            if status.st_mtim.tv_sec < oldest { unlink("\(path).\(index)") }
            index += 1
        }
    }

    private static func open(_ path: String) -> Int32 {
        Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640)
    }
}

/// Log lines kept in memory, for tests.
package final class MemorySink: LogSink {
    private let stored = Mutex<[String]>([])

    package init() {}
    package var lines: [String] { stored.withLock { $0 } }
    package func write(_ line: String, level: LogLevel) { stored.withLock { $0.append(line) } }
}

private func createParentDirectories(of path: String) {
    var index = path.startIndex
    while let slash = path[index...].firstIndex(of: "/") {
        if slash != path.startIndex { mkdir(String(path[..<slash]), 0o755) }
        index = path.index(after: slash)
    }
}
