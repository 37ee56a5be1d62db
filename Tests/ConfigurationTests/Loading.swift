import Configuration
import Support

typealias Loaded = (configuration: Configuration, warnings: [String])

/// Reads `text` as `backup.yaml`.
func load(
    _ text: String, set overrides: [String] = [], environment: [String: String] = [:]
) throws(BackupError) -> Loaded {
    try Configuration.parse(Array(text.utf8), overrides: overrides, environment: environment)
}

/// The message of the error that reading `text` throws; empty when it throws none.
func problem(
    _ text: String, set overrides: [String] = [], environment: [String: String] = [:]
) -> String {
    do throws(BackupError) {
        _ = try load(text, set: overrides, environment: environment)
        return ""
    } catch {
        return error.message
    }
}

/// The lines of an error with several problems, without their indentation.
func problems(
    _ text: String, set overrides: [String] = [], environment: [String: String] = [:]
) -> [String] {
    let message = problem(text, set: overrides, environment: environment)
    let lines = message.split(separator: "\n").map { String($0.drop { $0 == " " }) }
    return lines.count > 1 ? Array(lines.dropFirst()) : lines
}

extension Configuration {
    func parameter(_ key: String) -> ResolvedParameter? { parameters.first { $0.key == key } }
}

extension StorageSettings {
    var accessKeyID: String? {
        if case .staticKeys(let id, _, _) = authentication { id } else { nil }
    }
}
