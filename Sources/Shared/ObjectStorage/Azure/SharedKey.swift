import Support

/// What a Shared Key signature covers.
///
/// Format: "Authorize with Shared Key" in the reference of Azure's storage services, versions since 2015-02-21.
struct SharedKeyRequest {
    var method: String
    /// Percent-encoded, from the first slash.
    var path: String
    /// Not encoded; in any order.
    var query: [(name: String, value: String)] = []
    /// Names in lower case; in any order.
    var headers: [(name: String, value: String)]
    /// Bytes of the body.
    var contentLength: Int64 = 0

    /// The fields that are signed by their values alone.
    private static let standardFields = [
        "content-encoding", "content-language", "content-length", "content-md5", "content-type", "date",
        "if-modified-since", "if-match", "if-none-match", "if-unmodified-since", "range",
    ]

    func stringToSign(account: String) -> String {
        var text = "\(method)\n"
        for field in Self.standardFields {
            if field == "content-length" {
                if contentLength > 0 { text += String(contentLength) }
            } else if let value = headers.first(where: { $0.name == field })?.value {
                text += value
            }
            text += "\n"
        }
        for header in headers.filter({ $0.name.hasPrefix("x-ms-") }).sorted(by: { $0.name < $1.name }) {
            text += "\(header.name):\(header.value)\n"
        }
        text += "/\(account)\(path)"
        for item in query.sorted(by: { $0.name < $1.name }) { text += "\n\(item.name.lowercased()):\(item.value)" }
        return text
    }

    /// The value of the `Authorization` field.
    func authorization(account: String, key: AzureAccountKey) -> String {
        "SharedKey \(account):\(key.signature(of: stringToSign(account: account)))"
    }
}

extension AzureAccountKey {
    /// HMAC-SHA-256 in base 64.
    func signature(of text: String) -> String { Digests.hmacSHA256(key: bytes, Array(text.utf8)).base64 }
}

/// A service SAS: the right to read one blob for a while, as a query. It is a secret like a password.
///
/// Format: "Create a service SAS", versions since 2020-12-06.
struct BlobReadSignature {
    var account: String
    var container: String
    var key: String
    /// `2026-01-31T12:00:00Z`.
    var expiry: String

    func stringToSign(version: String) -> String {
        let resource = "/blob/\(account)/\(container)/\(key)"
        // Permissions, start, expiry, resource, policy, address, protocol, version, kind of resource, snapshot, scope of
        // encryption, and five fields of the answer.
        return ["r", "", expiry, resource, "", "", "https", version, "b", "", "", "", "", "", "", ""]
            .joined(separator: "\n")
    }

    /// Percent-encoded.
    func query(key accountKey: AzureAccountKey, version: String) -> String {
        canonicalQuery([
            ("sp", "r"), ("se", expiry), ("spr", "https"), ("sv", version), ("sr", "b"),
            ("sig", accountKey.signature(of: stringToSign(version: version))),
        ])
    }
}

extension String {
    /// The text without the signature of any SAS in it.
    var redactingSignatures: String {
        var rest = self[...]
        var text = ""
        while let start = rest.firstRange(of: "sig=") {
            text += rest[..<start.upperBound] + "****"
            rest = rest[start.upperBound...].drop { $0 != "&" && !$0.isWhitespace && $0 != "'" && $0 != "\"" }
        }
        return text + rest
    }
}

extension Timestamp {
    /// `Sat, 31 Jan 2026 12:00:00 GMT`.
    var httpDate: String {
        let parts = utc
        let days = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        let day = days[Int(((seconds / 86_400) % 7 + 7) % 7)]
        return "\(day), \(padded(parts.day, 2)) \(months[parts.month - 1]) \(padded(parts.year, 4)) "
            + "\(padded(parts.hour, 2)):\(padded(parts.minute, 2)):\(padded(parts.second, 2)) GMT"
    }

    /// `2026-01-31T12:00:00Z`.
    var iso8601Seconds: String { Timestamp(seconds: seconds).iso8601.prefix(19) + "Z" }
}
