import Glibc
import Testing

@testable import Configuration

/// What the pages of this repository say of it, as far as that is easy to check. The examples of docs/protocol.md are
/// looked at in ShardProtocolTests.
@Suite struct DocumentationTests {
    private static let pages = [
        "README.md", "CHANGELOG.md", "SECURITY.md", "docs/architecture.md", "docs/operations.md", "docs/protocol.md",
        "docs/testing.md",
    ]

    @Test(arguments: pages + ["docs/compatibility.md"]) func linksLeadSomewhere(page: String) throws {
        let text = try Repository.text(page)
        for link in text.links where !link.hasPrefix("http") {
            let parts = link.split(separator: "#", omittingEmptySubsequences: false).map(String.init)
            let target = parts[0].isEmpty ? page : Repository.resolve(parts[0], from: page)
            #expect(access(Repository.path(target), F_OK) == 0, "\(page) links to \(link)")
            guard parts.count > 1 else { continue }
            #expect(try Repository.text(target).anchors.contains(parts[1]), "\(page) links to \(link)")
        }
    }

    @Test(arguments: pages) func configurationKeysExist(page: String) throws {
        let keys = Set(Schema.version2.parameters.map(\.name))
        let sections = Set(keys.compactMap { $0.split(separator: ".").first })
        for word in try Repository.text(page).codeWords {
            let words = word.prefix { $0 != ":" }.split(separator: ".")
            guard words.count > 1, let first = words.first, sections.contains(first), words.last != "yaml" else {
                continue
            }
            let key = words.joined(separator: ".").replacing(".*", with: "")
            #expect(keys.contains { $0 == key || $0.hasPrefix("\(key).") }, "\(page) speaks of \(word)")
        }
    }

    /// The tables of docs/compatibility.md and the two formats of configuration files, in both directions.
    @Test(arguments: [("key of today's format (v2)", Schema.version2), ("key of the older format (v1)", .version1)])
    func theTableOfConfigurationKeysIsComplete(heading: String, schema: Schema) throws {
        let page = try Repository.text("docs/compatibility.md")
        let start = try #require(page.firstRange(of: "\n| \(heading) |"))
        let table = page[start.upperBound...].split(separator: "\n", omittingEmptySubsequences: false).dropFirst()
            .prefix { $0.hasPrefix("|") }.joined(separator: "\n")
        let words = Set(table.codeWords)
        #expect(words.count > 40)
        for word in words where word.contains(".") && word.first?.isLowercase == true {
            #expect(schema.knows(word), "\(word)")
        }
        let variables = Set(schema.parameters.flatMap(\.environment))
        for word in words where word.contains("_") && word == word.uppercased() {
            #expect(variables.contains(word) || word == "SERVER_PORT", "\(word)")
        }
        for key in schema.parameters.flatMap(\.keys) + schema.ignoredKeys {
            #expect(words.contains(key) || Self.isOurs(key), "\(key)")
        }
    }

    /// Keys that the original does not have.
    private static func isOurs(_ key: String) -> Bool {
        let sections = ["server.tls.", "backup.shard.", "coordinator.", "agent."]
        let keys = [
            "server.listen", "server.token", "backup.maxSegmentGroupSize", "transfer.multipartStreamThresholdMiB",
            "transfer.partSizeMiB", "transfer.largeObjectThresholdMiB", "transfer.stallTimeoutSeconds",
            "transfer.fastPath", "transfer.minConcurrency",
            "transfer.bandwidth", "transfer.requestsPerSecond",
        ]
        return keys.contains(key) || sections.contains { key.hasPrefix($0) } || key.lowercased().hasSuffix("cacertpath")
    }

    @Test func everyVariableIsNamed() throws {
        let words = Set(try Repository.text("docs/compatibility.md").codeWords)
        for parameter in Schema.version2.parameters + Schema.version1.parameters {
            for variable in parameter.environment { #expect(words.contains(variable), "\(variable)") }
        }
    }

    /// Whatever is not as in the original has a reason.
    @Test func whatIsNotThereHasAReason() throws {
        let rows = try Repository.text("docs/compatibility.md").split(separator: "\n").filter { $0.hasPrefix("| ") }
        let answers = ["no", "not yet", "in part", "ignored", "left out"]
        let others = rows.map { $0.split(separator: "|").map { $0.trimmingBlanks } }
            .filter { cells in cells.contains { answers.contains($0) } }
        #expect(others.count > 20)
        for cells in others {
            let index = try #require(cells.firstIndex { answers.contains($0) })
            #expect(cells.count > index + 1 && !cells[index + 1].isEmpty, "\(cells)")
        }
    }

    // MARK: The interface

    /// The interface as docs/openapi.yaml has it, which is itself tested against the program.
    private struct Interface {
        /// `GET /list`.
        var routes: Set<String> = []
        /// `collection_name` of `GET /list`.
        var parameters: Set<String> = []
        /// Keys of requests and answers by their schemas.
        var keys: [String: [String]] = [:]

        init() throws {
            let document = try YAMLReader.read(Array(try Repository.text("docs/openapi.yaml").utf8)).root
            for (path, operations) in document?["paths"].entries ?? [] {
                for (method, operation) in operations.entries {
                    routes.insert("\(method.uppercased()) \(path)")
                    for parameter in operation["parameters"].elements where parameter["in"].text == "query" {
                        parameters.insert("\(parameter["name"].text) of \(method.uppercased()) \(path)")
                    }
                }
            }
            for (name, schema) in document?["components"]["schemas"].entries ?? [] {
                keys[name] = schema["properties"].entries.map(\.0)
            }
        }
    }

    /// The tables of routes and parameters, in both directions.
    @Test func everyRouteAndParameterIsOnThePage() throws {
        let page = try Repository.text("docs/compatibility.md")
        let start = try #require(page.firstRange(of: "\n## REST interface\n"))
        let section = page[start.upperBound...]
        let end = section.firstRange(of: "\n## ")?.lowerBound ?? section.endIndex
        let lines = section[..<end].split(separator: "\n")
        let ours = lines.drop { !$0.hasPrefix("Ours: ") }.prefix { !$0.hasPrefix("|") }.joined(separator: " ")
        let interface = try Interface()
        #expect(interface.routes.count > 12 && interface.parameters.count > 5)
        for route in interface.routes {
            let (method, path) = (route.prefix { $0 != " " }, route.drop { $0 != " " }.dropFirst())
            let isInTable = lines.contains { $0.hasPrefix("| \(method) `\(path)` |") }
            #expect(isInTable || ours.contains("`\(path)`"), "\(route)")
        }
        for parameter in interface.parameters {
            let words = parameter.split(separator: " ")
            let isInTable = lines.contains { $0.hasPrefix("| `\(words[0])` of \(words[2]) `\(words[3])` |") }
            #expect(isInTable || ours.contains("`\(words[0])`") || ours.contains("`\(words[3])`"), "\(parameter)")
        }
        for line in lines where line.hasPrefix("| `") && line.contains("` of ") && line.contains(" | yes |") {
            let words = Array(String(line).codeWords)
            let parameter = interface.parameters.first {
                $0.hasPrefix("\(words[0]) of ") && $0.hasSuffix(" \(words[1])")
            }
            #expect(parameter != nil, "\(line)")
        }
        for line in lines where line.hasPrefix("| GET `") || line.hasPrefix("| POST `") || line.hasPrefix("| DELETE `")
        {
            guard line.contains("| yes |"), !line.contains("/docs/") else { continue }
            let words = line.split(separator: " ")
            #expect(interface.routes.contains("\(words[1]) \(words[2].dropFirst().dropLast())"), "\(line)")
        }
    }

    /// Every key that a request may have or an answer has.
    @Test(
        arguments: [
            "CreateBackupRequest", "RestoreBackupRequest", "RestoreSecondaryRequest", "SkipParams", "RestorePlan",
            "BackupInfoBrief", "CollectionBackup", "RestoreTask", "CollectionRestoreTask", "Response",
        ])
    func everyKeyIsOnThePage(schema: String) throws {
        let words = Set(try Repository.text("docs/compatibility.md").codeWords)
        let keys = try #require(try Interface().keys[schema])
        #expect(!keys.isEmpty)
        for key in keys { #expect(words.contains(key), "\(key)") }
    }

    /// And what the page says of answers is so.
    @Test func theTableOfAnswersIsTrue() throws {
        let page = try Repository.text("docs/compatibility.md")
        let start = try #require(page.firstRange(of: "\n| answers | here |"))
        let rows = page[start.upperBound...].split(separator: "\n", omittingEmptySubsequences: false).dropFirst()
            .prefix { $0.hasPrefix("|") }.filter { $0.contains(" | yes |") }
        let keys = Set(try Interface().keys.values.flatMap { $0 })
        #expect(rows.count > 4)
        for row in rows {
            for word in String(row.split(separator: "|")[0]).codeWords { #expect(keys.contains(word), "\(word)") }
        }
    }

    /// What the tables of docs/compatibility.md call a key of a request is read, or refused, by name.
    @Test(arguments: ["/create", "/restore"]) func theTablesOfRequestsAreTrue(route: String) throws {
        let page = try Repository.text("docs/compatibility.md")
        let start = try #require(page.firstRange(of: "\n| key of `\(route)` |"))
        let rows = page[start.upperBound...].split(separator: "\n", omittingEmptySubsequences: false).dropFirst(2)
            .prefix { $0.hasPrefix("|") }
        #expect(rows.count > 10)
        let source = try Repository.text("Sources/Coordinator/REST/APIBodies.swift")
        for row in rows where !row.contains("| ignored |") {
            let key = try #require(row.split(separator: "`").dropFirst().first)
            // The request id of /create comes in a header.
            let isRead = source.contains("\"\(key)\"") || (route == "/create" && key == "requestId")
            #expect(isRead, "\(route) \(key)")
        }
    }

    @Test func everyPhaseIsExplained() throws {
        let source = try Repository.text("Sources/Coordinator/Progress/PhaseTimer.swift")
        let phases = source.split(separator: "\n").filter { $0.contains("    case ") && $0.contains(" = \"") }
            .map { $0.split(separator: "\"")[1] }
        #expect(phases.count > 10)
        let page = try Repository.text("docs/operations.md")
        for phase in phases { #expect(page.contains("\n| \(phase) |"), "\(phase)") }
    }
}

/// The files of this repository, by their paths in it.
private enum Repository {
    // Tests/DocumentationTests/DocumentationTests.swift
    private static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    static func path(_ name: String) -> String { "\(root)/\(name)" }

    static func text(_ name: String) throws -> String {
        String(decoding: try ConfigurationFile.read(path(name)), as: UTF8.self)
    }

    static func resolve(_ link: String, from page: String) -> String {
        var steps = page.split(separator: "/").dropLast()
        for step in link.split(separator: "/") {
            if step == ".." { steps.removeLast() } else { steps.append(step) }
        }
        return steps.joined(separator: "/")
    }
}

extension YAMLNode? {
    fileprivate subscript(_ key: String) -> YAMLNode? {
        entries.first { $0.0 == key }?.1
    }

    fileprivate var entries: [(String, YAMLNode)] {
        guard case .mapping(let entries)? = self?.content else { return [] }
        return entries.map { ($0.key, $0.value) }
    }

    fileprivate var elements: [YAMLNode] {
        if case .sequence(let nodes)? = self?.content { nodes } else { [] }
    }

    fileprivate var text: String {
        if case .scalar(let text, _)? = self?.content { text } else { "" }
    }
}

extension YAMLNode {
    fileprivate subscript(_ key: String) -> YAMLNode? { Optional(self)[key] }
    fileprivate var entries: [(String, YAMLNode)] { Optional(self).entries }
}

extension String {
    /// Targets of `[…](…)`.
    fileprivate var links: [String] {
        var links: [String] = []
        var rest = self[...]
        while let opening = rest.firstRange(of: "](") {
            rest = rest[opening.upperBound...]
            links.append(String(rest.prefix { $0 != ")" }))
        }
        return links
    }

    /// What the headings can be linked by.
    fileprivate var anchors: Set<String> {
        Set(
            split(separator: "\n").filter { $0.hasPrefix("#") }.map { line in
                line.drop { $0 == "#" || $0 == " " }.lowercased()
                    .filter { $0.isLetter || $0.isNumber || " -_".contains($0) }.replacing(" ", with: "-")
            })
    }

    /// What stands between single backquotes.
    fileprivate var codeWords: [String] {
        split(separator: "\n").filter { !$0.hasPrefix("```") }.flatMap { line in
            line.split(separator: "`", omittingEmptySubsequences: false).enumerated()
                .filter { $0.offset % 2 == 1 }.map { String($0.element) }
        }
    }
}
