import CommandLineInterface
import Support
import Testing

@testable import Coordinator

@Suite struct CommandTreeTests {
    /// Every command that does something by itself.
    private static let leaves: [[String]] = {
        func leaves(_ command: Command, _ path: [String]) -> [[String]] {
            command.subcommands.isEmpty ? [path] : command.subcommands.flatMap { leaves($0, path + [$0.name]) }
        }
        return leaves(CommandTree.root, [])
    }()

    private static let all: [[String]] = {
        func all(_ command: Command, _ path: [String]) -> [[String]] {
            [path] + command.subcommands.flatMap { all($0, path + [$0.name]) }
        }
        return all(CommandTree.root, [])
    }()

    @Test func theCommandsAreThere() {
        #expect(
            Self.leaves == [
                ["create"], ["restore"], ["list"], ["get"], ["delete"], ["verify"], ["check"], ["server"],
                ["config", "show"], ["config", "migrate"], ["certs"], ["l0compact"], ["migrate"], ["completion"],
                ["version"],
            ])
    }

    @Test(arguments: leaves) func everyLeafIsRun(_ path: [String]) throws {
        let arguments = path == ["completion"] ? ["bash"] : []
        guard case .run(let invocation) = try CommandTree.root.parse(path + arguments, width: 80) else {
            Issue.record("\(path) is not run")
            return
        }
        #expect(invocation.path == path)
        #expect(CommandTree.implementation(of: path) != nil)
    }

    @Test(arguments: all) func everyCommandHasHelp(_ path: [String]) throws {
        for arguments in [path + ["--help"], path + ["-h"], ["help"] + path] {
            guard case .help(let text) = try CommandTree.root.parse(arguments, width: 80) else {
                Issue.record("\(arguments) is no call for help")
                return
            }
            #expect(text.contains((["milvus-backup"] + path).joined(separator: " ")))
            #expect(text.split(separator: "\n").allSatisfy { $0.count <= 80 }, "\(path)")
        }
    }

    @Test func theExamplesOfTheHelpCanBeRun() throws {
        func check(_ command: Command) throws {
            for example in command.examples {
                let words = example.text.replacing("'", with: "").split(separator: " ").dropFirst().map(String.init)
                guard case .run = try CommandTree.root.parse(words, width: 80) else {
                    Issue.record("\(example.text) is not run")
                    return
                }
            }
            for command in command.subcommands { try check(command) }
        }
        try check(CommandTree.root)
    }

    @Test func noTwoOptionsOfACommandAreCalledTheSame() {
        func check(_ command: Command, _ inherited: [Option]) {
            let options = inherited + command.options
            let names = options.flatMap { [$0.name] + $0.aliases }.map { $0.replacing("_", with: "-") }
            #expect(Set(names).count == names.count, "\(command.name)")
            let letters = options.compactMap(\.short)
            #expect(Set(letters).count == letters.count, "\(command.name)")
            for subcommand in command.subcommands { check(subcommand, options) }
        }
        check(CommandTree.root, [])
    }

    // MARK: Exit codes

    @Test(arguments: [
        (["version"], 0), (["--help"], 0), (["help", "create"], 0), (["nonsense"], 2), (["create", "--nonsense"], 2),
        (["list", "--config", "/nowhere/no-such-file.yaml"], 1), (["migrate", "-n", "nightly", "-c", "in01"], 1),
    ])
    func exitCodesTellHowItWent(_ arguments: [String], _ code: Int) async {
        #expect(await Program(arguments: arguments).run().rawValue == Int32(code))
    }
}
