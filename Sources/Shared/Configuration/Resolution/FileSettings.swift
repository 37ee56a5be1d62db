/// A configuration file, flattened to keys with dots.
struct FileSettings: Sendable {
    struct Setting: Sendable {
        /// As it is written.
        var key: String
        var line: Int
        var node: YAMLNode
    }

    /// How messages name the file.
    let name: String
    private(set) var problems: [String] = []
    private(set) var warnings: [String] = []
    /// Values by their key in lower case. Nulls are left out: they say nothing.
    private var settings: [String: Setting] = [:]
    private let root: YAMLNode?

    /// No file at all.
    init() {
        name = ""
        root = nil
    }

    /// - Throws: what makes the text unreadable, as `name:LINE: …`.
    init(_ text: [UInt8], name: String) throws(YAMLProblem) {
        let document = try YAMLReader.read(text)
        self.name = name
        root = document.root
        problems = document.problems.map { "\(name):\($0.line): \($0.message)" }
        if document.hasMore { warnings.append("\(name): only the first of several YAML documents is read") }
        guard let root = document.root, !root.isNull else { return }
        guard case .mapping(let entries) = root.content else {
            throw YAMLProblem(line: root.line, message: "a configuration is a list of \"key: value\" lines")
        }
        for entry in entries { add(entry, below: "") }
    }

    subscript(_ key: String) -> Setting? { settings[key.lowercased()] }

    private mutating func add(_ entry: YAMLNode.Entry, below section: String) {
        let key = section.isEmpty ? entry.key : "\(section).\(entry.key)"
        if entry.value.isNull { return }
        let setting = Setting(key: key, line: entry.line, node: entry.value)
        if let first = settings[key.lowercased()] {
            // `a.b: 1` beside `a: {b: 2}`; twice the same section is put together.
            if case .mapping = entry.value.content, case .mapping = first.node.content {
            } else {
                let message = "the key \"\(key)\" is already there in line \(first.line)"
                problems.append("\(name):\(entry.line): \(message)")
                return
            }
        }
        settings[key.lowercased()] = setting
        guard case .mapping(let entries) = entry.value.content else { return }
        for entry in entries { add(entry, below: key) }
    }

    /// Looks for keys that mean nothing in `schema` and for values where a section belongs.
    mutating func check(against schema: Schema) {
        guard case .mapping(let entries) = root?.content else { return }
        for entry in entries { check(entry, below: "", schema) }
    }

    private mutating func check(_ entry: YAMLNode.Entry, below section: String, _ schema: Schema) {
        let key = section.isEmpty ? entry.key : "\(section).\(entry.key)"
        if schema.knows(key) { return }
        guard schema.sections[key.lowercased()] != nil else {
            warnings.append("\(name):\(entry.line): \(KeySuggestion.unknownKey(key, in: schema))")
            return
        }
        switch entry.value.content {
        case .mapping(let entries): for entry in entries { check(entry, below: key, schema) }
        case _ where entry.value.isNull: return
        default:
            problems.append(
                "\(name):\(entry.line): \(key): this is a section with keys of its own and has no value itself")
        }
    }
}
