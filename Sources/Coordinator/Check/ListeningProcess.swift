import Glibc
import Support

/// A process of this machine that listens on a port, as far as this user may see it. Reading /proc blocks for a moment.
struct ListeningProcess: Sendable, CustomStringConvertible {
    let id: Int
    let name: String

    var description: String { "\(name.escapingControlCharacters) (process \(id))" }

    static func find(port: Int) -> ListeningProcess? {
        let sockets = Set(
            ["/proc/net/tcp", "/proc/net/tcp6"].flatMap { inodes(listeningOn: port, in: text(of: $0)) }
                .map { "socket:[\($0)]" })
        guard !sockets.isEmpty else { return nil }
        for id in names(in: "/proc").compactMap({ Int($0) }) {
            let directory = "/proc/\(id)/fd"
            guard names(in: directory).contains(where: { sockets.contains(link("\(directory)/\($0)")) }) else {
                continue
            }
            let name = text(of: "/proc/\(id)/comm").prefix { $0 != "\n" }
            return ListeningProcess(id: id, name: String(name))
        }
        return nil
    }

    /// The sockets of a table of the kernel (`/proc/net/tcp`) that listen on a port.
    static func inodes(listeningOn port: Int, in table: String) -> [String] {
        table.split(separator: "\n").dropFirst().compactMap { line in
            // sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode
            let fields = line.split(separator: " ")
            guard fields.count > 9, fields[3] == "0A", let digits = fields[1].split(separator: ":").last,
                Int(digits, radix: 16) == port
            else { return nil }
            return String(fields[9])
        }
    }

    private static func text(of path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 14)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { text += buffer[..<count] }
        return String(decoding: text, as: UTF8.self)
    }

    private static func names(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            names.append(name)
        }
        return names
    }

    private static func link(_ path: String) -> String {
        let bytes = [UInt8](unsafeUninitializedCapacity: 256) { buffer, count in
            guard let start = buffer.baseAddress else { return }
            count = start.withMemoryRebound(to: CChar.self, capacity: 256) { max(0, readlink(path, $0, 256)) }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
