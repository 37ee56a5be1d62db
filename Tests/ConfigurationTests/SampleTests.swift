import Glibc
import Support
import Testing

@testable import Configuration

@Suite("Sample files and file lookup")
struct SampleTests {
    /// The repository's `configs`, found from this file.
    private var configs: String {
        // Tests/ConfigurationTests/SampleTests.swift
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        return "/\(root)/configs"
    }

    private func sample(_ name: String) throws -> String {
        String(decoding: try ConfigurationFile.read("\(configs)/\(name)"), as: UTF8.self)
    }

    /// The text with every `#key: …` line in force.
    private func complete(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
            let indentation = line.prefix { $0 == " " }
            let rest = line.dropFirst(indentation.count)
            guard rest.first == "#", rest.dropFirst().first?.isLetter == true else { return String(line) }
            return "\(indentation)\(rest.dropFirst())"
        }.joined(separator: "\n")
    }

    private func leaves(_ node: YAMLNode?, below section: String = "") -> Set<String> {
        guard case .mapping(let entries)? = node?.content else { return [section] }
        return entries.reduce(into: []) { all, entry in
            all.formUnion(leaves(entry.value, below: section.isEmpty ? entry.key : "\(section).\(entry.key)"))
        }
    }

    @Test func theSampleHoldsTheDefaults() throws {
        let loaded = try load(try sample("backup.yaml"))
        #expect(loaded.warnings == [])
        var defaults = try load("configVersion: v2").configuration.parameters
        for (index, parameter) in loaded.configuration.parameters.enumerated() {
            if ["milvus.user", "milvus.password"].contains(parameter.key) { defaults[index].value = parameter.value }
            #expect(parameter.value == defaults[index].value, "\(parameter.key)")
        }
    }

    @Test func everyKeyIsInTheSample() throws {
        let text = complete(try sample("backup.yaml"))
        let keys = leaves(try YAMLReader.read(Array(text.utf8)).root)
        #expect(keys == Set(Schema.version2.parameters.map(\.name)).union(["configVersion"]))
        #expect(try load(text).warnings == [])
    }

    @Test func everyKeyOfV1IsInItsSample() throws {
        let text = complete(try sample("backup-v1.yaml"))
        let keys = leaves(try YAMLReader.read(Array(text.utf8)).root)
        let additions = Set(Schema.additions(concurrencyKey: "").map(\.name)).subtracting(["backup.maxSegmentGroupSize"]
        )
        for parameter in Schema.version1.parameters
        where !additions.contains(parameter.name) && parameter.name != "milvus.authorizationEnabled" {
            #expect(parameter.keys.contains { keys.contains($0) }, "\(parameter.name)")
        }
        let loaded = try load(text)
        #expect(loaded.warnings.count == 1)
    }

    @Test func bothSamplesMeanTheSame() throws {
        let v2 = try load(try sample("backup.yaml")).configuration
        let v1 = try load(try sample("backup-v1.yaml")).configuration
        for (old, new) in zip(v1.parameters, v2.parameters) { #expect(old.value == new.value, "\(old.key)") }
    }

    @Test func theSampleOfDirectories() throws {
        let loaded = try load(try sample("backup-local.yaml"))
        #expect(loaded.warnings == [])
        let (milvus, backup) = (loaded.configuration.milvus.storage, loaded.configuration.backup.storage)
        #expect(
            (milvus.container, milvus.keyRoot, milvus.importRoot) == ("/srv/milvus/data", "", "/var/lib/milvus/data"))
        #expect(
            (backup.container, backup.keyRoot, backup.importRoot) == ("/srv/milvus-backups", "", "/srv/milvus-backups"))
    }

    @Test func noFileMeansTheDefaultsOfTheTypes() throws {
        let loaded = try Configuration.parse(nil)
        var configuration = loaded.configuration
        #expect(loaded.warnings == [] && configuration.file == nil)
        configuration.parameters = []
        #expect(dumped(configuration) == dumped(Configuration()))
    }

    private func dumped(_ configuration: Configuration) -> String {
        var text = ""
        dump(configuration, to: &text)
        return text
    }

    // MARK: Lookup

    @Test func theFileIsFoundByPathThenByMILVUSCONF() throws {
        let path = "\(configs)/backup.yaml"
        #expect(try Configuration.load(path: path, environment: [:]).configuration.file == path)
        let environment = ["MILVUSCONF": "\(configs)/"]
        let found = try Configuration.load(path: "/nowhere/at/all/backup-v1.yaml", environment: environment)
        #expect(found.configuration.file == "\(configs)/backup-v1.yaml")
        #expect(found.configuration.schemaVersion == .v1)
    }

    /// The path itself goes before `$MILVUSCONF`, and an empty variable names no directory.
    @Test func theOrderOfThePlaces() throws {
        let path = "\(configs)/backup.yaml"
        #expect(try ConfigurationFile.find(path, environment: ["MILVUSCONF": "/"]) == path)
        #expect { try ConfigurationFile.find("/nowhere/x.yaml", environment: ["MILVUSCONF": ""]) } throws: { error in
            (error as? BackupError)?.message.hasSuffix("looked for /nowhere/x.yaml, configs/x.yaml") == true
        }
    }

    @Test func aMissingFileNamesThePlaces() {
        #expect {
            try Configuration.load(path: "/nowhere/x.yaml", environment: ["MILVUSCONF": "/else"])
        } throws: { error in
            let error = error as? BackupError
            return error?.code == .configuration
                && error?.message.contains("/nowhere/x.yaml, /else/x.yaml, configs/x.yaml") == true
        }
    }

    @Test func whatIsNoFileIsRefused() {
        #expect {
            try Configuration.load(path: "/", environment: [:])
        } throws: { error in
            (error as? BackupError)?.message.contains("cannot read the configuration file") == true
        }
    }

    @Test func theEnvironmentOfTheProcess() {
        #expect(processEnvironment()["PATH"] == getenv("PATH").map { String(cString: $0) })
    }
}
