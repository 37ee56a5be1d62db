import Support

extension Validation {
    /// Which kinds of authentication a credential belongs to.
    static let credentials: [(name: String, type: AuthenticationType, isRequired: Bool)] = [
        ("accessKeyID", .staticKeys, true),
        ("secretAccessKey", .staticKeys, true),
        ("sessionToken", .staticKeys, false),
        ("accountKey", .sharedKey, true),
        ("credentialsFile", .serviceAccount, true),
        ("endpoint", .iam, false),
    ]

    /// False for a credential that belongs to another kind of authentication than its section has; true for all other keys.
    static func credentialApplies(_ key: String, _ values: ResolvedValues) -> Bool {
        for section in ["milvus.storage", "backup.storage"] where key.hasPrefix("\(section).auth.") {
            guard let credential = credentials.first(where: { key == "\(section).auth.\($0.name)" }) else { continue }
            let isLocal = values.text("\(section).provider") == StorageProvider.local.rawValue
            return !isLocal && values.text("\(section).auth.type") == credential.type.rawValue
        }
        return true
    }

    /// Checks `milvus.storage` or `backup.storage`. Of a local directory nothing else is looked at.
    mutating func checkStorage(_ section: String) {
        guard !unreadable.contains("\(section).provider"),
            let provider = StorageProvider(rawValue: values.text("\(section).provider")), provider != .local
        else { return }
        checkAddress(section)
        checkAccount(section, provider)
        checkViewOfMilvus(section)
        guard !unreadable.contains("\(section).auth.type"),
            let type = AuthenticationType(rawValue: values.text("\(section).auth.type"))
        else { return }
        let isSameProvider = provider.rawValue == values.text("milvus.storage.provider")
        guard provider.authenticationTypes.contains(type) else {
            if isSameProvider, isInherited("\(section).auth.type") { return }
            let possible = provider.authenticationTypes.map(\.rawValue).joined(separator: " or ")
            report(
                "\(section).auth.type",
                "\"\(type.rawValue)\" does not go with provider \(provider.rawValue); set \(section).auth.type to \(possible)"
            )
            return
        }
        checkCredentials(section, type)
    }

    private mutating func checkAddress(_ section: String) {
        if !isInherited("\(section).address") { checkHost("\(section).address") }
        if values.integer("\(section).port") == 0, !isInherited("\(section).port") {
            report("\(section).port", "must be between 1 and 65535, not 0")
        }
        if values.text("\(section).bucketName").isEmpty {
            warn("\(section).bucketName", "is empty: no bucket can be used")
        }
    }

    private mutating func checkAccount(_ section: String, _ provider: StorageProvider) {
        let key = "\(section).accountName"
        if provider == .azure {
            let isReported = isInherited(key) && values.text("milvus.storage.provider") == provider.rawValue
            if values.text(key).isEmpty, !isReported { report(key, "must not be empty with provider azure") }
        } else if values.isSetExplicitly(key) {
            report(key, "applies to provider azure only, not to \(provider.rawValue)")
        }
    }

    private mutating func checkViewOfMilvus(_ section: String) {
        let hasAddress = !values.text("\(section).milvusAddress").isEmpty
        if hasAddress { checkHost("\(section).milvusAddress") }
        if !hasAddress, values.integer("\(section).milvusPort") != 0 {
            report("\(section).milvusPort", "needs \(section).milvusAddress as well")
        }
    }

    private mutating func checkCredentials(_ section: String, _ type: AuthenticationType) {
        let sameForMilvus = values.text("milvus.storage.auth.type") == type.rawValue
        for credential in Validation.credentials {
            let key = "\(section).auth.\(credential.name)"
            if credential.type != type {
                guard values.isSetExplicitly(key) else { continue }
                report(key, "does not apply when \(section).auth.type is \"\(type.rawValue)\"")
            } else if credential.isRequired, values.isEmpty(key), !unreadable.contains(key) {
                if isInherited(key), sameForMilvus { continue }
                report(key, "must not be empty: authentication \"\(type.rawValue)\" needs it")
            }
        }
    }

    /// Whether a value is another section's, where it was checked already.
    private func isInherited(_ key: String) -> Bool { values.origin(key)?.inheritedFrom != nil }
}
