/// A value and who said it.
struct Resolved: Sendable, Hashable {
    var value: ParameterValue
    var origin: Origin
}

/// Where a value came from, in the words the user knows.
struct Origin: Sendable, Hashable {
    var source: ResolvedParameter.Source
    /// The key or environment variable that supplied the value; for a default the key itself.
    var spelling: String
    /// Where in the file, from 1.
    var line: Int?
    /// The key a default was taken over from.
    var inheritedFrom: String?

    /// Whether the user wrote this value for this very key.
    var isExplicit: Bool { source != .defaultValue }
}

/// Finds the value of every key: `--set` before the environment before the file before the default.
struct Resolver {
    let file: FileSettings
    /// Values by key or environment name in lower case; the last one of a name counts.
    private let overrides: [String: String]
    let environment: [String: String]
    private(set) var problems: [String] = []
    /// The names of the keys whose value could not be read.
    private(set) var unreadable: Set<String> = []

    init(file: FileSettings, overrides: [(key: String, value: String)], environment: [String: String]) {
        self.file = file
        self.overrides = Dictionary(overrides.map { ($0.key.lowercased(), $0.value) }) { _, last in last }
        self.environment = environment
    }

    /// The values of all keys of a schema by their names. A value that cannot be read is reported and left at its default.
    mutating func resolve(_ schema: Schema) -> [String: Resolved] {
        var values: [String: Resolved] = [:]
        for parameter in schema.parameters {
            values[parameter.name] = explicitValue(of: parameter) ?? fallback(of: parameter, values)
        }
        return values
    }

    private mutating func explicitValue(of parameter: Parameter) -> Resolved? {
        for name in parameter.keys + parameter.environment {
            guard let text = overrides[name.lowercased()] else { continue }
            return read(text, as: parameter, Origin(source: .override, spelling: name))
        }
        for name in parameter.environment {
            guard let text = environment[name] else { continue }
            return read(text, as: parameter, Origin(source: .environment, spelling: name))
        }
        for key in parameter.keys {
            guard let setting = file[key] else { continue }
            let origin = Origin(source: .file, spelling: key, line: setting.line)
            return read(setting.node, as: parameter, origin)
        }
        return nil
    }

    private mutating func read(_ text: String, as parameter: Parameter, _ origin: Origin) -> Resolved? {
        do throws(ValueProblem) {
            return Resolved(value: try parameter.kind.parse(text), origin: origin)
        } catch {
            report(error, parameter, origin, text)
            return nil
        }
    }

    private mutating func read(_ node: YAMLNode, as parameter: Parameter, _ origin: Origin) -> Resolved? {
        if case .scalar(let text, _) = node.content, !parameter.kind.isStrictList {
            return read(text, as: parameter, origin)
        }
        do throws(ValueProblem) {
            return Resolved(value: try parameter.kind.parse(node), origin: origin)
        } catch {
            report(error, parameter, origin, "")
            return nil
        }
    }

    private mutating func report(_ problem: ValueProblem, _ parameter: Parameter, _ origin: Origin, _ text: String) {
        var message = problem.message
        if let hint = parameter.hint(for: text, origin) { message += "; \(hint)" }
        problems.append("\(file.place(of: origin)): \(message)")
        unreadable.insert(parameter.name)
    }

    private func fallback(of parameter: Parameter, _ values: [String: Resolved]) -> Resolved? {
        var origin = Origin(source: .defaultValue, spelling: parameter.name)
        switch parameter.fallback {
        case .value(let value): return Resolved(value: value, origin: origin)
        case .inherited(let key):
            guard let inherited = values[key] else { return nil }
            origin.inheritedFrom = key
            return Resolved(value: inherited.value, origin: origin)
        }
    }
}

extension FileSettings {
    /// `backup.yaml:14: milvus.grpc.port`, `environment MILVUS_PORT`, `--set milvus.port`, or the key alone.
    func place(of origin: Origin) -> String {
        switch origin.source {
        case .file: "\(name):\(origin.line ?? 1): \(origin.spelling)"
        case .environment: "environment \(origin.spelling)"
        case .override: "--set \(origin.spelling)"
        case .defaultValue: origin.spelling
        }
    }
}

extension Parameter {
    /// What to do about frequent mistakes.
    fileprivate func hint(for text: String, _ origin: Origin) -> String? {
        if origin.source == .environment, origin.spelling == "MILVUS_PORT" {
            return "Kubernetes sets it for a service named milvus: set enableServiceLinks: false for the pod"
        }
        guard name == "milvus.grpc.tlsMode" else { return nil }
        return ["0": "0 is now disabled", "1": "1 is now server", "2": "2 is now mutual"][text]
    }
}
