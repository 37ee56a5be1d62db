import Glibc
import Support

/// Where the configuration file is, and reading it.
package enum ConfigurationFile {
    /// The file that is read when none is named.
    package static let defaultPath = "backup.yaml"

    /// Looks for the file at `path`, then by its last component in the directory `$MILVUSCONF`, then in `./configs`.
    ///
    /// - Throws: ``BackupError/Code/configuration`` that names all these places.
    package static func find(_ path: String, environment: [String: String]) throws(BackupError) -> String {
        let name = path.split(separator: "/").last.map(String.init) ?? path
        var places = [path]
        if let directory = environment["MILVUSCONF"], !directory.isEmpty {
            places.append("\(directory.trimmingTrailingSlashes)/\(name)")
        }
        places.append("configs/\(name)")
        for place in places where access(place, F_OK) == 0 { return place }
        throw BackupError(
            .configuration, "cannot find the configuration file: looked for \(places.joined(separator: ", "))",
            hint: "name it with --config, or put its directory into MILVUSCONF")
    }

    /// The bytes of a file.
    ///
    /// - Parameter limit: as many as it may have, 1 MiB unless something else is said.
    package static func read(_ path: String, limit: Int = YAMLReader.maximumSize) throws(BackupError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path, errno) }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw unreadable(path, errno) }
            if count == 0 { return bytes }
            bytes += buffer[..<count]
            guard bytes.count <= limit else {
                throw BackupError(.configuration, "the configuration file \(path) has more than \(limit >> 20) MiB")
            }
        }
    }

    private static func unreadable(_ path: String, _ code: Int32) -> BackupError {
        BackupError(.configuration, "cannot read the configuration file \(path): \(SystemError(code).text)")
    }
}

/// The environment variables of this process.
package func processEnvironment() -> [String: String] {
    var result: [String: String] = [:]
    var next = environ
    while let pointer = next.pointee {
        let entry = String(cString: pointer)
        if let equals = entry.firstIndex(of: "=") {
            result[String(entry[..<equals])] = String(entry[entry.index(after: equals)...])
        }
        next += 1
    }
    return result
}
