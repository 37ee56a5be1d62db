import Support

/// The values of all v2 keys, by kind.
///
/// Every key of the schema has a value of its own kind; asking for another key or kind is a defect, which gives the kind's
/// empty value (and fails the test that compares a configuration without any setting with ``Configuration/init()``).
struct ResolvedValues: Sendable {
    let values: [String: Resolved]

    func origin(_ key: String) -> Origin? { values[key]?.origin }

    /// Whether the user gave this very key a value that is not empty.
    func isSetExplicitly(_ key: String) -> Bool {
        values[key].map { $0.origin.isExplicit && !$0.value.isEmpty } ?? false
    }

    func isEmpty(_ key: String) -> Bool { values[key]?.value.isEmpty ?? true }

    func text(_ key: String) -> String {
        if case .text(let value)? = values[key]?.value { value } else { "" }
    }

    func secret(_ key: String) -> Secret {
        if case .secret(let value)? = values[key]?.value { value } else { Secret("") }
    }

    func boolean(_ key: String) -> Bool {
        if case .boolean(let value)? = values[key]?.value { value } else { false }
    }

    func integer(_ key: String) -> Int {
        if case .integer(let value)? = values[key]?.value { value } else { 0 }
    }

    func list(_ key: String) -> [String] {
        if case .list(let value)? = values[key]?.value { value } else { [] }
    }

    /// Bytes of a key that counts MiB.
    func mebibytes(_ key: String) -> Int64 { Int64(integer(key)) << 20 }

    func seconds(_ key: String) -> Duration { .seconds(integer(key)) }

    func choice<Choice: RawRepresentable<String>>(_ key: String, default choice: Choice) -> Choice {
        Choice(rawValue: text(key)) ?? choice
    }
}
