import Glibc
import Support
import TLS

/// The directory of a cluster's certificates: `NAME.crt` and `NAME.key`, among them the authority `ca`.
struct CertificateDirectory {
    private static let largestFile = 1 << 20

    /// Absolute.
    let path: String

    /// Makes the directory if it is not there, for its owner alone.
    init(_ path: String) throws(BackupError) {
        guard !path.isEmpty else {
            throw BackupError(.usage, "where to?", hint: "name a directory with --out")
        }
        guard mkdir(path, 0o700) == 0 || errno == EEXIST, let absolute = realpath(path, nil) else {
            throw CertificateDirectory.failure("make", path)
        }
        defer { free(absolute) }
        self.path = String(cString: absolute)
    }

    /// Whether the authority is here.
    ///
    /// - Throws: `configuration` when half of it is.
    func hasAuthority() throws(BackupError) -> Bool {
        let there = ["ca.crt", "ca.key"].map { access("\(path)/\($0)", F_OK) == 0 }
        guard there[0] == there[1] else {
            throw BackupError(
                .configuration, "\(path) has only one of ca.crt and ca.key",
                hint: "both are needed to sign a certificate; take another directory for a new authority")
        }
        return there[0]
    }

    func authority() throws(BackupError) -> CertificateAndKey {
        CertificateAndKey(certificate: try read("ca.crt"), key: try read("ca.key"))
    }

    /// Writes all or nothing, and replaces nothing. Keys are readable by their owner alone.
    ///
    /// - Returns: the names of the files.
    func write(_ pairs: [(name: String, pem: CertificateAndKey)]) throws(BackupError) -> [String] {
        let files = pairs.flatMap {
            [("\($0.name).key", $0.pem.key, mode_t(0o600)), ("\($0.name).crt", $0.pem.certificate, mode_t(0o644))]
        }
        var written: [String] = []
        for (name, bytes, mode) in files {
            let file = "\(path)/\(name)"
            do throws(SystemError) {
                try writeWholeFile(bytes, to: file, mode: mode, replaces: false)
            } catch {
                for name in written { unlink("\(path)/\(name)") }
                throw CertificateDirectory.failure("write", file, error)
            }
            written.append(name)
        }
        return written
    }

    private func read(_ name: String) throws(BackupError) -> [UInt8] {
        let file = "\(path)/\(name)"
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CertificateDirectory.failure("read", file) }
        defer { close(descriptor) }
        return [UInt8](unsafeUninitializedCapacity: CertificateDirectory.largestFile) { buffer, count in
            count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
        }
    }

    private static func failure(
        _ what: String, _ path: String, _ error: SystemError = SystemError()
    ) -> BackupError {
        let exists = error.number == EEXIST
        return BackupError(
            exists ? .alreadyExists : .configuration,
            "cannot \(what) \(path.escapingControlCharacters): \(error.text)",
            hint: exists ? "nothing is replaced: move the old one away first" : nil)
    }
}
