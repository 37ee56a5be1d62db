import CopyWorker
import ShardProtocol
import Support
import Testing

@Suite struct KeyRulesTests {
    let rules: KeyRules
    let wholeBuckets: KeyRules

    init() throws {
        rules = try KeyRules(
            roots: StorageRoots(milvus: "files", backup: "/backups/daily/"), backupName: "nightly", sharesBucket: false)
        wholeBuckets = try KeyRules(
            roots: StorageRoots(milvus: "", backup: "/"), backupName: "nightly", sharesBucket: false)
    }

    static let longest = "files/" + String(repeating: "a", count: 1018)

    /// The error's message, nil when there is none.
    func refusal(_ check: () throws(BackupError) -> Void) -> String? {
        do throws(BackupError) {
            try check()
            return nil
        } catch {
            #expect(error.code == .invalidArgument)
            #expect(!error.isRetryable)
            return error.message
        }
    }

    // MARK: Reading

    @Test(arguments: [
        (StorageID.milvus, "files/insert_log/1/2/3/100/5"), (.milvus, "files/x"), (.milvus, longest),
        (.milvus, "files/ä ö/%2e%2e/..."), (.milvus, "files/.hidden"), (.backup, "backups/daily/nightly/binlogs/x"),
        (.backup, "backups/daily/another/x"),
    ])
    func readsBelowTheRoots(storage: StorageID, key: String) {
        #expect(refusal { () throws(BackupError) in try rules.checkRead(key, on: storage) } == nil)
    }

    @Test(arguments: [
        (StorageID.milvus, "other/insert_log/1", "is not below the root \"files/\""),
        (.milvus, "files", "is not below the root"), (.milvus, "files2/x", "is not below the root"),
        (.milvus, "insert_log/files/x", "is not below the root"), (.milvus, "FILES/x", "is not below the root"),
        (.milvus, "backups/daily/nightly/x", "is not below the root"),
        (.milvus, "restore-temp-1/x", "is not below the root"), (.backup, "files/x", "is not below the root"),
        (.backup, "backups/x", "is not below the root"), (.backup, "backups/daily", "is not below the root"),
    ])
    func readsNothingElse(storage: StorageID, key: String, rule: String) {
        let message = refusal { () throws(BackupError) in try rules.checkRead(key, on: storage) }
        #expect(message?.contains(rule) == true)
        #expect(message?.contains("\"\(key)\"") == true)
    }

    // MARK: Writing

    @Test(arguments: [
        (StorageID.backup, "backups/daily/nightly/binlogs/insert_log/1"), (.backup, "backups/daily/nightly/x"),
        (.milvus, "restore-temp-1/x"), (.milvus, "restore-temp-abc-db-coll/binlogs/insert_log/1/2/3/4"),
    ])
    func writesWhereItMay(storage: StorageID, key: String) {
        #expect(refusal { () throws(BackupError) in try rules.checkWrite(key, on: storage) } == nil)
    }

    @Test(arguments: [
        (StorageID.backup, "backups/daily/nightly", "is not below \"backups/daily/nightly/\""),
        (.backup, "backups/daily/nightly2/x", "is not below"), (.backup, "backups/daily/other/x", "is not below"),
        (.backup, "backups/daily/x", "is not below"), (.backup, "nightly/x", "is not below"),
        (.backup, "restore-temp-1/x", "is not below"), (.backup, "files/x", "is not below"),
        (.milvus, "files/insert_log/1", "is not below \"restore-temp-*/\""), (.milvus, "x", "is not below"),
        (.milvus, "restore-temp-1", "is not below"), (.milvus, "restore-temp-/x", "is not below"),
        (.milvus, "restore-temp/x", "is not below"), (.milvus, "a/restore-temp-1/x", "is not below"),
        (.milvus, "Restore-temp-1/x", "is not below"), (.milvus, "files/restore-temp-1/x", "is not below"),
    ])
    func writesNothingElse(storage: StorageID, key: String, rule: String) {
        let message = refusal { () throws(BackupError) in try rules.checkWrite(key, on: storage) }
        #expect(message?.contains(rule) == true)
        #expect(message?.contains("\"\(key)\"") == true)
    }

    @Test func neverWritesBelowMilvusOwnRoot() throws {
        for root in ["restore-temp-1", "restore-temp-1/files"] {
            let rules = try KeyRules(
                roots: StorageRoots(milvus: root, backup: "b"), backupName: "n", sharesBucket: false)
            let message = refusal { () throws(BackupError) in
                try rules.checkWrite("\(root)/insert_log/1", on: .milvus)
            }
            #expect(message?.contains("Milvus' own root") == true)
            #expect(refusal { () throws(BackupError) in try rules.checkWrite("restore-temp-2/x", on: .milvus) } == nil)
        }
    }

    /// A coordinator chooses the name of the backup: in one bucket it must not be that of live data.
    @Test(arguments: [
        ("", "files", "files/insert_log/1", false), ("", "nightly", "nightly/insert_log/1", true),
        ("files", "insert_log", "files/insert_log/1", false),
        ("files/backup", "nightly", "files/backup/nightly/x", true),
        ("files2", "nightly", "files2/nightly/x", true),
    ])
    func inOneBucketLiveDataIsNoBackup(root: String, name: String, key: String, isAllowed: Bool) throws {
        for sharesBucket in [true, false] {
            let rules = try KeyRules(
                roots: StorageRoots(milvus: "files", backup: root), backupName: name, sharesBucket: sharesBucket)
            let message = refusal { () throws(BackupError) in try rules.checkWrite(key, on: .backup) }
            #expect((message == nil) == (isAllowed || !sharesBucket))
        }
    }

    @Test func anEmptyRootIsTheWholeBucket() {
        let rules = wholeBuckets
        #expect(refusal { () throws(BackupError) in try rules.checkRead("insert_log/1", on: .milvus) } == nil)
        #expect(refusal { () throws(BackupError) in try rules.checkRead("other/meta/x", on: .backup) } == nil)
        #expect(refusal { () throws(BackupError) in try rules.checkWrite("nightly/x", on: .backup) } == nil)
        #expect(refusal { () throws(BackupError) in try rules.checkWrite("restore-temp-1/x", on: .milvus) } == nil)
        #expect(refusal { () throws(BackupError) in try rules.checkWrite("nightly2/x", on: .backup) } != nil)
        #expect(refusal { () throws(BackupError) in try rules.checkWrite("insert_log/1", on: .milvus) } != nil)
    }

    // MARK: Shapes

    @Test(arguments: [
        ("", "is empty"), ("/files/x", "empty segment"), ("files//x", "empty segment"), ("files/x/", "empty segment"),
        ("files/./x", "segment \".\""), ("files/../x", "segment \"..\""), ("files/x/..", "segment \"..\""),
        ("../files/x", "segment \"..\""), ("files/a\nb", "control character"), ("files/a\u{0}b", "control character"),
        ("files/a\u{7f}b", "control character"), ("files/a\u{85}b", "control character"),
        (longest + "a", "more than 1024 bytes"),
        ("files/" + String(repeating: "ä", count: 510), "more than 1024 bytes"),
    ])
    func keysArePlain(key: String, rule: String) {
        for storage in StorageID.allCases {
            for rules in [rules, wholeBuckets] {
                let read = refusal { () throws(BackupError) in try rules.checkRead(key, on: storage) }
                let written = refusal { () throws(BackupError) in try rules.checkWrite(key, on: storage) }
                #expect(read?.contains(rule) == true && written?.contains(rule) == true)
                #expect(read?.unicodeScalars.contains { $0.value < 0x20 } == false, "it is one line")
            }
        }
    }

    @Test func spellingsOfALetterAreDifferentKeys() throws {
        // One character or two: equal for Swift, different for a store.
        let rules = try KeyRules(
            roots: StorageRoots(milvus: "caf\u{e9}", backup: "b"), backupName: "n", sharesBucket: false)
        #expect(refusal { () throws(BackupError) in try rules.checkRead("caf\u{e9}/x", on: .milvus) } == nil)
        #expect(refusal { () throws(BackupError) in try rules.checkRead("cafe\u{301}/x", on: .milvus) } != nil)
    }

    // MARK: Tasks

    @Test func aTaskGoesFromOneStorageToTheOther() {
        for storage in StorageID.allCases {
            let message = refusal { () throws(BackupError) in
                try rules.check(source: "files/x", on: storage, destination: "files/y", on: storage)
            }
            #expect(message?.contains("inside one storage") == true)
        }
        #expect(
            refusal { () throws(BackupError) in
                try rules.check(
                    source: "files/x", on: .milvus, destination: "backups/daily/nightly/x", on: .backup)
            } == nil)
        #expect(
            refusal { () throws(BackupError) in
                try rules.check(
                    source: "backups/daily/nightly/x", on: .backup, destination: "restore-temp-1/x", on: .milvus)
            } == nil)
    }

    @Test func nothingIsItsOwnDestination() throws {
        let key = "nightly/restore-temp-1/x"
        for isShared in [true, false] {
            let rules = try KeyRules(
                roots: StorageRoots(milvus: "", backup: ""), backupName: "nightly", sharesBucket: isShared)
            let message = refusal { () throws(BackupError) in
                try rules.check(source: key, on: .milvus, destination: key, on: .backup)
            }
            #expect((message != nil) == isShared)
        }
    }

    // Those with other characters were made by other tools, and are restored.
    @Test(arguments: ["a", "_", "Nightly_2026", "1a", "a-b", "a.b", "a b", "ä", String(repeating: "a", count: 255)])
    func namesOfBackups(name: String) {
        #expect(
            refusal { () throws(BackupError) in
                _ = try KeyRules(roots: StorageRoots(milvus: "", backup: ""), backupName: name, sharesBucket: false)
            } == nil)
    }

    @Test(arguments: [
        "", "a/b", "/", ".", "..", "a/..", "a\n", "\u{7f}", "\u{85}", String(repeating: "a", count: 256),
    ])
    func namesOfNoBackups(name: String) {
        #expect(
            refusal { () throws(BackupError) in
                _ = try KeyRules(roots: StorageRoots(milvus: "", backup: ""), backupName: name, sharesBucket: false)
            } != nil)
    }
}

@Suite struct ShardRulesTests {
    static let lease = Lease(job: "j", shard: 1, epoch: 1)

    func refusal(
        name: String = "nightly", storages: Set<StorageID> = [.milvus, .backup], _ tasks: [CopyTask]
    ) -> ShardFailure? {
        let rules = ShardRules(
            roots: StorageRoots(milvus: "files", backup: "backup"), storages: storages, sharesBucket: false)
        let shard = Shard(
            id: 1, source: .milvus, destination: .backup, sourcePrefix: "files/", destinationPrefix: "backup/nightly/",
            mode: .auto, tasks: tasks)
        return rules.refusal(of: Assignment(lease: Self.lease, backupName: name, shard: shard))
    }

    @Test func aLawfulShardPasses() {
        #expect(refusal([CopyTask(source: "a", size: 1), CopyTask(source: "b", destination: "c/d", size: 0)]) == nil)
        #expect(refusal([]) == nil)
    }

    @Test func oneUnlawfulTaskRefusesTheShard() {
        let failure = refusal([
            CopyTask(source: "a", size: 1), CopyTask(source: "b", destination: "../other/b", size: 1),
        ])
        #expect(failure?.lease == Self.lease)
        #expect(failure?.key == "files/b")
        #expect(failure?.code == "invalidArgument")
        #expect(failure?.isRetryable == false)
        #expect(failure?.message.contains("backup/nightly/../other/b") == true)
    }

    /// A digest tells of the content: nothing but the backup is read for one.
    @Test(arguments: [
        (StorageID.backup, StorageID.backup, "backup/nightly/", true),
        (.milvus, .milvus, "files/", false), (.backup, .milvus, "backup/nightly/", false),
        (.backup, .backup, "backup/weekly/", false), (.backup, .backup, "backup/nightly/../", false),
    ])
    func onlyTheBackupIsVerified(source: StorageID, destination: StorageID, prefix: String, isLawful: Bool) {
        let rules = ShardRules(
            roots: StorageRoots(milvus: "files", backup: "backup"), storages: [.milvus, .backup], sharesBucket: false)
        let shard = Shard(
            id: 1, operation: .verify, source: source, destination: destination, sourcePrefix: prefix,
            destinationPrefix: prefix, mode: .streaming, tasks: [CopyTask(source: "a", size: 1)])
        let refusal = rules.refusal(of: Assignment(lease: Self.lease, backupName: "nightly", shard: shard))
        #expect((refusal == nil) == isLawful)
    }

    // MARK: Allowed roots

    private func refusal(
        at place: BackupPlace?, destination: String, source: String = "files/a", sharing: Bool = false
    ) -> ShardFailure? {
        let rules = ShardRules(
            roots: StorageRoots(milvus: "files", backup: "backup"), storages: [.milvus, .backup], sharesBucket: false,
            places: [
                BackupPlace(bucket: "b", root: "backup"): false, BackupPlace(bucket: "b", root: "old"): false,
                BackupPlace(bucket: "whole", root: ""): sharing,
            ])
        let shard = Shard(
            id: 1, source: .milvus, destination: .backup, sourcePrefix: source, destinationPrefix: destination,
            mode: .auto, tasks: [CopyTask(source: "", size: 1)])
        return rules.refusal(
            of: Assignment(lease: Self.lease, backupName: "nightly", backupPlace: place, shard: shard))
    }

    @Test(arguments: [
        ("b", "old", "old/nightly/a"), ("b", "backup", "backup/nightly/a"), ("whole", "", "nightly/a"),
    ])
    func anAllowedRootIsWorkedIn(bucket: String, root: String, key: String) {
        #expect(refusal(at: BackupPlace(bucket: bucket, root: root), destination: key) == nil)
    }

    @Test(arguments: [
        ("b", "new", "new/nightly/a"), ("b", "old/nightly", "old/nightly/nightly/a"), ("other", "old", "old/nightly/a"),
        ("b", "", "nightly/a"), ("whole", "backup", "backup/nightly/a"),
    ])
    func noOtherRootIsWorkedIn(bucket: String, root: String, key: String) {
        let failure = refusal(at: BackupPlace(bucket: bucket, root: root), destination: key)
        #expect(failure?.code == "permissionDenied" && failure?.isRetryable == false)
        #expect(failure?.message.contains("agent.allowedRoots") == true)
    }

    @Test func theRulesOfKeysHoldThereAsWell() {
        let old = BackupPlace(bucket: "b", root: "old")
        for key in ["backup/nightly/a", "old/other/a", "old/nightly/../other/a", "old/nightly/a/"] {
            #expect(refusal(at: old, destination: key)?.code == "invalidArgument")
        }
        // What is allowed is allowed only where the assignment says so.
        #expect(refusal(at: nil, destination: "old/nightly/a")?.code == "invalidArgument")
        let whole = BackupPlace(bucket: "whole", root: "")
        let same = "files/nightly/a"
        #expect(refusal(at: whole, destination: "nightly/a", source: "nightly/a", sharing: true) != nil)
        #expect(refusal(at: whole, destination: same, source: same, sharing: true) != nil)
    }

    @Test func whatThisVersionCannotDoIsRefused() {
        #expect(refusal([CopyTask(source: "a", size: -1)])?.code == "invalidArgument")
        #expect(refusal(name: "../x", [CopyTask(source: "a", size: 1)])?.code == "invalidArgument")
        #expect(refusal(storages: [.backup], [CopyTask(source: "a", size: 1)])?.code == "configuration")
    }

    @Test func partsLieWithinTheirObject() {
        func refused(_ part: PartRange, etag: String? = nil) -> String? {
            refusal([CopyTask(source: "a", size: 100, etag: etag, part: part)])?.code
        }
        for (offset, length, number, count) in [(0, 100, 1, nil), (99, 1, 10_000, 10_000), (0, 1, 2, 2)]
            as [(Int64, Int64, Int, Int?)]
        {
            let part = PartRange(offset: offset, length: length, uploadID: "u-1~/+=", number: number, count: count)
            #expect(refused(part, etag: "9bb58f26192e4ba00f01e2e7b136bbd8-2") == nil)
        }
        for (offset, length) in [(-1, 2), (0, 0), (0, -1), (0, 101), (100, 1), (1, .max), (.max, .max), (.min, 1)]
            as [(Int64, Int64)]
        {
            #expect(refused(PartRange(offset: offset, length: length, uploadID: "u", number: 1)) == "invalidArgument")
        }
        for (number, count) in [(0, nil), (-1, nil), (10_001, nil), (3, 2), (1, 10_001), (.max, .max)] as [(Int, Int?)]
        {
            let part = PartRange(offset: 0, length: 1, uploadID: "u", number: number, count: count)
            #expect(refused(part) == "invalidArgument")
        }
        for id in ["", "u\r\nx: y", "u v", "ü", String(repeating: "u", count: 2049)] {
            #expect(refused(PartRange(offset: 0, length: 1, uploadID: id, number: 1)) == "invalidArgument")
        }
        let part = PartRange(offset: 0, length: 1, uploadID: "u", number: 1)
        for etag in ["e\r\nx: y", "a\"", "e e"] { #expect(refused(part, etag: etag) == "invalidArgument") }
    }
}
