import CommandLineInterface
import Configuration
import Testing

@testable import Coordinator

/// docs/compatibility.md against the command line, in both directions.
@Suite struct CompatibilityTests {
    /// A row of the table of commands: what it names, and whether that is here.
    private struct Row {
        var words: [String]
        var here: String
    }

    private static let page: String = {
        let root = "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
        let bytes = (try? ConfigurationFile.read("\(root)/docs/compatibility.md")) ?? []
        return String(decoding: bytes, as: UTF8.self)
    }()

    /// The part of the page below a heading.
    private static func section(_ heading: String) -> Substring {
        guard let start = page.firstRange(of: "\n## \(heading)\n") else { return "" }
        let rest = page[start.upperBound...]
        return rest[..<(rest.firstRange(of: "\n## ")?.lowerBound ?? rest.endIndex)]
    }

    private static let rows: [Row] = section("Command line").split(separator: "\n").compactMap { line in
        let cells = line.split(separator: "|").map { $0.trimmed }
        guard cells.count >= 2, cells[0].hasPrefix("`"), cells[0].hasSuffix("`") else { return nil }
        let words = cells[0].dropFirst().dropLast().split(separator: " ").map(String.init)
        return ["yes", "in part", "not yet", "no"].contains(cells[1]) ? Row(words: words, here: cells[1]) : nil
    }

    /// The command that the first words name, and the words behind them.
    private func command(_ words: [String]) -> (command: Command, options: [Option], rest: [String]) {
        var (command, options, rest) = (CommandTree.root, CommandTree.root.options, words[...])
        while let word = rest.first, let next = command.subcommands.first(where: { $0.name == word }) {
            command = next
            options += next.options
            rest.removeFirst()
        }
        return (command, options, Array(rest))
    }

    @Test func theTableIsRead() {
        #expect(Self.rows.count > 40 && Self.rows.contains { $0.words == ["restore", "--use_v2_restore"] })
    }

    /// Also what is refused must be known, so that it can be said.
    @Test func everyCommandAndFlagOfTheTableIsKnown() throws {
        for row in Self.rows {
            let (_, options, rest) = command(row.words)
            for word in rest {
                if word.hasPrefix("-") {
                    for spelling in word.split(separator: "/") {
                        let isKnown = options.contains { option in
                            let names = [option.name] + option.aliases
                            return names.contains { "--\($0)" == spelling } || option.short.map { "-\($0)" } == spelling
                        }
                        #expect(isKnown, "\(row.words): \(spelling)")
                    }
                } else if word.allSatisfy({ $0.isUppercase || $0 == "=" }) {
                    continue
                } else {
                    let words = row.words.filter { !$0.hasPrefix("-") }
                    #expect(throws: Never.self, "\(words)") { try CommandTree.root.parse(words, width: 80) }
                }
            }
        }
    }

    @Test func everyCommandAndFlagIsNamedOnThePage() {
        let text = Self.section("Command line")
        func check(_ command: Command, _ path: [String]) {
            for option in command.options where option.status == .current {
                #expect(text.contains("--\(option.name)"), "\(path) --\(option.name)")
            }
            for subcommand in command.subcommands {
                #expect(text.contains((path + [subcommand.name]).joined(separator: " ")), "\(subcommand.name)")
                check(subcommand, path + [subcommand.name])
            }
        }
        check(CommandTree.root, [])
    }
}

extension Substring {
    fileprivate var trimmed: String {
        var text = drop { $0 == " " }
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
