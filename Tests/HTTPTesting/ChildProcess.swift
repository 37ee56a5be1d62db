import Glibc
import Support
import Synchronization

/// A program that a test runs, ended when the last reference goes.
package final class ChildProcess: Sendable {
    private let pid: pid_t
    /// Its standard output; standard error goes nowhere.
    private let output: Int32

    /// - Parameter command: the program, looked up in PATH, and its arguments.
    package init?(_ command: [String]) {
        var ends: [Int32] = [0, 0]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
        var arguments = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child: pid_t = 0
        let status = posix_spawnp(&child, command[0], &actions, nil, &arguments, environ)
        close(ends[1])
        guard status == 0 else {
            close(ends[0])
            return nil
        }
        pid = child
        output = ends[0]
    }

    deinit {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
        close(output)
    }

    /// The first line it prints, without the line feed. Blocks: call it on a thread of its own.
    package func firstLine() -> String {
        var line: [UInt8] = []
        var byte: UInt8 = 0
        while read(output, &byte, 1) == 1, byte != UInt8(ascii: "\n") { line.append(byte) }
        return String(decoding: line, as: UTF8.self)
    }

    /// Runs a program to its end; whether it was there and succeeded.
    package static func run(_ command: [String]) -> Bool {
        guard let process = ChildProcess(command) else { return false }
        var status: Int32 = -1
        var drop = [UInt8](repeating: 0, count: 4096)
        while read(process.output, &drop, drop.count) > 0 {}
        // The exit status stays until it is waited for: deinit's own wait then finds nothing, which does no harm.
        return waitpid(process.pid, &status, 0) == process.pid && status == 0
    }

    package static func isInstalled(_ program: String) -> Bool {
        (environmentPath ?? "").split(separator: ":").contains { access("\($0)/\(program)", X_OK) == 0 }
    }

    private static var environmentPath: String? { getenv("PATH").map { String(cString: $0) } }
}

/// A directory that goes with its last reference.
package final class TemporaryDirectory: Sendable {
    package let path: String

    package init() {
        var template = Array("/tmp/http-tests-XXXXXX".utf8CString)
        path = mkdtemp(&template).map { String(cString: $0) } ?? "/tmp"
    }

    deinit { if path != "/tmp" { _ = ChildProcess.run(["rm", "-rf", path]) } }

    package func write(_ text: String, to name: String) -> String {
        let file = "\(path)/\(name)"
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        writeAll(text, to: descriptor)
        close(descriptor)
        return file
    }
}
