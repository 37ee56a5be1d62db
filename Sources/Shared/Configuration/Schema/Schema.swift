/// All keys of one configuration format, in the order in which they are documented and shown.
struct Schema: Sendable {
    let version: Configuration.SchemaVersion
    let parameters: [Parameter]
    /// Keys of older programs that are accepted and mean nothing.
    let ignoredKeys: [String]
    /// Parameters by every spelling of their keys, in lower case.
    private let byKey: [String: Parameter]
    /// Everything before a dot in a key, in lower case, as it is spelled.
    let sections: [String: String]

    init(_ version: Configuration.SchemaVersion, _ parameters: [Parameter], ignoredKeys: [String] = []) {
        self.version = version
        self.parameters = parameters
        self.ignoredKeys = ignoredKeys
        var byKey: [String: Parameter] = [:]
        for parameter in parameters {
            for key in parameter.keys { byKey[key.lowercased()] = parameter }
        }
        self.byKey = byKey
        var sections: [String: String] = [:]
        for key in parameters.flatMap(\.keys) + ignoredKeys {
            for (index, character) in zip(key.indices, key) where character == "." {
                sections[key[..<index].lowercased()] = String(key[..<index])
            }
        }
        self.sections = sections
    }

    /// The parameter a key belongs to, in whatever case.
    func parameter(for key: String) -> Parameter? { byKey[key.lowercased()] }

    /// Whether a key may be there: a parameter, or one that is ignored on purpose.
    func knows(_ key: String) -> Bool {
        byKey[key.lowercased()] != nil || key.lowercased() == Schema.versionKey.lowercased()
            || ignoredKeys.contains { $0.lowercased() == key.lowercased() }
    }

    /// The key that says which format a file has.
    static let versionKey = "configVersion"

    static func of(_ version: Configuration.SchemaVersion) -> Schema { version == .v1 ? .version1 : .version2 }
}
