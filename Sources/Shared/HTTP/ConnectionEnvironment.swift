import CCurl
import Glibc
import Support
import Synchronization

/// What the process environment says about trust and proxies, read once.
package struct ConnectionEnvironment: Sendable {
    /// `SSL_CERT_FILE`.
    package let certificateFile: String?
    /// PEM text of the bundle and of all files in the directories of `SSL_CERT_DIR`. libcurl would only find files there
    /// whose names are OpenSSL's hashes, which mounted directories do not have.
    package var certificates: [UInt8]? { directories?.text }
    private let directories: CertificateDirectories?
    /// The bundle libcurl was built with, when it is there.
    package let systemBundle: String?
    private let httpProxy: String
    private let httpsProxy: String
    package let noProxy: String

    package init(_ variable: (String) -> String?) {
        func first(_ names: String...) -> String? {
            names.lazy.compactMap(variable).first { !$0.isEmpty }
        }
        certificateFile = first("SSL_CERT_FILE")
        let bundle = ConnectionEnvironment.defaultBundle()
        systemBundle = bundle
        directories = first("SSL_CERT_DIR").map {
            CertificateDirectories(file: first("SSL_CERT_FILE") ?? bundle, directories: $0)
        }
        let proxyForAll = first("all_proxy", "ALL_PROXY")
        httpProxy = first("http_proxy", "HTTP_PROXY") ?? proxyForAll ?? ""
        httpsProxy = first("https_proxy", "HTTPS_PROXY") ?? proxyForAll ?? ""
        let exceptions = first("no_proxy", "NO_PROXY")
        // This machine itself is never reached through a proxy, as in Go's rules, which users of the original know.
        noProxy = exceptions == "*" ? "*" : (exceptions.map { $0 + "," } ?? "") + "localhost,127.0.0.0/8,::1"
    }

    package var hasProxies: Bool { !httpProxy.isEmpty || !httpsProxy.isEmpty }

    /// The proxy's URL, which may hold a password; empty for none.
    package func proxy(for origin: Origin) -> String { origin.isSecure ? httpsProxy : httpProxy }

    private static func defaultBundle() -> String? {
        guard let path = curl_shim_default_bundle().map({ String(cString: $0) }) else { return nil }
        return access(path, R_OK) == 0 ? path : nil
    }

}

/// The text of all certificates in some directories, read when it is first asked for: many files, and few processes need them.
private final class CertificateDirectories: Sendable {
    private let file: String?
    private let directories: String
    private let known = Mutex<[UInt8]?>(nil)

    init(file: String?, directories: String) {
        self.file = file
        self.directories = directories
    }

    var text: [UInt8] {
        known.withLock { known in
            let text = known ?? read()
            known = text
            return text
        }
    }

    private func read() -> [UInt8] {
        var text = file.map { CertificateDirectories.contents(of: $0) } ?? []
        for directory in directories.split(separator: ":") {
            for name in CertificateDirectories.fileNames(in: String(directory)).sorted() {
                text += CertificateDirectories.contents(of: "\(directory)/\(name)")
                text.append(UInt8(ascii: "\n"))
            }
        }
        return text
    }

    private static func fileNames(in directory: String) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names
    }

    private static func contents(of path: String) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { close(descriptor) }
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while case let count = Glibc.read(descriptor, &chunk, chunk.count), count > 0 { all += chunk[..<count] }
        return all
    }
}

/// A variable of the process environment.
package func environmentVariable(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }
