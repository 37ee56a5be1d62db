import Glibc
import Support

/// Who makes the object store.
package enum StorageProvider: String, Sendable, CaseIterable {
    case minio, s3, aws, aliyun, tencent, hwc, gcp, gcpnative, azure, local

    /// The values of `auth.type` this provider can have, the usual one first; none for a directory.
    package var authenticationTypes: [AuthenticationType] {
        switch self {
        case .minio, .s3, .aws, .aliyun, .tencent, .hwc, .gcp: [.staticKeys, .iam, .defaultChain]
        case .gcpnative: [.serviceAccount, .defaultChain]
        case .azure: [.sharedKey, .defaultChain]
        case .local: []
        }
    }
}

/// The values of `auth.type`.
package enum AuthenticationType: String, Sendable, CaseIterable {
    case staticKeys = "static"
    case iam
    case defaultChain = "default"
    case sharedKey
    case serviceAccount
}

/// How a store is told who we are.
package enum StorageAuthentication: Sendable, Hashable {
    /// An access key; the session token may be empty.
    case staticKeys(accessKeyID: String, secretAccessKey: Secret, sessionToken: Secret)
    /// Temporary keys of the instance or pod; `endpoint` replaces the metadata service's and may be empty.
    case iam(endpoint: String)
    /// What the provider's own tools would use.
    case defaultChain
    /// Azure's account key; the account's name is ``StorageSettings/accountName``.
    case sharedKey(accountKey: Secret)
    /// A Google service account in a JSON file.
    case serviceAccount(credentialsFile: String)
    /// A local directory needs none.
    case none
}

/// One of the two object stores: `milvus.storage` or `backup.storage`.
package struct StorageSettings: Sendable, Hashable {
    package var provider = StorageProvider.minio
    /// Host name or address, without scheme and port.
    package var address = "localhost"
    package var port = 9000
    package var region = ""
    package var useSSL = false
    /// Azure's storage account; empty for every other provider.
    package var accountName = ""
    package var bucketName = "a-bucket"
    /// The prefix of everything below, without a slash at the end; may be empty. For `local` a directory.
    package var rootPath = "files"
    /// For `local`: the same directory as the Milvus process sees it; empty when it is `rootPath`.
    package var localPath = ""
    /// The store's address as Milvus sees it, when that is another one; else empty.
    package var milvusAddress = ""
    /// 0 when not set.
    package var milvusPort = 0
    package var authentication = StorageAuthentication.staticKeys(
        accessKeyID: "minioadmin", secretAccessKey: Secret("minioadmin"), sessionToken: Secret(""))
    /// A PEM file of certificate authorities that replaces the system's; may be empty.
    package var caCertPath = ""

    package init() {}

    /// What holds the objects: the bucket, for `local` the directory.
    package var container: String { provider == .local ? rootPath : bucketName }

    /// The prefix of everything below in its ``container``; may be empty.
    package var keyRoot: String { provider == .local ? "" : rootPath }

    /// `host:port`.
    package var endpoint: HostPort { HostPort(host: address, port: port) }
}

extension StorageSettings {
    /// What Milvus wants before the keys it shall import: for `local` the directory as Milvus sees it, else nothing.
    package var importRoot: String {
        guard provider == .local else { return "" }
        guard localPath.isEmpty else { return localPath }
        guard !rootPath.hasPrefix("/"), let working = realpath(".", nil) else { return rootPath }
        defer { free(working) }
        return "\(String(cString: working))/\(rootPath)"
    }
}
