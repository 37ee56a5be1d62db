import Glibc
import Support
import Testing

@Suite final class FileWritingTests {
    private let directory: String

    init() throws {
        var template = Array("/tmp/file-writing-XXXXXX".utf8CString)
        directory = try #require(mkdtemp(&template).map { String(cString: $0) })
    }

    deinit {
        for name in ["a", "link"] { unlink(path(name)) }
        rmdir(directory)
    }

    private func path(_ name: String) -> String { "\(directory)/\(name)" }

    private func content(_ name: String) -> String? {
        guard let file = fopen(path(name), "r") else { return nil }
        defer { fclose(file) }
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = fread(&buffer, 1, buffer.count, file)
        return String(decoding: buffer.prefix(count), as: UTF8.self)
    }

    private func mode(_ name: String) -> mode_t {
        var status = stat()
        return lstat(path(name), &status) == 0 ? status.st_mode & 0o777 : 0
    }

    private func write(_ text: String, _ name: String, replaces: Bool = false) throws {
        try writeWholeFile(Array(text.utf8), to: path(name), mode: 0o600, replaces: replaces)
    }

    @Test func aNewFileIsWritten() throws {
        try write("one", "a")
        #expect(content("a") == "one")
        #expect(mode("a") == 0o600)
    }

    @Test func nothingIsReplacedUnlessAsked() throws {
        try write("one", "a")
        #expect(throws: SystemError(EEXIST)) { try write("two", "a") }
        #expect(content("a") == "one")
        try write("two", "a", replaces: true)
        #expect(content("a") == "two")
    }

    @Test func aReplacedFileGetsTheModeThatWasAsked() throws {
        try write("one", "a")
        chmod(path("a"), 0o644)
        try write("two", "a", replaces: true)
        #expect(mode("a") == 0o600)
    }

    @Test func aLinkStaysAndItsFileIsReplaced() throws {
        try write("one", "a")
        #expect(symlink("a", path("link")) == 0)
        try write("two", "link", replaces: true)
        #expect(content("a") == "two")
        var status = stat()
        #expect(lstat(path("link"), &status) == 0 && status.st_mode & S_IFMT == S_IFLNK)
        #expect(content("link") == "two")
    }

    @Test func aLinkToNothingGetsItsFile() throws {
        #expect(symlink("a", path("link")) == 0)
        try write("one", "link", replaces: true)
        #expect(content("a") == "one")
    }

    @Test func aDeviceIsWrittenToAsItIs() throws {
        try writeWholeFile([1], to: "/dev/null", mode: 0o600, replaces: true)
        var status = stat()
        #expect(stat("/dev/null", &status) == 0 && status.st_mode & S_IFMT == S_IFCHR)
        #expect(throws: SystemError(ENOSPC)) {
            try writeWholeFile([1], to: "/dev/full", mode: 0o600, replaces: true)
        }
    }

    @Test func aMissingDirectoryIsAnError() {
        #expect(throws: SystemError(ENOENT)) { try write("one", "no/a") }
        #expect(throws: SystemError(ENOENT)) { try write("one", "no/a", replaces: true) }
    }
}
