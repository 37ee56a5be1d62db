import Support

/// `log`.
package struct LogSettings: Sendable {
    package var level = LogLevel.info
    /// Whether log lines are printed as well.
    package var console = true
    /// The log file; empty for none.
    package var path = "logs/backup.log"
    /// Bytes after which the file is rotated; 0 for never.
    package var maximumFileSize: Int64 = 300 << 20
    /// Days a rotated file is kept; 0 for ever.
    package var maximumDays = 0
    /// Rotated files kept; 0 for all.
    package var maximumBackups = 0

    package init() {}
}

/// `server`: the REST API.
package struct ServerSettings: Sendable {
    package var debugMode = false
    package var swaggerBasePath = ""
    /// The address to listen on, with or without a port; empty for the default, see ``address(port:)``.
    package var listen = ""
    /// What clients must show as `Authorization: Bearer`; empty for nothing.
    package var token = Secret("")
    /// PEM files for HTTPS; both set or both empty.
    package var tlsCertificatePath = ""
    package var tlsKeyPath = ""

    package init() {}

    /// Where the server listens: on this machine alone as long as there is no token and nothing else is asked for.
    ///
    /// - Parameter port: the one of the command line or the environment; nil for that of ``listen``, else 8080.
    package func address(port: Int? = nil) -> HostPort {
        let defaultPort = 8080
        guard !listen.isEmpty else {
            return HostPort(host: token.isEmpty ? "127.0.0.1" : "", port: port ?? defaultPort)
        }
        if let address = HostPort(listen) { return HostPort(host: address.host, port: port ?? address.port) }
        return HostPort(host: listen, port: port ?? defaultPort)
    }
}

/// `zillizCloud`, read by `migrate` only.
package struct ZillizCloudSettings: Sendable {
    package var endpoint = "https://api.cloud.zilliz.com"
    package var apiKey = Secret("")

    package init() {}
}

/// `coordinator`: handing out work to agents on other hosts.
package struct CoordinatorSettings: Sendable {
    /// Where agents connect to; nil when no remote agent is awaited. Never anything but loopback without a token.
    package var listen: HostPort?
    /// What agents and coordinator prove to each other that they know; may be empty.
    package var token = Secret("")
    /// How long an agent owns a shard without being heard of.
    package var lease = Duration.seconds(30)
    package var heartbeat = Duration.seconds(5)
    /// Failures of one shard after which the backup fails.
    package var maximumShardFailures = 3
    /// On when it names a certificate; agents must show one of their own when it names an authority.
    package var tls = PeerTLSSettings()
    /// Names of the agents that may work; empty for all whose certificate is good.
    package var allowedAgents: [String] = []

    package init() {}
}

/// `agent`.
package struct AgentSettings: Sendable {
    /// How the agent calls itself; empty for the host's name.
    package var name = ""
    /// Objects in flight.
    package var concurrency = 128
    /// The coordinator to connect to; nil when not set.
    package var coordinator: HostPort?
    /// On when it names an authority.
    package var tls = PeerTLSSettings()
    /// The name in the coordinator's certificate; empty for the host that is dialled.
    package var tlsServerName = ""
    /// Where else in the backup store it may read and write for a coordinator.
    package var allowedRoots: [BucketRoot] = []

    package init() {}
}

/// PEM files for TLS between coordinator and agents; empty for none.
package struct PeerTLSSettings: Sendable, Hashable {
    /// What this side shows.
    package var certificatePath = ""
    package var keyPath = ""
    /// Whom this side trusts.
    package var authorityPath = ""

    package init() {}
}
