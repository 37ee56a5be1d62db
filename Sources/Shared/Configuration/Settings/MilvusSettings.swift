import Support

/// The Milvus cluster: `milvus`.
package struct MilvusSettings: Sendable {
    package var user = ""
    package var password = Secret("")
    package var grpc = GRPCSettings()
    /// As configured; empty for "derive it", see ``restBaseURL``.
    package var restEndpoint = ""
    /// Base URL of the management port (garbage collection).
    package var managementEndpoint = "http://localhost:9091"
    package var rpcChannelName = "by-dev-replicate-msg"
    package var etcd = EtcdSettings()
    /// Milvus' own object store.
    package var storage = StorageSettings()

    package init() {}

    /// Base URL of the REST API, without a slash at the end: as configured, else the address and port of gRPC.
    package var restBaseURL: String {
        guard restEndpoint.isEmpty else { return restEndpoint.trimmingTrailingSlashes }
        return "\(grpc.tlsMode == .disabled ? "http" : "https")://\(grpc.endpoint)"
    }
}

/// `milvus.grpc`.
package struct GRPCSettings: Sendable {
    package enum TLSMode: String, Sendable, CaseIterable {
        case disabled
        /// The server shows a certificate.
        case server
        /// Both sides show one.
        case mutual
    }

    package var address = "localhost"
    package var port = 19530
    package var tlsMode = TLSMode.disabled
    /// A PEM file of certificate authorities; empty for the system's.
    package var caCertPath = ""
    /// The name expected in the server's certificate when it is not the address.
    package var serverName = ""
    /// PEM files of our own certificate and key; both set when `tlsMode` is `mutual`.
    package var mtlsCertPath = ""
    package var mtlsKeyPath = ""

    package init() {}

    package var endpoint: HostPort { HostPort(host: address, port: port) }
}

/// `milvus.etcd`, read for backups of index parameters only.
package struct EtcdSettings: Sendable {
    /// `host:port` each; at least one.
    package var endpoints = ["localhost:2379"]
    package var rootPath = "by-dev"

    package init() {}
}

extension String {
    var trimmingTrailingSlashes: String {
        var text = self[...]
        while text.count > 1, text.last == "/" { text = text.dropLast() }
        return String(text)
    }
}
