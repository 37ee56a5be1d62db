import BackupFormat
import ObjectStorageTesting
import Support
import Synchronization
import Testing

@testable import Coordinator
@testable import MilvusClient

/// Users, roles and rights, from Milvus to Milvus.
@Suite(.timeLimit(.minutes(1))) struct RBACTests {
    private static func user(_ name: String, _ roles: [String] = []) -> RBACMetadata.User {
        var user = RBACMetadata.User()
        user.name = name
        user.passwordHash = "hash of \(name)"
        user.roles = roles
        return user
    }

    private static func grant(_ role: String, _ privilege: String, on name: String = "items") -> RBACMetadata.Grant {
        var grant = RBACMetadata.Grant()
        grant.role = role
        grant.object = "Collection"
        grant.objectName = name
        grant.grantor = "root"
        grant.privilege = privilege
        grant.databaseName = "shop"
        return grant
    }

    private static func group(_ name: String) -> RBACMetadata.PrivilegeGroup {
        var group = RBACMetadata.PrivilegeGroup()
        group.name = name
        group.privileges = ["Query", "Search"]
        return group
    }

    private static let some: RBACMetadata = {
        var rbac = RBACMetadata()
        rbac.users = [user("root", ["admin"]), user("ann", ["reader"])]
        rbac.roles = ["admin", "public", "reader"]
        rbac.grants = [grant("reader", "Search"), grant("reader", "Query")]
        rbac.privilegeGroups = [group("look")]
        return rbac
    }()

    private func bench(_ version: String, _ rbac: RBACMetadata = RBACTests.some) -> JobBench {
        let job = JobBench()
        job.milvus.state.withLock {
            $0.version = version
            $0.rbac = Milvus.RBACMeta(rbac)
        }
        return job
    }

    // MARK: Decisions

    @Test func everythingComesBackFromItsMessages() {
        #expect(RBACMetadata(Milvus.RBACMeta(Self.some)) == Self.some)
        #expect(RBACMetadata(Milvus.RBACMeta()) == RBACMetadata())
    }

    @Test func onlyWhatIsNotThereIsMissing() {
        var present = RBACMetadata()
        // Who is there keeps what he has, whatever the backup says of him.
        present.users = [Self.user("root"), Self.user("carl")]
        present.roles = ["admin", "public"]
        present.grants = [Self.grant("reader", "Search"), Self.grant("reader", "Query", on: "orders")]
        present.privilegeGroups = [Self.group("other")]
        let missing = Self.some.missing(in: present)
        #expect(missing.users.map(\.name) == ["ann"] && missing.roles == ["reader"])
        #expect(missing.grants == [Self.grant("reader", "Query")])
        #expect(missing.privilegeGroups.map(\.name) == ["look"])
        #expect(Self.some.missing(in: Self.some) == RBACMetadata())
        #expect(Self.some.missing(in: RBACMetadata()) == Self.some)
    }

    // MARK: Jobs

    @Test func theyAreRecordedOnDemand() async throws {
        let job = bench("v2.4.15")
        try await job.backUp("without")
        #expect(try await job.metadata.read("without", options: .everything).rbac == nil)
        #expect(job.milvus.calls(of: "BackupRBAC").isEmpty)
        try await job.backUp { $0.includesRBAC = true }
        #expect(try await job.metadata.read("nightly", options: .everything).rbac == Self.some)
    }

    @Test func whatIsMissingIsMadeBeforeAnythingElse() async throws {
        let job = bench("v2.4.10")
        try await job.backUp { $0.includesRBAC = true }
        job.forgetCalls()
        var present = RBACMetadata()
        present.users = [Self.user("root")]
        present.roles = ["admin", "public"]
        let there = Milvus.RBACMeta(present)
        job.milvus.state.withLock { $0.rbac = there }
        try await job.restore {
            $0.restoresRBAC = true
            $0.mapper = try NameMapper(renames: "shop.*:market.*,items:things")
        }
        let requests = try job.milvus.requests(Milvus.RestoreRBACRequest.self)
        #expect(requests.map(\.meta) == [Milvus.RBACMeta(Self.some.missing(in: present))])
        let order = job.milvus.methods
        #expect(try #require(order.firstIndex(of: "RestoreRBAC")) < #require(order.firstIndex(of: "CreateDatabase")))
    }

    @Test func whereNothingIsMissingNothingIsAskedFor() async throws {
        let job = bench("v2.4.15")
        try await job.backUp { $0.includesRBAC = true }
        try await job.restore {
            $0.restoresRBAC = true
            $0.mapper = try NameMapper(suffix: "_bak")
        }
        #expect(job.milvus.calls(of: "RestoreRBAC").isEmpty)
    }

    @Test func aBackupWithoutThemIsRestoredWithAWarning() async throws {
        let job = bench("v2.4.15")
        try await job.backUp()
        try await job.restore {
            $0.restoresRBAC = true
            $0.mapper = try NameMapper(suffix: "_bak")
        }
        #expect(job.milvus.calls(of: "RestoreRBAC").isEmpty && job.bench.hasLogged("made without --rbac"))
    }

    @Test func olderServersAreRefusedBeforeAnything() async throws {
        let job = bench("v2.4.9")
        let create = await #expect(throws: BackupError.self) { try await job.backUp { $0.includesRBAC = true } }
        #expect(create?.code == .unsupported && create?.message.contains("2.4.10") == true)
        #expect(job.backups.keys.isEmpty && job.milvus.calls(of: "Flush").isEmpty)
        try await job.backUp()
        let restore = await #expect(throws: BackupError.self) {
            try await job.restore {
                $0.restoresRBAC = true
                $0.mapper = try NameMapper(suffix: "_bak")
            }
        }
        #expect(restore?.code == .unsupported && job.milvus.calls(of: "CreateCollection").isEmpty)
    }
}
