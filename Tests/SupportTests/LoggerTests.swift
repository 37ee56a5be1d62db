import Glibc
import Support
import Testing

@Suite struct LoggerTests {
    @Test func aLineHasTimeLevelLabelAndFields() throws {
        let sink = MemorySink()
        Logger(label: "backup", sinks: [sink]).info("copied", ["objects": 3, "name": "a b"])
        let line = try #require(sink.lines.first)
        #expect(line.hasSuffix(" INFO backup: copied objects=3 name=\"a b\""))
        #expect(line.contains("T") && line.prefix(4).allSatisfy(\.isNumber))
    }

    @Test func lowerLevelsAreDropped() {
        let sink = MemorySink()
        let logger = Logger(label: "x", level: .warn, sinks: [sink])
        logger.info("no")
        logger.warn("yes")
        #expect(sink.lines.count == 1)
    }

    @Test func nothingFromOutsideCanForgeALine() {
        let sink = MemorySink()
        Logger(label: "x", sinks: [sink]).info("bad\nINFO forged", ["key": "a\r\nb\u{1b}[2J"])
        #expect(sink.lines.allSatisfy { !$0.contains("\n") && !$0.contains("\u{1b}") })
    }

    @Test func secretsPrintAsStars() {
        let secret = Secret("hunter2")
        #expect("\(secret)" == "****")
        #expect(String(reflecting: secret) == "****")
        #expect(String(describing: [secret]).contains("hunter2") == false)
        var dumped = ""
        dump(secret, to: &dumped)
        #expect(!dumped.contains("hunter2"))
    }

    @Test func theFileIsRotatedBySize() throws {
        let directory = "/tmp/milvus-backup-log-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        defer { _ = try? remove(directory) }
        let path = "\(directory)/deep/backup.log"
        let sink = try FileSink(path: path, maximumSize: 100, maximumBackups: 2)
        for number in 0..<20 { sink.write("line \(number) " + String(repeating: "x", count: 30), level: .info) }
        #expect(access(path, F_OK) == 0)
        #expect(access("\(path).1", F_OK) == 0)
        #expect(access("\(path).2", F_OK) == 0)
        #expect(access("\(path).3", F_OK) != 0)
    }

    @Test func withoutANumberAllRotatedFilesStayAndOldOnesGoByTheirAge() throws {
        let directory = "/tmp/milvus-backup-log-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        let path = "\(directory)/deep/backup.log"
        let files = (1...12).map { "\(path).\($0)" }
        defer {
            for file in files { unlink(file) }
            _ = try? remove(directory)
        }
        let sink = try FileSink(path: path, maximumSize: 50, maximumBackups: 0)
        for number in 0..<10 { sink.write("line \(number) " + String(repeating: "x", count: 30), level: .info) }
        #expect(files.map { access($0, F_OK) == 0 } == (1...12).map { $0 <= 9 })
        // The two oldest are three days old.
        for file in files[7...8] {
            var times = [
                timeval(tv_sec: time(nil) - 3 * 86_400, tv_usec: 0),
                timeval(tv_sec: time(nil) - 3 * 86_400, tv_usec: 0),
            ]
            utimes(file, &times)
        }
        _ = try FileSink(path: path, maximumSize: 50, maximumBackups: 0, maximumDays: 4)
        #expect(access(files[8], F_OK) == 0)
        _ = try FileSink(path: path, maximumSize: 50, maximumBackups: 0, maximumDays: 2)
        #expect(files.map { access($0, F_OK) == 0 } == (1...12).map { $0 <= 7 })
    }

    @Test func aLogFileThatCannotBeOpenedIsOneClearLine() {
        #expect { try FileSink(path: "/proc/no/such/place.log", maximumSize: 0, maximumBackups: 0) } throws: {
            ($0 as? BackupError)?.description.contains("/proc/no/such/place.log") == true
        }
    }

    private func remove(_ directory: String) throws {
        for name in ["deep/backup.log", "deep/backup.log.1", "deep/backup.log.2"] { unlink("\(directory)/\(name)") }
        rmdir("\(directory)/deep")
        rmdir(directory)
    }
}
