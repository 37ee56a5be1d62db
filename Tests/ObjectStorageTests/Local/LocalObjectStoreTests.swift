import Glibc
import ObjectStorage
import ObjectStorageTesting
import Support
import Testing

/// A directory that is removed with the last reference to it.
private final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/local-store-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit {
        for name in contents().reversed() { remove("\(path)/\(name)") }
        remove(path)
    }

    /// All files and directories below, hidden ones too, in order.
    func contents(of directory: String = "") -> [String] {
        guard let stream = opendir("\(path)/\(directory)") else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name == "." || name == ".." { continue }
            names.append("\(directory)\(name)")
            if Int(entry.pointee.d_type) == Int(DT_DIR) { names += contents(of: "\(directory)\(name)/") }
        }
        return names.sorted()
    }
}

@Suite struct LocalObjectStoreTests {
    private static func store(in directory: TemporaryDirectory) async throws -> LocalObjectStore {
        let store = try LocalObjectStore(root: "\(directory.path)/root")
        try await store.createBucketIfMissing()
        return store
    }

    @Test(arguments: ConformanceCheck.all)
    func holdsTheContract(_ check: ConformanceCheck) async throws {
        let directory = try TemporaryDirectory()
        let store = try await Self.store(in: directory)
        try await check.run(
            on: store, prefix: "data/", features: [.controlCharacters, .lineFeeds],
            other: try LocalObjectStore(root: directory.path))
        #expect(directory.contents().allSatisfy { $0 == "root" })
    }

    @Test func keysStayBelowTheRoot() async throws {
        let directory = try TemporaryDirectory()
        let store = try await Self.store(in: directory)
        for key in [
            "../x", "a/../../x", "..", "/etc/passwd", "/", "a//x", "a\u{0}b", "./x", "a/",
            String(repeating: "a", count: 256),
        ] {
            for call in ["put", "head", "get", "delete", "copy"] {
                await #expect("\(call) of \(key)") {
                    switch call {
                    case "put": _ = try await store.put(key, body: .bytes([1]))
                    case "head": _ = try await store.head(key)
                    case "get": _ = try await store.get(key, range: nil, ifMatch: nil, into: BytePipe())
                    case "delete": try await store.delete([key])
                    default: try await store.copy(ObjectReference(bucket: "\(directory.path)/root", key: "x"), to: key)
                    }
                } throws: { error in
                    let code = (error as? BackupError)?.code
                    return code == .invalidArgument || code == .notFound && key.utf8.count > 255 && call == "copy"
                }
            }
        }
        for prefix in ["../", "/etc/", "a//"] {
            await #expect(throws: BackupError.self) {
                try await store.list(prefix: prefix, delimiter: nil, continuation: nil, limit: 1)
            }
        }
        #expect(throws: BackupError.self) { try LocalObjectStore(root: "/data/../etc") }
        #expect(throws: BackupError.self) { try LocalObjectStore(root: "") }
        #expect(directory.contents() == ["root"])
    }

    @Test func linksLeadNowhere() async throws {
        let directory = try TemporaryDirectory()
        let store = try await Self.store(in: directory)
        let outside = "\(directory.path)/outside"
        mkdir(outside, 0o755)
        let other = try LocalObjectStore(root: outside)
        try await other.put("secret", body: .bytes([1]))
        symlink(outside, "\(directory.path)/root/door")
        symlink("\(outside)/secret", "\(directory.path)/root/window")
        try await store.put("a", body: .bytes([1]))

        #expect(
            try await store.list(prefix: "", delimiter: nil, continuation: nil, limit: 9).objects.map(\.key) == ["a"])
        let isClear = { @Sendable (error: any Error) in
            let failure = error as? BackupError
            return failure?.code == .unsupported && failure?.message.contains("is a symbolic link") == true
        }
        for key in ["door/secret", "window"] {
            await #expect(
                "get",
                performing: {
                    _ = try await store.get(key, range: nil, ifMatch: nil, into: BytePipe())
                }, throws: isClear)
            await #expect("head", performing: { _ = try await store.head(key) }, throws: isClear)
        }
        await #expect(
            "list",
            performing: {
                _ = try await store.list(prefix: "door/", delimiter: nil, continuation: nil, limit: 9)
            }, throws: isClear)
        await #expect("put", performing: { try await store.put("door/new", body: .bytes([2])) }, throws: isClear)
        await #expect("delete", performing: { try await store.delete(["door/secret"]) }, throws: isClear)
        // The name itself becomes a file; what it led to stays as it was.
        try await store.put("window", body: .bytes([2]))
        #expect(try await other.head("secret")?.size == 1)
        #expect(directory.contents(of: "outside/") == ["outside/secret"])
    }

    @Test func aMissingRootIsTold() async throws {
        let directory = try TemporaryDirectory()
        let store = try LocalObjectStore(root: "\(directory.path)/missing")
        for call in [0, 1, 2] {
            await #expect {
                switch call {
                case 0: _ = try await store.list(prefix: "", delimiter: nil, continuation: nil, limit: 1)
                case 1: try await store.put("a/b", body: .bytes([1]))
                default: _ = try await store.get("a", range: nil, ifMatch: nil, into: BytePipe())
                }
            } throws: { error in
                let failure = error as? BackupError
                return failure?.code == .notFound && failure?.message.contains("the directory \"") == true
            }
        }
        #expect(directory.contents().isEmpty)
    }

    @Test func unfinishedFilesDoNotShowAndDoNotStay() async throws {
        let directory = try TemporaryDirectory()
        let store = try await Self.store(in: directory)
        let pipe = BytePipe()
        let writing = Task { try await store.put("a/k", body: .pipe(pipe, length: 2)) }
        try await pipe.write([1])
        while directory.contents().count < 3 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(try await store.list(prefix: "", delimiter: nil, continuation: nil, limit: 10).objects.isEmpty)
        let folded = try await store.list(prefix: "", delimiter: "/", continuation: nil, limit: 10)
        #expect(folded.commonPrefixes.isEmpty)
        pipe.fail(BackupError(.unavailable, "gone"))
        await #expect(throws: BackupError.self) { try await writing.value }
        #expect(directory.contents() == ["root"])
        await #expect(throws: BackupError.self) {
            try await store.put(".milvus-backup-unfinished-1", body: .bytes([]))
        }
    }

    @Test func whatAKilledProcessHasLeftIsFoundAndRemoved() async throws {
        let directory = try TemporaryDirectory()
        let store = try await Self.store(in: directory)
        for key in ["a/b/whole", "other/whole"] { try await store.put(key, body: .bytes([1])) }
        for path in ["a/b", "a", "other"] {
            close(open("\(directory.path)/root/\(path)/.milvus-backup-unfinished-7f", O_CREAT | O_WRONLY, 0o600))
        }
        let uploads = try await store.listMultipartUploads(prefix: "a/")
        #expect(uploads.map(\.key).sorted() == ["a/.milvus-backup-unfinished-7f", "a/b/.milvus-backup-unfinished-7f"])
        for upload in uploads { try await store.abortMultipartUpload(upload.key, uploadID: upload.uploadID) }
        try await store.abortMultipartUpload("a/b/whole", uploadID: "whole")
        let left = directory.contents().filter { !$0.hasSuffix("whole") && $0.contains("unfinished") }
        #expect(left == ["root/other/.milvus-backup-unfinished-7f"])
        #expect(try await store.head("a/b/whole") != nil)
    }

    @Test func conditionsAreHeeded() async throws {
        let directory = try TemporaryDirectory()
        let store = try await Self.store(in: directory)
        let refused = { @Sendable (error: any Error) in (error as? BackupError)?.code == .alreadyExists }
        // Of many that want to be the first, one is.
        let winners = await withTaskGroup(of: Bool.self) { group in
            for number in 0..<16 {
                group.addTask { (try? await store.put("claim", body: .bytes([UInt8(number)]), if: .absent)) != nil }
            }
            return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
        }
        #expect(winners == 1)
        let etag = try #require(try await store.head("claim")).etag
        let next = try await store.put("claim", body: .bytes([99, 99]), if: .unchanged(etag: etag))
        await #expect(
            "changed",
            performing: {
                try await store.put("claim", body: .bytes([1]), if: .unchanged(etag: etag))
            }, throws: refused)
        #expect(try await store.head("claim")?.etag == next.etag)
        #expect(directory.contents() == ["root", "root/claim"])
    }

    @Test func emptiedDirectoriesGoAndTheRootStays() async throws {
        let directory = try TemporaryDirectory()
        let store = try await Self.store(in: directory)
        for key in ["a/b/c/1", "a/2"] { try await store.put(key, body: .bytes([1])) }
        try await store.delete(["a/b/c/1"])
        #expect(directory.contents() == ["root", "root/a", "root/a/2"])
        try await store.delete(["a/2", "a"])
        #expect(directory.contents() == ["root"])
    }

    @Test func aCopyKeepsTheModeAndMayComeFromAnotherRoot() async throws {
        let directory = try TemporaryDirectory()
        let source = try LocalObjectStore(root: "\(directory.path)/one/")
        let target = try LocalObjectStore(root: "\(directory.path)/./two")
        for store in [source, target] { try await store.createBucketIfMissing() }
        let bytes = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 / 7) }
        try await source.put("k", body: .bytes(bytes))
        chmod("\(directory.path)/one/k", 0o640)
        try await target.copy(ObjectReference(bucket: source.identity.bucket, key: "k"), to: "a/k")
        var status = stat()
        #expect(stat("\(directory.path)/two/a/k", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o640)
        let pipe = BytePipe()
        _ = try await target.get("a/k", range: nil, ifMatch: nil, into: pipe)
        #expect(try await pipe.collect(limit: 4_000_000) == bytes)
        #expect(source.identity.isSameBackend(as: target.identity) && source.identity != target.identity)
    }
}
