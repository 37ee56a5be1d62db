import Support

extension Configuration {
    /// Reads the configuration file and puts the environment and the overrides over it.
    ///
    /// Blocking file I/O: for the start of a program.
    ///
    /// - Parameters:
    ///   - path: the file; nil for `backup.yaml`. ``ConfigurationFile`` says where it is looked for.
    ///   - overrides: texts of the form `KEY=VALUE`; a key is one of the file's format or the name of an environment variable.
    ///   - environment: the variables of the process, see ``processEnvironment()``.
    /// - Returns: the configuration, and what the user should know: unknown keys, the old format.
    /// - Throws: ``BackupError/Code/usage`` for an override without `=`, ``BackupError/Code/configuration`` for everything
    ///   else; all problems are in one message, a line each.
    package static func load(
        path: String? = nil, overrides: [String] = [], environment: [String: String]
    ) throws(BackupError) -> (configuration: Configuration, warnings: [String]) {
        let file = try ConfigurationFile.find(path ?? ConfigurationFile.defaultPath, environment: environment)
        @Sendable func read() throws(BackupError) -> (configuration: Configuration, warnings: [String]) {
            try parse(ConfigurationFile.read(file), name: file, overrides: overrides, environment: environment)
        }
        var (configuration, warnings) = try read()
        configuration.reload = { () throws(BackupError) in try read().configuration }
        return (configuration, warnings)
    }

    /// The same from a text.
    ///
    /// - Parameters:
    ///   - text: the bytes of the file; nil when there is none, which means the defaults of the v2 format.
    ///   - name: how messages call the file.
    package static func parse(
        _ text: [UInt8]?, name: String = ConfigurationFile.defaultPath, overrides: [String] = [],
        environment: [String: String] = [:]
    ) throws(BackupError) -> (configuration: Configuration, warnings: [String]) {
        var resolution = try Resolution(text, name: name, overrides: overrides, environment: environment)
        let values = try resolution.checkedValues()
        let configuration = Configuration(values, file: text == nil ? nil : name, version: resolution.version)
        return (configuration, resolution.warnings)
    }
}
