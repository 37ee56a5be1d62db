import Support

/// From a text to checked values: reads, resolves, translates and validates, and gathers what is wrong on the way.
struct Resolution {
    let version: Configuration.SchemaVersion
    private var file: FileSettings
    private let overrides: [(key: String, value: String)]
    private let environment: [String: String]
    private var problems: [String] = []
    private(set) var warnings: [String] = []

    init(
        _ text: [UInt8]?, name: String, overrides: [String], environment: [String: String]
    ) throws(BackupError) {
        do throws(YAMLProblem) {
            file = if let text { try FileSettings(text, name: name) } else { FileSettings() }
        } catch {
            throw BackupError(.configuration, "\(name):\(error.line): \(error.message.escapingControlCharacters)")
        }
        self.overrides = try Resolution.split(overrides)
        self.environment = environment
        version = text == nil ? .v2 : try Resolution.version(of: file)
        let schema = Schema.of(version)
        file.check(against: schema)
        if version == .v1 {
            warnings.append(formatAdvice)
        }
        warnings += file.warnings
        for (key, _) in self.overrides where !schema.knows(key) && !schema.hasEnvironment(key) {
            warnings.append("--set: \(KeySuggestion.unknownKey(key, in: schema))")
        }
    }

    /// The warning about a file in the v1 format.
    var formatAdvice: String {
        "\(file.name) is in the v1 format; \"milvus-backup config migrate\" writes it anew as v2"
    }

    /// The values of all v2 keys.
    ///
    /// - Throws: all problems at once.
    mutating func checkedValues() throws(BackupError) -> ResolvedValues {
        var resolver = Resolver(file: file, overrides: overrides, environment: environment)
        var values = resolver.resolve(.of(version))
        var unreadable = resolver.unreadable
        problems += file.problems + resolver.problems
        if version == .v1 {
            let translation = Translation(values, file: file)
            values = translation.values
            unreadable = translation.unreadable.union(unreadable.compactMap(Translation.newKey))
            problems += translation.problems
            warnings += translation.warnings
        } else {
            Resolution.inheritSessionToken(&values)
        }
        let resolved = ResolvedValues(values: values)
        let validation = Validation(resolved, file: file, unreadable: unreadable)
        problems += validation.problems
        warnings += validation.warnings
        guard problems.isEmpty else { throw Resolution.error(problems) }
        return resolved
    }

    private static func error(_ problems: [String]) -> BackupError {
        if problems.count == 1 { return BackupError(.configuration, problems[0]) }
        let lines = problems.map { "\n  \($0)" }.joined()
        return BackupError(.configuration, "the configuration has \(problems.count) problems:\(lines)")
    }

    /// A temporary access key is worth nothing without its token: who inherits the one inherits the other.
    private static func inheritSessionToken(_ values: inout [String: Resolved]) {
        let keys = ["accessKeyID", "secretAccessKey"].map { "backup.storage.auth.\($0)" }
        guard keys.allSatisfy({ values[$0]?.origin.inheritedFrom != nil }),
            values["backup.storage.auth.type"]?.value == .text(AuthenticationType.staticKeys.rawValue),
            let own = values["backup.storage.auth.sessionToken"], !own.origin.isExplicit,
            let token = values["milvus.storage.auth.sessionToken"], !token.value.isEmpty
        else { return }
        var origin = own.origin
        origin.inheritedFrom = "milvus.storage.auth.sessionToken"
        values["backup.storage.auth.sessionToken"] = Resolved(value: token.value, origin: origin)
    }

    private static func version(of file: FileSettings) throws(BackupError) -> Configuration.SchemaVersion {
        guard let setting = file[Schema.versionKey] else { return .v1 }
        if case .scalar(let text, _) = setting.node.content {
            if let version = Configuration.SchemaVersion(rawValue: text.lowercased()) { return version }
            throw BackupError(
                .configuration,
                "\(file.name):\(setting.line): configVersion: \(quoted(text)) is not known; write v1 or v2")
        }
        throw BackupError(.configuration, "\(file.name):\(setting.line): configVersion: must be v1 or v2")
    }

    /// Parts `KEY=VALUE` at the first `=`. The texts themselves may hold secrets and are never shown.
    private static func split(_ overrides: [String]) throws(BackupError) -> [(key: String, value: String)] {
        var result: [(key: String, value: String)] = []
        for (index, text) in overrides.enumerated() {
            guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
                // The text may be a part of a password, so the message only counts.
                throw BackupError(
                    .usage,
                    "invalid --set format, want KEY=VALUE: the \(ordinal(index + 1)) one has no key or no \"=\"",
                    hint: "for example --set milvus.grpc.port=19530")
            }
            result.append((text[..<equals].trimmingBlanks, String(text[text.index(after: equals)...])))
        }
        return result
    }
}

extension Schema {
    /// Whether an environment variable of this name, in whatever case, is read for some key.
    func hasEnvironment(_ name: String) -> Bool {
        parameters.contains { $0.environment.contains { $0.lowercased() == name.lowercased() } }
    }
}

private func ordinal(_ number: Int) -> String {
    ["first", "second", "third"].indices.contains(number - 1)
        ? ["first", "second", "third"][number - 1] : "\(number)th"
}
