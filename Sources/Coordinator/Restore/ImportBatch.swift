import BackupFormat
import MilvusClient

/// What Milvus imports in one job: directories of one partition whose segments are of one kind.
struct ImportBatch: Sendable {
    /// At least one.
    var units: [ImportUnit]

    var size: Int64 { units.reduce(0) { $0 + $1.size } }

    /// What Milvus' REST interface is asked to do.
    ///
    /// - Parameter paths: where the logs are in Milvus' bucket.
    func request(target: CollectionName, in paths: BackupPaths) -> ImportJobRequest {
        let isL0 = units.first?.isL0 ?? false
        var options = [isL0 ? "l0_import" : "backup": "true", "skip_disk_quota_check": "true"]
        let version = units.first?.segments.first?.storageVersion ?? 0
        if version > 0 { options["storage_version"] = String(version) }
        // All of a batch are of one channel, and so have the same ones.
        for pair in units.first?.options.pairs ?? [] { options[pair.key] = pair.value }
        let files = units.map { unit -> [String] in
            if isL0 { return [unit.prefix(.delta, in: paths)] }
            let insert = unit.prefix(.insert, in: paths)
            return unit.hasDeltaLogs ? [insert, unit.prefix(.delta, in: paths)] : [insert]
        }
        return ImportJobRequest(
            database: target.database, collection: target.collection, partition: units.first?.partition ?? "",
            files: files, options: options)
    }
}

extension ImportPlan {
    /// The stages with every directory by itself.
    var singles: [[ImportBatch]] { stages.map { stage in stage.map { ImportBatch(units: [$0]) } } }

    /// The stages with as many directories together as one job may have. Segments of different channels or storage versions
    /// are no company.
    ///
    /// - Parameters:
    ///   - maximumSegments: segments with rows of one job.
    ///   - maximumDeletions: segments of deletions of one job.
    func batches(maximumSegments: Int, maximumDeletions: Int) -> [[ImportBatch]] {
        stages.map { stage in
            var order: [ImportCompany] = []
            var members: [ImportCompany: [ImportUnit]] = [:]
            for unit in stage {
                let company = ImportCompany(unit)
                if members[company] == nil { order.append(company) }
                members[company, default: []].append(unit)
            }
            return order.flatMap { company in
                let limit = company.isL0 ? maximumDeletions : maximumSegments
                return ImportPlan.chunks(of: members[company] ?? [], maximumSegments: max(1, limit))
            }
        }
    }

    /// Directories are not parted, so one that has too many segments is a job of its own.
    private static func chunks(of units: [ImportUnit], maximumSegments: Int) -> [ImportBatch] {
        var batches: [ImportBatch] = []
        var count = 0
        for unit in units {
            if !batches.isEmpty, count + unit.segments.count <= maximumSegments {
                batches[batches.count - 1].units.append(unit)
                count += unit.segments.count
            } else {
                batches.append(ImportBatch(units: [unit]))
                count = unit.segments.count
            }
        }
        return batches
    }
}

/// What directories must have in common to be imported by one job.
private struct ImportCompany: Hashable {
    var partitionID: Int64
    var isL0: Bool
    var virtualChannel: String
    var storageVersion: Int64

    init(_ unit: ImportUnit) {
        partitionID = unit.partitionID
        isL0 = unit.isL0
        virtualChannel = unit.segments.first?.virtualChannel ?? ""
        storageVersion = unit.segments.first?.storageVersion ?? 0
    }
}
