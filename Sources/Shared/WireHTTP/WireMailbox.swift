import CWire
import Glibc
import HTTP
import Support
import Synchronization

/// Names a call of any loop.
struct CallID: Hashable, Sendable {
    private static let last = Atomic<UInt64>(0)
    private let number = CallID.last.wrappingAdd(1, ordering: .relaxed).newValue
}

/// A call on its way to a loop.
struct Submission: Sendable {
    enum Work: Sendable {
        case request(HTTPRequest, CheckedContinuation<HTTPResponse, any Error>)
        case relay(RelayRequest, CheckedContinuation<RelayOutcome, any Error>)
    }

    let id: CallID
    let work: Work

    func fail(_ error: any Error) {
        switch work {
        case .request(_, let reply): reply.resume(throwing: error)
        case .relay(_, let reply): reply.resume(throwing: error)
        }
    }
}

/// What other threads ask of a loop.
enum LoopCommand: Sendable {
    case start(Submission)
    case cancel(CallID)
    /// The throttle has granted what the call has asked for.
    case granted(CallID)
    /// A name was looked up.
    case resolved(Origin, Result<[SocketAddress], BackupError>)
    case stop
}

/// The way into a loop: commands from any thread, and what wakes the loop when it sleeps.
final class WireMailbox: Sendable {
    private struct State {
        var commands: [LoopCommand] = []
        var isAsleep = false
        var isClosed = false
    }

    /// Readable when there is a command for a sleeping loop.
    let wakeDescriptor: Int32
    private let state = Mutex(State())
    private let busy = Atomic(false)

    /// Whether the loop has needed its thread for most of the time lately.
    var isBusy: Bool {
        get { busy.load(ordering: .relaxed) }
        set { busy.store(newValue, ordering: .relaxed) }
    }

    /// - Throws: ``BackupError/Code/internalError`` when the process has no file descriptors left.
    init() throws(BackupError) {
        wakeDescriptor = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard wakeDescriptor >= 0 else {
            throw BackupError(.internalError, "cannot create an eventfd: \(SystemError().text)")
        }
    }

    deinit { close(wakeDescriptor) }

    /// Hands a command to the loop; false when the loop has ended.
    @discardableResult
    func post(_ command: LoopCommand) -> Bool {
        let (isAccepted, wakes) = state.withLock { state in
            guard !state.isClosed else { return (false, false) }
            state.commands.append(command)
            defer { state.isAsleep = false }
            return (true, state.isAsleep)
        }
        if wakes { eventfd_write(wakeDescriptor, 1) }
        return isAccepted
    }

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

    func clearWake() {
        var value = eventfd_t()
        eventfd_read(wakeDescriptor, &value)
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
