import Support

/// What a user may have meant by a key that is not there.
enum KeySuggestion {
    /// The warning for a key that `schema` does not have.
    static func unknownKey(_ key: String, in schema: Schema) -> String {
        let shown = key.escapingControlCharacters
        if let hint = otherFormat(key, schema) { return "unknown key \"\(shown)\", ignoring it; \(hint)" }
        guard let nearest = nearest(to: key, in: schema) else { return "unknown key \"\(shown)\", ignoring it" }
        return "unknown key \"\(shown)\", ignoring it; did you mean \"\(nearest)\"?"
    }

    /// A word about keys that belong to the other format.
    private static func otherFormat(_ key: String, _ schema: Schema) -> String? {
        switch schema.version {
        case .v1:
            guard Schema.version2.knows(key) || Schema.version2.sections[key.lowercased()] != nil else { return nil }
            return "it belongs to the v2 format, which needs \"configVersion: v2\" at the top"
        case .v2:
            if let parameter = Schema.version1.parameter(for: key) {
                guard let newKey = Translation.newKey(of: parameter.name) else { return "it is a key of the v1 format" }
                return "it is a key of the v1 format, now \"\(newKey)\""
            }
            let isOld = Schema.version1.knows(key) || Schema.version1.sections[key.lowercased()] != nil
            return isOld ? "it belongs to the v1 format" : nil
        }
    }

    /// The key or section of `schema` that differs least from `key`, when it does not differ much.
    static func nearest(to key: String, in schema: Schema) -> String? {
        nearestName(to: key, among: schema.parameters.map(\.name) + schema.sections.values.sorted())
    }
}
