import Support
import Synchronization

/// A bounded first-in first-out queue between tasks: senders wait while it is full, one receiver waits while it is empty.
///
/// Each element has a weight; the queue is full while the weights inside add up to `capacity` or more, so an element heavier
/// than the whole capacity still passes.
final class BoundedQueue<Element: Sendable>: Sendable {
    private struct Sender {
        let id: UInt64
        let element: Element
        let weight: Int
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var elements = FirstInFirstOut<(element: Element, weight: Int)>()
        var weight = 0
        var senders = FirstInFirstOut<Sender>()
        var receiver: (id: UInt64, continuation: CheckedContinuation<Element?, any Error>)?
        /// Set once nothing may be added any more; what is inside is still received.
        var closure: BackupError?
        /// The receiver sees this at the end instead of nil.
        var failure: BackupError?
        var nextID: UInt64 = 0
    }

    private enum SendStep {
        case waits
        case refused(any Error)
        case stored
        case handed(CheckedContinuation<Element?, any Error>)
    }

    private enum ReceiveStep {
        case waits
        case fails(any Error)
        case gives(Element?, freed: [Sender])
    }

    private let capacity: Int
    private let state = Mutex(State())

    init(capacity: Int) {
        precondition(capacity > 0)
        self.capacity = capacity
    }

    // MARK: Sending

    /// Adds an element, waiting while the queue is full.
    ///
    /// - Throws: what the queue was closed with; ``BackupError/Code/canceled`` when the task is canceled while it waits.
    func send(_ element: Element, weight: Int = 1) async throws {
        let id = newID()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                enqueue(Sender(id: id, element: element, weight: weight, continuation: continuation))
            }
        } onCancel: {
            let sender = state.withLock { $0.senders.removeFirst { $0.id == id } }
            sender?.continuation.resume(throwing: CancellationError())
        }
    }

    private func enqueue(_ sender: Sender) {
        let step = state.withLock { state -> SendStep in
            if let closure = state.closure { return .refused(closure) }
            // The cancellation handler runs before the continuation is stored when the task was canceled before.
            if Task.isCancelled { return .refused(CancellationError()) }
            if let receiver = state.receiver {
                state.receiver = nil
                return .handed(receiver.continuation)
            }
            guard state.weight < capacity, state.senders.isEmpty else {
                state.senders.append(sender)
                return .waits
            }
            state.elements.append((sender.element, sender.weight))
            state.weight += sender.weight
            return .stored
        }
        switch step {
        case .waits: break
        case .refused(let error): sender.continuation.resume(throwing: error)
        case .stored: sender.continuation.resume()
        case .handed(let receiver):
            receiver.resume(returning: sender.element)
            sender.continuation.resume()
        }
    }

    // MARK: Receiving

    /// The next element, waiting for one; nil when the queue was finished and is empty.
    func receive() async throws -> Element? {
        let id = newID()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                dequeue(id: id, continuation)
            }
        } onCancel: {
            let continuation = state.withLock { state -> CheckedContinuation<Element?, any Error>? in
                guard let receiver = state.receiver, receiver.id == id else { return nil }
                state.receiver = nil
                return receiver.continuation
            }
            continuation?.resume(throwing: CancellationError())
        }
    }

    private func dequeue(id: UInt64, _ continuation: CheckedContinuation<Element?, any Error>) {
        let step = state.withLock { state -> ReceiveStep in
            if let (element, weight) = state.elements.popFirst() {
                state.weight -= weight
                return .gives(element, freed: admitSenders(&state))
            }
            if let failure = state.failure { return .fails(failure) }
            if state.closure != nil { return .gives(nil, freed: []) }
            if Task.isCancelled { return .fails(CancellationError()) }
            guard state.receiver == nil else {
                return .fails(BackupError(.internalError, "two tasks receive from one channel at a time"))
            }
            state.receiver = (id, continuation)
            return .waits
        }
        switch step {
        case .waits: break
        case .fails(let error): continuation.resume(throwing: error)
        case .gives(let element, let freed):
            continuation.resume(returning: element)
            for sender in freed { sender.continuation.resume() }
        }
    }

    private func admitSenders(_ state: inout State) -> [Sender] {
        var admitted: [Sender] = []
        while state.weight < capacity, let sender = state.senders.popFirst() {
            state.elements.append((sender.element, sender.weight))
            state.weight += sender.weight
            admitted.append(sender)
        }
        return admitted
    }

    // MARK: Ending

    /// Ends the queue. Only the first end counts, except that a later `discarding` still empties it.
    ///
    /// - Parameters:
    ///   - closure: what senders get from now on, those that wait included.
    ///   - failure: what the receiver gets after the elements that are inside; nil gives it the end.
    ///   - discarding: drops what is inside, for a receiver that has left.
    func close(_ closure: BackupError, failure: BackupError? = nil, discarding: Bool = false) {
        let (senders, receiver, failure) = state.withLock { state in
            if state.closure == nil {
                state.closure = closure
                state.failure = failure
            }
            if discarding {
                state.elements = FirstInFirstOut()
                state.weight = 0
                state.failure = nil
            }
            let waiting = (state.senders, state.receiver, state.failure)
            state.senders = FirstInFirstOut()
            state.receiver = nil
            return waiting
        }
        for sender in senders.elements { sender.continuation.resume(throwing: closure) }
        if let failure {
            receiver?.continuation.resume(throwing: failure)
        } else {
            receiver?.continuation.resume(returning: nil)
        }
    }

    private func newID() -> UInt64 {
        state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
    }
}
