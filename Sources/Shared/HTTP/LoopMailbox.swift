import CCurl
import Glibc
import Support
import Synchronization

/// What other threads ask of an event loop.
enum LoopCommand: Sendable {
    case start(Submission)
    case cancel(TransferID)
    /// A paused direction of a transfer can go on.
    case resume(TransferID, PausedDirections)
    case stop
}

/// The way into an event loop: commands from any thread, and what wakes the loop when it sleeps.
final class LoopMailbox: Sendable {
    private struct State {
        var commands: [LoopCommand] = []
        var isAsleep = false
        var isClosed = false
    }

    /// Readable when there is a command for a sleeping loop.
    let wakeDescriptor: Int32
    private let state = Mutex(State())

    /// - Throws: ``BackupError/Code/internalError`` when the process has no file descriptors left.
    init() throws(BackupError) {
        wakeDescriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard wakeDescriptor >= 0 else {
            throw BackupError(.internalError, "cannot create an eventfd: \(String(cString: strerror(errno)))")
        }
    }

    deinit { close(wakeDescriptor) }

    /// Hands a command to the loop; false when the loop has ended.
    @discardableResult
    func post(_ command: LoopCommand) -> Bool {
        let (accepted, wake) = state.withLock { state in
            guard !state.isClosed else { return (false, false) }
            state.commands.append(command)
            defer { state.isAsleep = false }
            return (true, state.isAsleep)
        }
        if wake {
            var one: UInt64 = 1
            _ = write(wakeDescriptor, &one, MemoryLayout<UInt64>.size)
        }
        return accepted
    }

    // MARK: The loop's side

    /// Takes the waiting commands. `spare` is an empty array whose memory the mailbox goes on with.
    func take(into spare: inout [LoopCommand]) {
        state.withLock { state in
            state.isAsleep = false
            swap(&state.commands, &spare)
        }
    }

    /// Whether the loop may sleep; from then on a command wakes it.
    func prepareToSleep() -> Bool {
        state.withLock { state in
            state.isAsleep = state.commands.isEmpty
            return state.isAsleep
        }
    }

    /// Makes the wake descriptor unreadable again.
    func clearWake() {
        var count: UInt64 = 0
        _ = read(wakeDescriptor, &count, MemoryLayout<UInt64>.size)
    }

    /// Refuses further commands and returns those that are left.
    func close() -> [LoopCommand] {
        state.withLock { state in
            state.isClosed = true
            defer { state.commands = [] }
            return state.commands
        }
    }

    private func close(_ descriptor: Int32) { _ = Glibc.close(descriptor) }
}
