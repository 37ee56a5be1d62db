import HTTP
import Support
import Synchronization

/// Pauses Milvus' garbage collection for as long as a backup reads, so that no file vanishes that it has listed.
///
/// Nothing here throws: a backup goes on without the pause, and its caller warns with what ``GarbageCollectionAnswer`` says.
/// After ``finish()`` nothing is paused and nothing is renewed any more.
package final class GarbageCollectionControl: Sendable {
    package enum Mode: Sendable, Hashable {
        /// One pause for the whole cluster.
        case cluster
        /// One pause per collection, held by tickets: needs ``ServerFeatures/collectionGarbageCollectionControl``.
        case perCollection
    }

    private let mode: Mode
    private let management: MilvusManagement
    private let logger: Logger
    private let clock: MonotonicClock
    private let state = Mutex(State())

    private struct State {
        var pauses = GarbageCollectionPauses()
        var renewal: Task<Void, Never>?
        /// From here on nothing may stay paused.
        var isFinished = false
    }

    /// - Parameter management: Milvus' management interface, `http://localhost:9091` if not configured otherwise.
    package init(
        mode: Mode, management: MilvusManagement, logger: Logger, clock: MonotonicClock = .system
    ) {
        self.mode = mode
        self.management = management
        self.logger = logger
        self.clock = clock
    }

    /// Before anything is read: pauses the cluster, if that is the mode.
    package func start() async -> GarbageCollectionAnswer {
        mode == .cluster ? await pause(.cluster) : .notNeeded
    }

    /// Before the segments of a collection are listed: pauses it, if that is the mode.
    package func pause(collection id: Int64) async -> GarbageCollectionAnswer {
        mode == .perCollection ? await pause(.collection(id)) : .notNeeded
    }

    /// When all of a collection is copied: gives its pause back, if that is the mode.
    package func resume(collection id: Int64) async -> GarbageCollectionAnswer {
        mode == .perCollection ? await resume(.collection(id)) : .notNeeded
    }

    /// Gives back whatever is paused and ends the renewal, also when the calling task is cancelled.
    package func finish() async -> GarbageCollectionAnswer {
        let renewal = state.withLock { state in
            state.isFinished = true
            defer { state.renewal = nil }
            return state.renewal
        }
        renewal?.cancel()
        // A task of its own, which the cancellation of ours does not reach.
        return await Task {
            // A renewal under way may still bring a ticket, so it comes to its end first.
            await renewal?.value
            var answer = GarbageCollectionAnswer.notNeeded
            for target in self.state.withLock({ $0.pauses.targets }) {
                let next = await self.resume(target)
                if answer.warning == nil { answer = next }
            }
            return answer
        }.value
    }

    /// Whether a pause that was had has run out without having been renewed.
    package var isLost: Bool {
        let now = clock.now
        return state.withLock { $0.pauses.isLost(at: now) }
    }

    // MARK: Pausing

    private func pause(_ target: GarbageCollectionPauses.Target) async -> GarbageCollectionAnswer {
        let asked = clock.now
        do {
            let ticket = try await management.pauseGarbageCollection(
                collection: target.collectionID, for: GarbageCollectionPauses.length)
            let isFinished = state.withLock { state in
                state.pauses.paused(target, ticket: ticket, at: asked)
                if state.renewal == nil, !state.isFinished, state.pauses.nextRenewal != nil {
                    state.renewal = Task { await self.renew() }
                }
                return state.isFinished
            }
            return isFinished ? await resume(target) : .done
        } catch {
            return GarbageCollectionAnswer(BackupError(wrapping: error))
        }
    }

    private func resume(_ target: GarbageCollectionPauses.Target) async -> GarbageCollectionAnswer {
        let now = clock.now
        let tickets = state.withLock { $0.pauses.end(target, at: now) }
        var answer = GarbageCollectionAnswer.notNeeded
        for ticket in tickets {
            do {
                try await management.resumeGarbageCollection(ticket: ticket)
                if answer.warning == nil { answer = .done }
            } catch {
                answer = GarbageCollectionAnswer(BackupError(wrapping: error))
            }
        }
        return answer
    }

    /// Runs until it is cancelled or nothing is paused any more.
    private func renew() async {
        while !Task.isCancelled {
            let next = state.withLock { state in
                if state.pauses.nextRenewal == nil { state.renewal = nil }
                return state.pauses.nextRenewal
            }
            guard let next else { return }
            // Looked at every minute at least, for a pause that begins later may be due earlier.
            let wakeUp = min(next, clock.now + .seconds(60))
            do { try await clock.sleep(until: wakeUp, tolerance: nil) } catch { return }
            let now = clock.now
            for target in state.withLock({ $0.pauses.due(at: now) }) { await renew(target) }
        }
    }

    private func renew(_ target: GarbageCollectionPauses.Target) async {
        let asked = clock.now
        do {
            let ticket = try await management.pauseGarbageCollection(
                collection: target.collectionID, for: GarbageCollectionPauses.length)
            let isHeld = state.withLock { state in
                guard state.pauses.targets.contains(target) else { return false }
                state.pauses.paused(target, ticket: ticket, at: asked)
                return true
            }
            // The collection's copy ended while we asked: the new ticket belongs to nobody.
            if !isHeld, !ticket.isEmpty { try await management.resumeGarbageCollection(ticket: ticket) }
        } catch {
            state.withLock { $0.pauses.renewalFailed(target, at: asked) }
            logger.warn(
                "the pause of Milvus' garbage collection is not renewed",
                ["error": BackupError(wrapping: error).description])
        }
    }
}

/// What became of a request about garbage collection.
package enum GarbageCollectionAnswer: Sendable {
    case done
    /// Nothing to do in this mode or state.
    case notNeeded
    /// This Milvus has no such interface.
    case notOffered(BackupError)
    case failed(BackupError)

    init(_ error: BackupError) { self = error.code == .unsupported ? .notOffered(error) : .failed(error) }

    /// One line for the user; nil when all is well.
    package var warning: String? {
        switch self {
        case .done, .notNeeded: nil
        case .notOffered(let error), .failed(let error): error.description
        }
    }
}

extension GarbageCollectionPauses.Target {
    /// 0 for the whole cluster.
    var collectionID: Int64 {
        switch self {
        case .cluster: 0
        case .collection(let id): id
        }
    }
}
