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
            "transfer.fastPath",
            "transfer.bandwidth", "transfer.requestsPerSecond",
        ]
        return keys.contains(key) || sections.contains { key.hasPrefix($0) } || key.lowercased().hasSuffix("cacertpath")
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
