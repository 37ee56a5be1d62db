import Configuration
import JSON
import Support

func fuzzYAML(_ bytes: [UInt8]) { _ = try? YAMLReader.read(bytes) }

/// A whole configuration file of either format: what is wrong is one of the two errors that belong to it.
func fuzzConfiguration(_ bytes: [UInt8]) {
    do throws(BackupError) {
        let (configuration, _) = try Configuration.parse(bytes)
        require(!"\(configuration)".contains("hunter2hunter2"), "a secret is printed")
    } catch {
        require(error.code == .configuration, "a wrong configuration is another error")
    }
    guard let migrated = try? ConfigurationMigration(bytes, name: "old.yaml", environment: [:]) else { return }
    do { _ = try Configuration.parse(Array(migrated.text.utf8)) } catch { fatalError("a migrated file: \(error)") }
}

/// A document that can be read is written and read again as the same.
func fuzzJSON(_ bytes: [UInt8]) {
    let whole = try? JSONValue(parsing: bytes, name: "fuzz")
    var reader = JSONReader(name: "fuzz", source: source(bytes, bytes.count))
    let isSkipped: Bool
    do {
        try reader.skipValue()
        try reader.finish()
        isSkipped = true
    } catch { isSkipped = false }
    guard let whole else { return }
    require(isSkipped, "a value that can be read cannot be passed over")
    guard let written = try? whole.bytes() else { fatalError("a value that was read cannot be written") }
    // Like Go's, the writer writes out numbers up to 1e21, of which the reader takes 64 bits.
    guard !hasLargeNumber(whole) else { return }
    // Compared as it is written: 1e3 becomes 1000, which is read as an integer.
    require(rewritten(written) == written, "a value reads back as another")
    var indenter = JSONIndenter()
    let indented = pieces(written, bytes.count).flatMap { indenter.indent(Array($0)) }
    require(rewritten(indented) == written, "an indented value reads back as another")
}

private func hasLargeNumber(_ value: JSONValue) -> Bool {
    switch value {
    case .double(let number): abs(number) >= 0x1p63
    case .array(let elements): elements.contains(where: hasLargeNumber)
    case .object(let members): members.contains { hasLargeNumber($0.value) }
    default: false
    }
}

private func rewritten(_ bytes: [UInt8]) -> [UInt8]? { try? JSONValue(parsing: bytes, name: "fuzz").bytes() }
