import FoundationEssentials
import HTTP
import Support

/// Everything that is needed to reach one container of Azure Blob Storage.
package struct AzureConfiguration: Sendable {
    /// The storage account's name.
    package var account: String
    /// What follows `<account>.blob.`, as `core.windows.net`; see ``AzureEndpoint`` for what else it may be.
    package var host: String
    package var port: Int
    package var container: String
    package var authorization: AzureAuthorization
    package var tls = TLSSettings()
    /// A request that moves no byte for so long is given up.
    package var stallTimeout: Duration = .seconds(60)
    /// How long the service may say nothing while it copies or assembles a blob by itself.
    package var serverSideTimeout: Duration = .seconds(600)

    /// - Throws: ``BackupError/Code/configuration`` for an account that cannot exist: its name becomes a part of the host's.
    package init(
        account: String, host: String, port: Int, container: String, authorization: AzureAuthorization
    ) throws(BackupError) {
        let isName = account.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard isName, (3...24).contains(account.utf8.count) else {
            throw BackupError(
                .configuration, "accountName \"\(account.escapingControlCharacters)\" is no name of a storage account",
                hint: "it has 3 to 24 lower-case letters and digits")
        }
        self.account = account
        self.host = host
        self.port = port
        self.container = container
        self.authorization = authorization
    }
}

/// How a storage account is told who we are.
package enum AzureAuthorization: Sendable {
    /// An account key: the `secretAccessKey` of what the provider gives.
    case sharedKey(any CredentialsProvider)
    /// OAuth tokens: the `sessionToken` of what the provider gives.
    case tokens(any CredentialsProvider)

    var provider: any CredentialsProvider {
        switch self {
        case .sharedKey(let provider), .tokens(let provider): provider
        }
    }
}

extension S3Credentials {
    /// A key of a storage account as the credentials that ``AzureAuthorization/sharedKey(_:)`` asks for.
    package init(accountKey: Secret) { self.init(accessKeyID: "", secretAccessKey: accountKey) }
}

/// One of the two keys of a storage account. Printing or dumping it shows nothing.
package struct AzureAccountKey: Sendable, CustomStringConvertible, CustomReflectable {
    let bytes: [UInt8]

    /// - Throws: ``BackupError/Code/configuration`` when the text is not base 64, as every account key is.
    package init(_ text: Secret) throws(BackupError) {
        guard let data = Data(base64Encoded: text.exposed), !data.isEmpty else {
            throw BackupError(
                .configuration, "auth.accountKey is no account key: it is not base 64",
                hint: "copy a key of the storage account from its page \"Access keys\"")
        }
        bytes = Array(data)
    }

    package var description: String { "****" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}

/// Where the requests for one account go. Always TLS.
///
/// - `core.windows.net` (the address of the original): `https://<account>.blob.core.windows.net`;
/// - `blob.…` or `<account>.blob.…`, as people copy it from the portal, gives the same host;
/// - an IP address or `localhost` is an emulator, which has the account in the path: `https://127.0.0.1:10000/<account>`.
struct AzureEndpoint: Sendable, Hashable {
    /// Host and port, without the scheme's own port.
    let authority: String
    /// `/<account>` for an emulator, else empty.
    let pathPrefix: String

    var root: String { "https://\(authority)" }
    /// For messages and for comparing two stores: tells the account in any case.
    var description: String { "\(authority)\(pathPrefix)" }

    init(account: String, host: String, port: Int) {
        let name: String
        if AzureEndpoint.isEmulator(host) {
            pathPrefix = "/\(account)"
            name = host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
        } else {
            pathPrefix = ""
            if host.hasPrefix("\(account).blob.") {
                name = host
            } else if host.hasPrefix("blob.") {
                name = "\(account).\(host)"
            } else {
                name = "\(account).blob.\(host)"
            }
        }
        authority = port == 0 || port == 443 ? name : "\(name):\(port)"
    }

    /// The path of a container, or of a blob in it, percent-encoded.
    func path(container: String, key: String?) -> String {
        var bytes = Array(pathPrefix.utf8)
        bytes.append(UInt8(ascii: "/"))
        bytes.appendEncoded(path: container)
        if let key {
            bytes.append(UInt8(ascii: "/"))
            bytes.appendEncoded(path: key)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func isEmulator(_ host: String) -> Bool {
        if host == "localhost" || host.contains(":") { return true }
        let numbers = host.split(separator: ".", omittingEmptySubsequences: false)
        return numbers.count == 4 && numbers.allSatisfy { UInt8($0) != nil }
    }
}
