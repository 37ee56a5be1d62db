import BackupFormat
import MilvusClient
import Support

/// What of a backup is restored, and under which names: a pure decision.
struct RestoreSelection: Sendable {
    struct Item: Sendable {
        var source: CollectionBackup
        var target: CollectionName
    }

    /// Names the backup, also when another one gets its name.
    let backupID: String
    var items: [Item]
    /// Databases that must be there, `default` left out.
    var databases: [String]
    /// What those that the backup knows are made with, by the name they will have.
    var databaseProperties: [String: [KeyValuePair]] = [:]
    /// Users, roles and rights; nil when the backup has none.
    var rbac: RBACMetadata?

    /// - Throws: `notFound` when a collection was named that the backup does not have; `invalidArgument` when two
    ///   collections would get the same name.
    init(_ backup: BackupInfo, request: RestoreRequest) throws(BackupError) {
        try RestoreSelection.checkNames(request.sourceFilter, backup)
        rbac = backup.rbac
        backupID = backup.id
        items = backup.collections.filter { request.sourceFilter.includes($0.qualifiedName) }.flatMap { collection in
            request.mapper.targets(of: collection.qualifiedName)
                .filter(request.targetFilter.includes)
                .map { Item(source: collection, target: $0) }
        }
        for item in items { try RestoreSelection.checkIsNoPath(item.target) }
        try RestoreSelection.checkTargets(items, request.targetFilter)
        let recorded = backup.databases.filter { request.sourceFilter.includes(database: $0.name) }
            .flatMap { request.mapper.targets(ofDatabase: $0.name) }
            .filter(request.targetFilter.includes(database:))
        for database in backup.databases where !database.properties.isEmpty {
            for name in request.mapper.targets(ofDatabase: database.name) {
                databaseProperties[name] = database.properties
            }
        }
        try RestoreSelection.checkDatabases(request.targetFilter, Set(recorded + items.map(\.target.database)))
        var seen: Set = [CollectionName.defaultDatabase]
        databases = (recorded + items.map(\.target.database)).filter { seen.insert($0).inserted }
    }

    private static func checkNames(_ filter: CollectionFilter, _ backup: BackupInfo) throws(BackupError) {
        let present = Set(backup.collections.map(\.qualifiedName))
        let databases = Set(present.map(\.database) + backup.databases.map { CollectionName.databaseName($0.name) })
        for database in filter.namedDatabases {
            guard databases.contains(database) else {
                throw BackupError(
                    .notFound, "database \(database) not found in backup \(backup.name)",
                    hint: nearestName(to: database, among: databases).map { "did you mean \($0)?" })
            }
            for collection in filter.namedCollections(in: database) {
                let name = CollectionName(database: database, collection: collection)
                guard !present.contains(name) else { continue }
                let near = nearestName(to: name.description, among: present.map(\.description).sorted())
                throw BackupError(
                    .notFound, "collection \(name) not found in backup \(backup.name)",
                    hint: near.map { "did you mean \($0)?" })
            }
        }
    }

    /// A name becomes part of the keys below which its data is staged. Whatever the metadata of a backup calls a collection, it
    /// must not lead elsewhere.
    private static func checkIsNoPath(_ name: CollectionName) throws(BackupError) {
        for part in [name.database, name.collection] {
            let hasControl = part.unicodeScalars.contains { $0.properties.generalCategory == .control }
            guard !part.isEmpty, part.utf8.count <= 255, !part.utf8.contains(UInt8(ascii: "/")), !hasControl else {
                throw BackupError(
                    .invalidArgument,
                    "\"\(String(name.description.prefix(300)).escapingControlCharacters)\" is no name of a collection: a name has "
                        + "1 to 255 bytes, no slash and no control character",
                    hint: "is the metadata of the backup what was written into it?")
            }
        }
    }

    private static func checkTargets(_ items: [Item], _ filter: CollectionFilter) throws(BackupError) {
        var sources: [CollectionName: CollectionName] = [:]
        for item in items {
            if let other = sources.updateValue(item.source.qualifiedName, forKey: item.target) {
                throw BackupError(
                    .invalidArgument, "\(other) and \(item.source.qualifiedName) would both become \(item.target)")
            }
        }
        for database in filter.namedDatabases {
            for collection in filter.namedCollections(in: database) {
                let name = CollectionName(database: database, collection: collection)
                guard sources[name] == nil else { continue }
                throw BackupError(
                    .notFound, "no collection of the backup becomes \(name)",
                    hint: "--filter of restore chooses by the names after renaming")
            }
        }
    }

    /// A filter that chooses nothing of a database is a mistake: to restore nothing would look like a success.
    ///
    /// - Parameter chosen: the databases of which something is restored.
    private static func checkDatabases(_ filter: CollectionFilter, _ chosen: Set<String>) throws(BackupError) {
        let names = Set(chosen.map { CollectionName.databaseName($0) })
        for database in filter.namedDatabases where !names.contains(database) {
            throw BackupError(
                .notFound, "nothing of the backup is restored into database \(database), which the filter names",
                hint: "--filter of restore chooses by the names after renaming")
        }
    }

    /// Checks that the server can take what is to be restored.
    ///
    /// - Throws: `unsupported`, which names collection and version.
    func check(_ server: ServerInfo) throws(BackupError) {
        let version = server.resolvedVersion
        if !server.features.contains(.multiDatabase), let database = databases.first {
            throw BackupError(
                .unsupported, "Milvus \(server.version) knows no databases, and \(database) is needed",
                hint: "rename into the default database with --rename")
        }
        for item in items {
            let segments = item.source.partitions.flatMap(\.segments)
            if !server.features.contains(.importJobs),
                !item.source.l0Segments.isEmpty || segments.contains(where: \.isL0)
            {
                throw BackupError(
                    .unsupported,
                    "collection \(item.source.qualifiedName) has segments of deletions (L0), which Milvus "
                        + "\(server.version) cannot import", hint: "restore into Milvus 2.4 or later")
            }
            if version < ServerVersion(2, 6, 0), let segment = segments.first(where: { $0.storageVersion >= 2 }) {
                throw BackupError(
                    .unsupported,
                    "segment \(segment.segmentID) of \(item.source.qualifiedName) has storage version "
                        + "\(segment.storageVersion), which Milvus \(server.version) cannot read",
                    hint: "restore into Milvus 2.6 or later")
            }
        }
    }
}
