import BackupFormat
import CommandLineInterface
import Configuration
import Support
import Testing

@testable import Coordinator

/// From the words of a command line to what is asked for.
@Suite struct RequestTests {
    private func invocation(_ words: [String]) throws -> Invocation {
        guard case .run(let invocation) = try CommandTree.root.parse(words, width: 80) else {
            throw BackupError(.usage, "not run")
        }
        return invocation
    }

    private func backup(_ words: String...) throws -> BackupRequest {
        try BackupRequest(invocation(["create"] + words))
    }

    private func restore(_ words: String...) throws -> RestoreRequest {
        try RestoreRequest(invocation(["restore", "-n", "nightly"] + words))
    }

    // MARK: create

    @Test func withoutANameThereIsAGeneratedOne() throws {
        for request in [try backup(), try backup("-n", "")] {
            #expect(request.name.hasPrefix("backup_20") && request.filter.isEverything)
            #expect(request.strategy == .automatic)
        }
        #expect(try backup("--name", "nightly").name == "nightly")
    }

    @Test(arguments: ["1st", "with blank", "a-b", "../x", "ü"]) func impossibleNamesAreRefused(_ name: String) {
        #expect(throws: BackupError.self) { try backup("-n", name) }
    }

    @Test func theFilterGoesBeforeTheOlderOptions() throws {
        let all = ["--filter", "a.*", "-a", "{\"b\":[\"x\"]}", "-c", "c.x", "-d", "d"]
        for (count, database) in [(8, "a"), (6, "b"), (4, "c"), (2, "d")] {
            let words = Array(all.suffix(count))
            let create = try BackupRequest(invocation(["create"] + words)).filter
            #expect(create.namedDatabases == [database], "\(words)")
        }
        #expect(try backup("--colls", "x,db.y").filter == CollectionFilter(collections: "x,db.y"))
        #expect(try backup("--collections", "x,db.y").filter == CollectionFilter(collections: "x,db.y"))
        #expect(try backup("--databases", "a,b").filter == CollectionFilter(databases: "a,b"))
        #expect(try backup("--database_collections", "{\"a\":[]}").filter == CollectionFilter(databases: "a"))
    }

    @Test(arguments: [["--filter", "a.b.c"], ["-a", "[1]"], ["-a", "no json"], ["-c", "a.b.c"]])
    func wrongFiltersAreRefused(_ words: [String]) {
        let error = #expect(throws: BackupError.self) { try BackupRequest(invocation(["create"] + words)) }
        #expect(error?.code == .invalidArgument)
    }

    @Test func strategiesGoBeforeFlags() throws {
        #expect(try backup("--force").strategy == .skipFlush && backup("-f").strategy == .skipFlush)
        #expect(try backup("--meta_only").strategy == .metaOnly && backup("--meta-only").strategy == .metaOnly)
        for (text, strategy) in [
            ("auto", BackupRequest.Strategy.automatic), ("meta_only", .metaOnly), ("skip_flush", .skipFlush),
            ("bulk_flush", .bulkFlush), ("serial_flush", .serialFlush),
        ] {
            #expect(try backup("--strategy", text, "--force").strategy == strategy)
        }
        let error = #expect(throws: BackupError.self) { try backup("--strategy", "snapshot") }
        #expect(error?.code == .usage && error?.message.contains("serial_flush") == true)
    }

    @Test func formatsThatAreNotThereAreTold() throws {
        for words in [["--format", "auto"], ["--format=binlog"], ["--format", ""]] {
            #expect(throws: Never.self) { try BackupRequest(invocation(["create"] + words)) }
        }
        let snapshot = #expect(throws: BackupError.self) { try backup("--format", "snapshot") }
        #expect(snapshot?.code == .unsupported && snapshot?.hint == "use --format binlog")
        let unknown = #expect(throws: BackupError.self) { try backup("--format", "tape") }
        #expect(unknown?.code == .usage && unknown?.message == "invalid format tape, only support auto, binlog")
    }

    @Test func usersAndRolesAreRecordedOnDemand() throws {
        #expect(try !backup().includesRBAC && backup("--rbac").includesRBAC)
        #expect(try !restore().restoresRBAC && restore("--rbac").restoresRBAC)
    }

    @Test func whatOnlyEtcdKnowsIsRecordedOnDemand() throws {
        #expect(try !backup().includesIndexExtra && backup("--backup_index_extra").includesIndexExtra)
    }

    // MARK: restore

    @Test func importJobsAreUsedOnDemand() throws {
        #expect(try !restore().usesImportJobs && restore("--use_v2_restore").usesImportJobs)
        #expect(try restore("--use-v2-restore=true").usesImportJobs)
    }

    @Test func aRestoreNeedsANameThatIsNoPath() throws {
        for name in ["", "../x", "a/b", "."] {
            #expect(throws: BackupError.self) { try RestoreRequest(invocation(["restore", "-n", name])) }
        }
        let error = #expect(throws: BackupError.self) { try RestoreRequest(invocation(["restore"])) }
        #expect(error?.message == "backup name is required")
        // Other tools' names may be odd.
        #expect(try RestoreRequest(invocation(["restore", "-n", "2024-01-01"])).backupName == "2024-01-01")
    }

    @Test func everyFlagArrives() throws {
        let plain = try restore()
        #expect(
            !plain.restoresIndexes && !plain.usesAutoIndex && !plain.dropsExistingCollections
                && !plain.dropsExistingIndexes && !plain.skipsCreation && !plain.metaOnly)
        #expect(plain.sourceFilter.isEverything && plain.targetFilter.isEverything && plain.mapper == .identity)
        #expect(try restore("--rebuild_index").restoresIndexes && restore("--restore_index").restoresIndexes)
        #expect(try restore("--use_auto_index").usesAutoIndex)
        #expect(try restore("--drop_exist_collection").dropsExistingCollections)
        #expect(try restore("--drop_exist_index").dropsExistingIndexes)
        #expect(try restore("--skip_create_collection").skipsCreation)
        #expect(try restore("--meta_only").metaOnly)
    }

    @Test func renamesAndSuffixesBecomeNames() throws {
        let name = CollectionName(database: "db", collection: "c")
        #expect(try restore("-s", "_bak").mapper.targets(of: name).map(\.description) == ["db.c_bak"])
        #expect(try restore("-r", "db.c:db2.d").mapper.targets(of: name).map(\.description) == ["db2.d"])
        let both = #expect(throws: BackupError.self) { try restore("-s", "_bak", "-r", "a:b") }
        #expect(both?.code == .usage && both?.message == "suffix and rename flag cannot be set at the same time")
        #expect(throws: BackupError.self) { try restore("-s", "a b") }
        #expect(throws: BackupError.self) { try restore("-r", "a") }
    }

    @Test func theFilterIsForTheNewNamesAndTheOthersForTheOldOnes() throws {
        let request = try restore("--filter", "new.*", "-c", "old.c")
        #expect(request.targetFilter.namedDatabases == ["new"] && request.sourceFilter.namedDatabases == ["old"])
    }

    @Test func droppingAndNotCreatingIsAContradiction() {
        let error = #expect(throws: BackupError.self) {
            try restore("--drop_exist_collection", "--skip_create_collection")
        }
        #expect(error?.code == .usage)
    }

    // MARK: Workers

    @Test func agentsAreAwaitedWhereTheCommandLineOrTheConfigurationSays() throws {
        var configuration = Configuration()
        func plan(_ words: String...) throws -> Workforce.Plan {
            try Workforce.Plan(invocation(["create"] + words), configuration)
        }
        #expect(try plan().listen == nil && plan().minimumAgents == 0)
        #expect(try plan("--listen", "127.0.0.1:0").listen == HostPort(host: "127.0.0.1", port: 0))
        configuration.coordinator.listen = HostPort(host: "10.0.0.1", port: 9200)
        #expect(try plan().listen?.description == "10.0.0.1:9200")
        #expect(try plan("--listen", "[::1]:7", "--min-agents", "4").listen?.description == "[::1]:7")
        #expect(try plan("--min-agents", "4").minimumAgents == 4)
    }

    @Test(arguments: [
        ["--listen", "nowhere"], ["--listen", "h:99999"], ["--min-agents", "2"], ["--min-agents", "-1"],
        ["--min-agents", "x"],
    ])
    func impossibleWorkforcesAreRefused(_ words: [String]) {
        let error = #expect(throws: BackupError.self) {
            try Workforce.Plan(invocation(["create"] + words), Configuration())
        }
        #expect(error?.code == .usage)
    }
}
