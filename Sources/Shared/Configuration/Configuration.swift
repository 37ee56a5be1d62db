import Support

/// Everything a program was told: file, environment and `--set` together, checked and in one shape.
///
/// The shape is that of a `configVersion: v2` file, whatever was read; sizes are bytes and times are durations. A value made
/// with `Configuration()` holds the defaults. Get one with ``load(path:overrides:environment:)``.
package struct Configuration: Sendable {
    /// The format of the file that was read.
    package enum SchemaVersion: String, Sendable, CaseIterable {
        case v1, v2
    }

    /// The file that was read, as it was found; nil when there was none.
    package var file: String?
    package var schemaVersion = SchemaVersion.v2
    package var log = LogSettings()
    package var server = ServerSettings()
    package var milvus = MilvusSettings()
    package var backup = BackupSettings()
    package var restore = RestoreSettings()
    package var transfer = TransferSettings()
    package var zillizCloud = ZillizCloudSettings()
    package var coordinator = CoordinatorSettings()
    package var agent = AgentSettings()
    /// Every key of the v2 format with its value and where that came from, in the order of the documentation; no secrets.
    package var parameters: [ResolvedParameter] = []
    /// Reads the same file again, with the same overrides and environment, for credentials that have changed since; nil for
    /// a configuration that was not read. Blocking file I/O.
    package var reload: (@Sendable () throws(BackupError) -> Configuration)?

    package init() {}
}
