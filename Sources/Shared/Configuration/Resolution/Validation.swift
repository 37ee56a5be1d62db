import Support

/// Checks what no single value shows: addresses, what goes with what, and what is missing.
struct Validation {
    let values: ResolvedValues
    let file: FileSettings
    /// Keys whose value could not be read, which is reported already.
    let unreadable: Set<String>
    private(set) var problems: [String] = []
    private(set) var warnings: [String] = []

    init(_ values: ResolvedValues, file: FileSettings, unreadable: Set<String>) {
        self.values = values
        self.file = file
        self.unreadable = unreadable
        checkMilvus()
        checkStorage("milvus.storage")
        checkStorage("backup.storage")
        checkCoordinator()
        checkServer()
        checkPair("coordinator.tls")
        checkNeeds("coordinator.tls.certPath", for: "coordinator.tls.caPath")
        checkNeeds("coordinator.tls.caPath", for: "coordinator.tls.allowedAgents")
        checkPair("agent.tls")
        checkNeeds("agent.tls.caPath", for: "agent.tls.certPath")
        checkNeeds("agent.tls.caPath", for: "agent.tls.serverName")
    }

    /// Adds a problem with the value of a key, under the name and at the place the user knows.
    mutating func report(_ key: String, _ message: String) {
        problems.append("\(place(key)): \(message)")
    }

    mutating func warn(_ key: String, _ message: String) {
        warnings.append("\(place(key)): \(message)")
    }

    private func place(_ key: String) -> String {
        guard let origin = values.origin(key) else { return key }
        guard let source = origin.inheritedFrom else { return file.place(of: origin) }
        return "\(file.place(of: origin)) (inherited from \(source))"
    }

    // MARK: Milvus

    private mutating func checkMilvus() {
        checkHost("milvus.grpc.address")
        if values.text("milvus.grpc.tlsMode") == "mutual" {
            for key in ["milvus.grpc.mtlsCertPath", "milvus.grpc.mtlsKeyPath"] where values.text(key).isEmpty {
                report(key, "must not be empty when tlsMode is mutual")
            }
        }
        checkURL("milvus.rest.endpoint", mayBeEmpty: true)
        checkURL("milvus.management.endpoint", mayBeEmpty: false)
        if values.list("milvus.etcd.endpoints").isEmpty {
            report("milvus.etcd.endpoints", "needs at least one host:port")
        }
    }

    private mutating func checkURL(_ key: String, mayBeEmpty: Bool) {
        let url = values.text(key)
        if url.isEmpty, mayBeEmpty { return }
        let lower = url.lowercased()
        let rest = ["http://", "https://"].first { lower.hasPrefix($0) }.map { url.dropFirst($0.count) }
        let host = rest?.prefix { !"/?#".contains($0) } ?? ""
        guard !host.isEmpty, !url.contains(where: \.isWhitespace) else {
            report(key, "\(quoted(url)) is not a URL such as http://localhost:9091")
            return
        }
        if host.contains("@") { report(key, "must not contain a user name or password") }
    }

    /// A name or address alone, without scheme, port and path.
    mutating func checkHost(_ key: String) {
        let host = values.text(key)
        if host.isEmpty { return report(key, "must not be empty") }
        let colons = host.count { $0 == ":" }
        guard colons == 1 || host.contains(where: { $0 == "/" || $0 == "@" || $0.isWhitespace }) else { return }
        report(key, "\(quoted(host)) is not a host name or address alone; scheme and port have keys of their own")
    }

    // MARK: Server

    private mutating func checkServer() {
        checkPair("server.tls")
        let listen = values.text("server.listen")
        if listen.contains(where: { $0 == "/" || $0.isWhitespace }) {
            report("server.listen", "\(quoted(listen)) is not an address or HOST:PORT")
        }
    }

    // MARK: TLS

    /// A certificate and its key go together.
    private mutating func checkPair(_ section: String) {
        let (certificate, key) = ("\(section).certPath", "\(section).keyPath")
        if values.text(certificate).isEmpty != values.text(key).isEmpty {
            let missing = values.text(key).isEmpty ? key : certificate
            report(missing, "must be set as well: TLS needs both \(certificate) and \(key)")
        }
    }

    /// One key has no effect without another.
    private mutating func checkNeeds(_ needed: String, for key: String) {
        guard values.text(needed).isEmpty, values.values[key]?.value.isEmpty == false else { return }
        report(needed, "must be set as well: without it \(key) has no effect")
    }

    // MARK: Coordinator and agents

    private mutating func checkCoordinator() {
        if let listen = HostPort(values.text("coordinator.listen")), !listen.isLoopback,
            values.secret("coordinator.token").isEmpty
        {
            report(
                "coordinator.listen",
                "\(listen) can be reached from other hosts, and that needs a token: set coordinator.token or the "
                    + "environment variable MILVUS_BACKUP_TOKEN, or listen on 127.0.0.1")
        }
        let allowedRoots = values.list("agent.allowedRoots")
        let areDirectories = values.text("backup.storage.provider") == StorageProvider.local.rawValue
        for entry in allowedRoots where BucketRoot(entry, isDirectory: areDirectories) == nil {
            let form =
                areDirectories ? "an absolute path without \"..\"" : "of the form BUCKET/ROOT, as in backups/nightly"
            report("agent.allowedRoots", "\(quoted(entry)) is not \(form)")
        }
        if allowedRoots.count > 256 { report("agent.allowedRoots", "has more than 256 entries") }
        let heartbeat = values.integer("coordinator.heartbeatSeconds")
        if values.integer("coordinator.leaseSeconds") < 2 * heartbeat {
            report(
                "coordinator.leaseSeconds", "must be at least twice coordinator.heartbeatSeconds, which is \(heartbeat)"
            )
        }
    }
}
