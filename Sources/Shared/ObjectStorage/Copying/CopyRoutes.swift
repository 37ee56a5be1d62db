import Support
import Synchronization

/// What this process has learned about two stores: it holds for the rest of its life.
final class CopyRoutes: Sendable {
    private struct Pair: Hashable {
        let source: StoreIdentity
        let destination: StoreIdentity
    }

    private struct State {
        var refusals: [Pair: String] = [:]
        var withMD5: Set<StoreIdentity> = []
        var withoutMD5: Set<StoreIdentity> = []
        var opaque: Set<StoreIdentity> = []
        var unproven: Set<Pair> = []
        var unsuited: Set<Pair> = []
    }

    private let state = Mutex(State())

    /// Why a copy inside the store is not tried any more; nil when it is.
    func refusal(_ source: StoreIdentity, _ destination: StoreIdentity) -> String? {
        state.withLock { $0.refusals[Pair(source: source, destination: destination)] }
    }

    /// - Returns: whether this is the first time.
    func remember(refusal: String, _ source: StoreIdentity, _ destination: StoreIdentity) -> Bool {
        state.withLock { state in
            let pair = Pair(source: source, destination: destination)
            guard state.refusals[pair] == nil else { return false }
            state.refusals[pair] = refusal
            return true
        }
    }

    /// Whether ETags of this store were found to be something else than MD5 although they look like it.
    func hasETagsWithoutMD5(_ store: StoreIdentity) -> Bool { state.withLock { $0.withoutMD5.contains(store) } }

    /// An ETag of this store was the MD5 of the content. From now on one that is not says something about that object alone.
    func rememberETagsWithMD5(_ store: StoreIdentity) { state.withLock { _ = $0.withMD5.insert(store) } }

    /// An ETag of this store was not the MD5 of the content.
    ///
    /// - Returns: whether its ETags are not believed any more, and this is the first time.
    func rememberETagsWithoutMD5(_ store: StoreIdentity) -> Bool {
        state.withLock { !$0.withMD5.contains(store) && $0.withoutMD5.insert(store).inserted }
    }

    /// Whether ETags of this store were found to say nothing about the content.
    func hasOpaqueETags(_ store: StoreIdentity) -> Bool { state.withLock { $0.opaque.contains(store) } }

    /// An ETag of this store said nothing, twice. That is nothing to learn from where others were MD5s.
    func rememberOpaqueETags(_ store: StoreIdentity) {
        state.withLock { state in
            if !state.withMD5.contains(store) { state.opaque.insert(store) }
        }
    }

    /// Whether equal ETags may be expected to prove a copy: they have not failed to between these two.
    func mayProve(_ source: StoreIdentity, _ destination: StoreIdentity) -> Bool {
        state.withLock { state in
            !state.unproven.contains(Pair(source: source, destination: destination))
                && !state.withoutMD5.contains(source) && !state.withoutMD5.contains(destination)
        }
    }

    /// ETags that seemed comparable were not. Between two stores whose ETags were seen to be MD5s that is the fault of one
    /// answer, and they go on proving copies.
    func rememberUnproven(_ source: StoreIdentity, _ destination: StoreIdentity) {
        state.withLock { state in
            guard !state.withMD5.isSuperset(of: [source, destination]) else { return }
            state.unproven.insert(Pair(source: source, destination: destination))
        }
    }

    /// Objects in parts do not prove one another between the two: their boundaries are not those that were guessed.
    func rememberUnequalParts(_ source: StoreIdentity, _ destination: StoreIdentity) {
        state.withLock { _ = $0.unproven.insert(Pair(source: source, destination: destination)) }
    }

    /// Whether a relay between the two was found to be impossible.
    func isUnsuited(_ source: StoreIdentity, _ destination: StoreIdentity) -> Bool {
        state.withLock { $0.unsuited.contains(Pair(source: source, destination: destination)) }
    }

    /// - Returns: whether this is the first time.
    func rememberUnsuited(_ source: StoreIdentity, _ destination: StoreIdentity) -> Bool {
        state.withLock { $0.unsuited.insert(Pair(source: source, destination: destination)).inserted }
    }

    /// Whether streaming may succeed after the store has refused to copy with `error`.
    ///
    /// Not when the object is missing, when somebody stopped it, or when trying again is what helps.
    static func streamingMayHelp(after error: BackupError) -> Bool {
        guard !error.isRetryable else { return false }
        switch error.code {
        case .notFound, .canceled, .corrupted: return false
        default: return true
        }
    }
}
