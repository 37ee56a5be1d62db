import CCurl
import Glibc
import Support
import Synchronization

/// The way into an event loop: commands from any thread, what wakes the loop when it sleeps, and what it tells of itself.
///
/// What a loop does in each of its rounds is inlinable, so that it is compiled for the loop's own commands.
package final class LoopMailbox<Command: Sendable>: Sendable {
    @usableFromInline struct State {
        @usableFromInline var commands: [Command] = []
        @usableFromInline var isAsleep = false
        @usableFromInline var isClosed = false
    }

    /// Readable when there is a command for a sleeping loop.
    package let wakeDescriptor: Int32
    @usableFromInline let state = Mutex(State())
    private let busy = Atomic(false)

    /// Whether the loop says that it has needed its thread for most of the time lately.
    package var isBusy: Bool {
        get { busy.load(ordering: .relaxed) }
        set { busy.store(newValue, ordering: .relaxed) }
    }

    /// - Throws: ``BackupError/Code/internalError`` when the process has no file descriptors left.
    package init() throws(BackupError) {
        wakeDescriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard wakeDescriptor >= 0 else {
            throw BackupError(.internalError, "cannot create an eventfd: \(SystemError().text)")
        }
    }

    deinit { _ = Glibc.close(wakeDescriptor) }

    /// Hands a command to the loop; false when the loop has ended.
    @discardableResult
    package func post(_ command: Command) -> Bool {
        let (isAccepted, wakes) = state.withLock { state in
            guard !state.isClosed else { return (false, false) }
            state.commands.append(command)
            defer { state.isAsleep = false }
            return (true, state.isAsleep)
        }
        if wakes { eventfd_write(wakeDescriptor, 1) }
        return isAccepted
    }

    // MARK: The loop's side

    /// Takes the waiting commands. `spare` is an empty array whose memory the mailbox goes on with.
    @inlinable package func take(into spare: inout [Command]) {
        state.withLock { state in
            state.isAsleep = false
            swap(&state.commands, &spare)
        }
    }

    /// Whether the loop may sleep; from then on a command wakes it.
    @inlinable package func prepareToSleep() -> Bool {
        state.withLock { state in
            state.isAsleep = state.commands.isEmpty
            return state.isAsleep
        }
    }

    /// Makes the wake descriptor unreadable again.
    package func clearWake() {
        var value = eventfd_t()
        eventfd_read(wakeDescriptor, &value)
    }

    /// Refuses further commands and returns those that are left.
    package func close() -> [Command] {
        state.withLock { state in
            state.isClosed = true
            defer { state.commands = [] }
            return state.commands
        }
    }
}
