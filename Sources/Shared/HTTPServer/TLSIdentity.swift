import CMicroHTTPD
import Glibc
import Support

/// A certificate and its key, read and checked before a server begins with them.
struct TLSIdentity {
    /// PEM with a final zero, as libmicrohttpd wants it.
    let certificate: [CChar]
    let key: [CChar]

    private static let maximumSize = 1 << 20

    /// Blocks while it reads.
    ///
    /// - Throws: ``BackupError/Code/configuration`` that names the file which is missing, unreadable or not PEM, or both
    ///   files when they do not belong together.
    init(certificatePath: String, keyPath: String) throws(BackupError) {
        certificate = try TLSIdentity.read(certificatePath, "certificate")
        key = try TLSIdentity.read(keyPath, "key")
        let status = cmhd_check_identity(certificate, key)
        guard status == 0 else {
            throw BackupError(
                .configuration,
                "TLS: certificate \(certificatePath.escapingControlCharacters) and key"
                    + " \(keyPath.escapingControlCharacters) cannot be used: \(String(cString: gnutls_strerror(status)))",
                hint: "both must be PEM, the key without a password and the one the certificate was made for")
        }
    }

    private static func read(_ path: String, _ what: String) throws(BackupError) -> [CChar] {
        func failure(_ reason: String) -> BackupError {
            BackupError(
                .configuration, "TLS: cannot read the \(what) file \(path.escapingControlCharacters): \(reason)")
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure(SystemError().text) }
        defer { close(descriptor) }
        var content: [CChar] = []
        var buffer = [CChar](repeating: 0, count: 16 << 10)
        while true {
            let count = Glibc.read(descriptor, &buffer, buffer.count)
            guard count >= 0 else { throw failure(SystemError().text) }
            if count == 0 { break }
            content += buffer[..<count]
            guard content.count <= maximumSize else { throw failure("it is too large for a PEM file") }
        }
        guard !content.isEmpty, !content.contains(0) else { throw failure("it is not PEM") }
        return content + [0]
    }
}
