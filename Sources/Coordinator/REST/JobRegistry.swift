import BackupFormat
import Support

/// The jobs of a server: those that run, and the last ones that have ended.
actor JobRegistry {
    enum Kind: Sendable { case backup, restore, verification }

    /// The backup that is made or restored: its name, and the root below which it lies.
    struct Subject: Sendable, Hashable {
        let name: String
        let root: String
    }

    struct Entry: Sendable {
        let id: String
        let kind: Kind
        let subject: Subject
        let monitor: JobMonitor
        var state = JobState.initial
        var message = ""
        var start = Timestamp.now()
        var end: Timestamp?
        var task: Task<Void, Never>?

        var isRunning: Bool { end == nil }
        /// Percent.
        var progress: Int32 {
            switch state {
            case .initial: 1
            case .executing: monitor.progress
            case .success: 100
            case .failed: 0
            }
        }
    }

    /// Jobs that have ended and are remembered.
    private static let memory = 1000

    private var entries: [String: Entry] = [:]
    /// The ids of the last jobs that made them.
    private var backups: [Subject: String] = [:]
    /// Where the last backup of a name was made.
    private var roots: [String: String] = [:]
    private var ended = FirstInFirstOut<String>()

    /// Takes a job in and starts it.
    ///
    /// - Parameter goesOn: whether it may have the id of one that has ended.
    /// - Returns: the job as it was taken in, before it began.
    /// - Throws: `alreadyExists` when the id is in use, or when a backup of this name is being made.
    @discardableResult
    func start(
        _ kind: Kind, id: String, of subject: Subject, monitor: JobMonitor, goesOn: Bool = false,
        _ body: @escaping @Sendable () async throws -> Void
    ) throws -> Entry {
        if let other = entries[id], other.isRunning || !goesOn {
            throw BackupError(.alreadyExists, "there is a job with id \(id) (\(other.subject.name))")
        }
        if kind == .backup, let other = backups[subject], entries[other]?.isRunning ?? false {
            throw BackupError(
                .alreadyExists, "backup: add backup task to manager: \(subject.name) (existing task \(other))")
        }
        let accepted = Entry(id: id, kind: kind, subject: subject, monitor: monitor)
        entries[id] = accepted
        entries[id]?.state = .executing
        if kind == .backup {
            backups[subject] = id
            roots[subject.name] = subject.root
        }
        entries[id]?.task = Task {
            do {
                try await body()
                finish(id, failure: nil)
            } catch {
                finish(
                    id, failure: Task.isCancelled ? BackupError(.canceled, "canceled") : BackupError(wrapping: error))
            }
        }
        return accepted
    }

    /// Waits for the end of a job.
    func wait(for id: String) async -> Entry? {
        await entries[id]?.task?.value
        return entries[id]
    }

    func entry(_ id: String, _ kind: Kind) -> Entry? { entries[id].flatMap { $0.kind == kind ? $0 : nil } }

    func has(_ id: String) -> Bool { entries[id] != nil }

    /// The last job that made this backup, if it was here.
    func backup(_ subject: Subject) -> Entry? { backups[subject].flatMap { entries[$0] } }

    /// The last job that made a backup of this name, below whatever root.
    func backup(named name: String) -> Entry? {
        roots[name].flatMap { backup(Subject(name: name, root: $0)) }
    }

    /// Forgets a backup that was deleted, so that its name can be used again.
    func forget(_ subject: Subject) {
        guard let id = backups[subject], entries[id]?.isRunning == false else { return }
        forget(id)
    }

    private func forget(_ id: String) {
        guard let subject = entries.removeValue(forKey: id)?.subject, backups[subject] == id else { return }
        backups[subject] = nil
        if roots[subject.name] == subject.root { roots[subject.name] = nil }
    }

    /// Stops a job. It goes on to its end in good order.
    ///
    /// - Returns: false when there is none that runs.
    func cancel(_ id: String) -> Bool {
        guard let entry = entries[id], entry.isRunning else { return false }
        entry.task?.cancel()
        return true
    }

    func cancelAll() async {
        let running = entries.values.filter(\.isRunning).compactMap(\.task)
        for task in running { task.cancel() }
        for task in running { await task.value }
    }

    private func finish(_ id: String, failure: BackupError?) {
        entries[id]?.state = failure == nil ? .success : .failed
        entries[id]?.message = failure?.description ?? ""
        entries[id]?.end = .now()
        ended.append(id)
        while ended.count > Self.memory, let oldest = ended.popFirst() {
            // The id of a backup that was deleted may be in use again.
            if entries[oldest]?.isRunning == false { forget(oldest) }
        }
    }
}
