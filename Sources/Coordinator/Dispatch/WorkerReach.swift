import ShardProtocol

/// For which jobs a worker may work.
enum WorkerReach: Sendable {
    /// For those whose backup lies where it is configured to look, or in a place that it allows.
    case agent(home: BackupPlace?, allowed: Set<BackupPlace>)
    /// For one job alone, wherever its backup lies.
    case job(String)

    /// Everybody who is configured like the coordinator, and nothing else.
    static let configured = WorkerReach.agent(home: nil, allowed: [])

    /// - Parameters:
    ///   - own: where the coordinator is configured to keep backups.
    init(_ hello: Hello, coordinator own: BackupPlace?) {
        let home = hello.stores.backupPlace
        let allowed = Set(hello.allowedRoots ?? []).union(home.map { [$0] } ?? [])
        self = .agent(home: home == own ? nil : own, allowed: allowed)
    }

    /// - Parameter place: where the job's backup lies; nil for where the coordinator is configured to look.
    func includes(job: String, at place: BackupPlace?) -> Bool {
        switch self {
        case .agent(_, let allowed): place.map(allowed.contains) ?? true
        case .job(let only): job == only
        }
    }

    /// An assignment as the worker must be told it: one that is configured otherwise than the coordinator is told where the
    /// backup lies.
    func addressed(_ assignment: Assignment) -> Assignment {
        guard assignment.backupPlace == nil, case .agent(let home?, _) = self else { return assignment }
        var assignment = assignment
        assignment.backupPlace = home
        return assignment
    }
}
