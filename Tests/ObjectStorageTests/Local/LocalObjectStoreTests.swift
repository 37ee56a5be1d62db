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
    @Test(arguments: ConformanceCheck.all)
    func holdsTheContract(_ check: ConformanceCheck) async throws {
        let directory = try TemporaryDirectory()
        let store = try LocalObjectStore(root: "\(directory.path)/root")
        try await check.run(
            on: store, prefix: "\(directory.path)/root/", features: [.controlCharacters, .lineFeeds])
        #expect(directory.contents().allSatisfy { $0 == "root" })
    }

    @Test func keysStayBelowTheRoot() async throws {
        let directory = try TemporaryDirectory()
        let root = "\(directory.path)/root"
        let store = try LocalObjectStore(root: "\(root)/./")
        for key in [
            "\(root)/../x", "\(root)/a/../../x", "\(root)", "\(root)/", "\(root)x/y", "/etc/passwd", "relative",
            "\(root)//x",
            "\(root)/a\u{0}b", "\(root)/./x",
        ] {
            for call in ["put", "head", "get", "delete", "copy"] {
                await #expect(
                    performing: {
                        switch call {
                        case "put": _ = try await store.put(key, body: .bytes([1]))
                        case "head": _ = try await store.head(key)
                        case "get": _ = try await store.get(key, range: nil, ifMatch: nil, into: BytePipe())
                        case "delete": try await store.delete([key])
                        default: try await store.copy(ObjectReference(bucket: "", key: "\(root)/x"), to: key)
                        }
                    }, throws: { ($0 as? BackupError)?.code == .invalidArgument })
            }
        }
        await #expect(throws: BackupError.self) {
            try await store.list(prefix: "\(root)/../", delimiter: nil, continuation: nil, limit: 1)
        }
        await #expect(throws: BackupError.self) {
            try await store.list(prefix: "/etc/", delimiter: nil, continuation: nil, limit: 1)
        }
        #expect(throws: BackupError.self) { try LocalObjectStore(root: "/data/../etc") }
        #expect(directory.contents().isEmpty)
    }

    @Test func unfinishedFilesDoNotShowAndDoNotStay() async throws {
        let directory = try TemporaryDirectory()
        let store = try LocalObjectStore(root: directory.path)
        let pipe = BytePipe()
        let writing = Task { try await store.put("\(directory.path)/a/k", body: .pipe(pipe, length: 2)) }
        try await pipe.write([1])
        while directory.contents().count < 2 { try await Task.sleep(for: .milliseconds(5)) }
        #expect(try await store.list(prefix: "", delimiter: nil, continuation: nil, limit: 10).objects.isEmpty)
        let folded = try await store.list(
            prefix: "\(directory.path)/", delimiter: "/", continuation: nil, limit: 10)
        #expect(folded.commonPrefixes.isEmpty)
        pipe.fail(BackupError(.unavailable, "gone"))
        await #expect(throws: BackupError.self) { try await writing.value }
        #expect(directory.contents().isEmpty)
        await #expect(throws: BackupError.self) {
            try await store.put("\(directory.path)/.milvus-backup-unfinished-1", body: .bytes([]))
        }
    }

    @Test func emptiedDirectoriesGoAndTheRootStays() async throws {
        let directory = try TemporaryDirectory()
        let store = try LocalObjectStore(root: "\(directory.path)/root")
        for key in ["a/b/c/1", "a/2"] { try await store.put("\(directory.path)/root/\(key)", body: .bytes([1])) }
        try await store.delete(["\(directory.path)/root/a/b/c/1"])
        #expect(directory.contents() == ["root", "root/a", "root/a/2"])
        try await store.delete(["\(directory.path)/root/a/2", "\(directory.path)/root/a"])
        #expect(directory.contents() == ["root"])
    }

    @Test func aCopyKeepsTheModeAndMayComeFromAnotherRoot() async throws {
        let directory = try TemporaryDirectory()
        let source = try LocalObjectStore(root: "\(directory.path)/one")
        let target = try LocalObjectStore(root: "\(directory.path)/two")
        try await source.put("\(directory.path)/one/k", body: .bytes([1, 2, 3]))
        chmod("\(directory.path)/one/k", 0o640)
        try await target.copy(
            ObjectReference(bucket: "", key: "\(directory.path)/one/k"), to: "\(directory.path)/two/k")
        var status = stat()
        #expect(stat("\(directory.path)/two/k", &status) == 0)
        #expect(status.st_mode & 0o777 == 0o640)
        #expect(status.st_size == 3)
        #expect(source.identity.isSameBackend(as: target.identity))
    }

    @Test func linksToDirectoriesAreNotFollowedByListings() async throws {
        let directory = try TemporaryDirectory()
        let store = try LocalObjectStore(root: directory.path)
        try await store.put("\(directory.path)/a/k", body: .bytes([1]))
        symlink(directory.path, "\(directory.path)/a/loop")
        symlink("k", "\(directory.path)/a/link")
        let page = try await store.list(prefix: "\(directory.path)/", delimiter: nil, continuation: nil, limit: 10)
        #expect(page.objects.map(\.key) == ["a/k", "a/link"].map { "\(directory.path)/\($0)" }.sorted())
    }
}
