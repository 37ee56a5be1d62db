/// Where the requests for one bucket go: derived once from the configuration.
struct S3Endpoint: Sendable, Hashable {
    /// The value of the `Host` field, with the port unless it is the scheme's own.
    let hostHeader: String
    /// `http://host:port`, and with virtual hosts `http://bucket.host:port`.
    let root: String
    /// What goes before a key: `/bucket/`, with virtual hosts `/`.
    let keyPrefix: String
    /// The path of the bucket itself.
    var bucketPath: String { keyPrefix }

    init(_ configuration: S3Configuration, region: String) {
        let bucket = configuration.bucket.percentEncodedPath
        var host = S3Endpoint.regionalHost(configuration.host, region: region)
        if host.contains(":"), !host.hasPrefix("[") { host = "[\(host)]" }
        let isVirtual = S3Endpoint.usesVirtualHost(configuration)
        if isVirtual { host = "\(bucket).\(host)" }
        let defaultPort = configuration.useTLS ? 443 : 80
        let isDefault = configuration.port == 0 || configuration.port == defaultPort
        hostHeader = isDefault ? host : "\(host):\(configuration.port)"
        root = "\(configuration.useTLS ? "https" : "http")://\(hostHeader)"
        keyPrefix = isVirtual ? "/" : "/\(bucket)/"
    }

    /// The path of `key`, percent-encoded.
    func path(of key: String) -> String {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(keyPrefix.utf8.count + key.utf8.count + 16)
        bytes.append(contentsOf: keyPrefix.utf8)
        bytes.appendEncoded(path: key)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The region to begin with: as configured, else as the host's name says, else the family's default.
    static func initialRegion(_ configuration: S3Configuration) -> String {
        if !configuration.region.isEmpty { return configuration.region }
        if configuration.provider == .gcp { return "auto" }
        return regionInName(of: configuration.host) ?? "us-east-1"
    }

    /// `eu-west-1` of `s3.eu-west-1.amazonaws.com` or `s3.dualstack.eu-west-1.amazonaws.com.cn`.
    private static func regionInName(of host: String) -> String? {
        guard isAmazon(host) else { return nil }
        let labels = host.split(separator: ".")
        guard let end = labels.lastIndex(of: "amazonaws"), end > 0 else { return nil }
        let name = labels[end - 1]
        return name == "s3" || name.hasPrefix("s3-") ? nil : String(name)
    }

    /// Amazon's global host leads buckets of other regions elsewhere: their own host is asked instead.
    private static func regionalHost(_ host: String, region: String) -> String {
        guard host == "s3.amazonaws.com", !region.isEmpty, region != "us-east-1" else { return host }
        return region.hasPrefix("cn-") ? "s3.\(region).amazonaws.com.cn" : "s3.\(region).amazonaws.com"
    }

    private static func usesVirtualHost(_ configuration: S3Configuration) -> Bool {
        switch configuration.addressing {
        case .path: return false
        case .virtualHost: return true
        case .automatic: break
        }
        switch configuration.provider {
        case .aliyun, .tencent, .hwc: return true
        case .minio, .s3, .aws, .gcp:
            // A certificate for *.host does not cover a bucket's name with a dot in it.
            if configuration.useTLS && configuration.bucket.contains(".") { return false }
            let host = configuration.host
            return isAmazon(host) || host == "storage.googleapis.com" || host.hasSuffix(".aliyuncs.com")
        }
    }

    private static func isAmazon(_ host: String) -> Bool {
        host.hasSuffix(".amazonaws.com") || host.hasSuffix(".amazonaws.com.cn")
    }
}
