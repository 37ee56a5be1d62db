import BackupFormat
import Support
import Synchronization

/// How a job stands; the raw values are those of the REST interface.
enum JobState: Int32, Sendable {
    case initial = 0
    case executing = 1
    case success = 2
    case failed = 3
}

/// What can be seen of a job from outside while it runs: its collections, and how far each of them is.
final class JobMonitor: Sendable {
    /// One collection of the job, under the name it has in Milvus.
    struct Part: Sendable {
        let name: CollectionName
        var state = JobState.initial
        var message = ""
        /// Nil as long as it waits.
        var start: Timestamp?
        var end: Timestamp?
        /// Bytes; 0 while they are not known.
        var size: Int64 = 0
        var done: Int64 = 0

        /// Percent. One that has begun never shows 0.
        var progress: Int32 {
            if state == .success { return 100 }
            guard size > 0 else { return 1 }
            return max(1, min(99, Int32(Double(done) / Double(size) * 100)))
        }
    }

    private struct State {
        var parts: [Part] = []
        var indexes: [CollectionName: Int] = [:]
        /// What a verification has found.
        var verification: VerificationReport?
        /// What ``progress`` has shown so far: a plan that grows must not make it fall.
        var shown: Int32 = 1
    }

    private let state = Mutex(State())

    /// Says what the job is about.
    func plan(_ names: [CollectionName]) {
        state.withLock { state in
            state.parts = names.map { Part(name: $0) }
            state.indexes = Dictionary(names.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
        }
    }

    func begin(_ name: CollectionName) {
        update(name) { part in
            part.state = .executing
            part.start = .now()
        }
    }

    /// Says how many bytes a collection has.
    func setSize(_ size: Int64, of name: CollectionName) { update(name) { $0.size = size } }

    func advance(_ name: CollectionName, by bytes: Int64) { update(name) { $0.done &+= bytes } }

    func finish(_ name: CollectionName, failure: BackupError? = nil) {
        update(name) { part in
            part.state = failure == nil ? .success : .failed
            part.message = failure?.description ?? ""
            part.end = .now()
        }
    }

    func verified(_ report: VerificationReport) { state.withLock { $0.verification = report } }

    /// What a verification has found; nil before its end.
    var verification: VerificationReport? { state.withLock { $0.verification } }

    var parts: [Part] { state.withLock { $0.parts } }

    /// Percent of the whole job, 1...99: the mean of its collections, since the sizes of those that wait are not known.
    var progress: Int32 {
        state.withLock { state in
            guard !state.parts.isEmpty else { return state.shown }
            let sum = state.parts.reduce(0) { $0 + Int64($1.progress) }
            state.shown = max(state.shown, min(99, Int32(sum / Int64(state.parts.count))))
            return state.shown
        }
    }

    private func update(_ name: CollectionName, _ change: (inout Part) -> Void) {
        state.withLock { state in
            if let index = state.indexes[name] { change(&state.parts[index]) }
        }
    }
}
