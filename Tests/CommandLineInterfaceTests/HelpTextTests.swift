import CommandLineInterface
import Testing

@Suite("Help")
struct HelpTextTests {
    @Test func theProgram() throws {
        let expected = """
            Usage: tool COMMAND [OPTIONS]

            Keeps things.

            Commands:
              create  Make a thing.
              get     Show a thing.
              config  About settings.
              serve   Run for ever.

            Options:
                  --config FILE    The configuration file. Default: tool.yaml.
                  --set KEY=VALUE  Overrides a setting. Can be given several times.
              -h, --help           Show this help.

            "tool help COMMAND" explains a command.
            """
        #expect(try help("help") == expected)
        #expect(try help("--help") == expected)
        #expect(try help("-h") == expected)
    }

    @Test func aCommand() throws {
        let expected = """
            Usage: tool create [OPTIONS]

            Makes a thing out of what is there, and keeps it until it is
            deleted. This takes a while when there is much of it.

            Nothing is changed.

            Options:
              -n, --name NAME           What the thing is called.
                  --rbac                Users and roles as well.
              -f, --force               Do it anyway.
                  --backup_index_extra  More about indexes.
              -t, --tag VALUE           A word to find it by. Can be given
                                        several times.

            Options of all commands:
                  --config FILE    The configuration file. Default: tool.yaml.
                  --set KEY=VALUE  Overrides a setting. Can be given several
                                   times.
              -h, --help           Show this help.

            Examples:
              # Make the thing called nightly
              tool create -n nightly
            """
        #expect(try help("create", "--help", width: 66) == expected)
        #expect(try help("help", "create", width: 66) == expected)
        #expect(try help("create", "-n", "a", "-fh", width: 66) == expected)
        #expect(try help("--help", "new", width: 66) == expected)
    }

    @Test func commandsBelowCommands() throws {
        #expect(try help("help", "config", "show").hasPrefix("Usage: tool config show [OPTIONS]\n\nPrint them.\n"))
        #expect(try help("config", "help", "show").hasPrefix("Usage: tool config show"))
        let config = try help("config", "-h")
        #expect(config.contains("Commands:\n  show  Print them."))
        #expect(!config.contains("migrate"))
    }

    @Test func argumentsAreExplained() throws {
        let text = try help("get", "--help")
        #expect(text.hasPrefix("Usage: tool get [OPTIONS] NAME"))
        #expect(text.contains("Arguments:\n  NAME  Which one."))
    }

    @Test(arguments: 60...100)
    func linesAreNotTooLong(width: Int) throws {
        for line in try help("create", "--help", width: width).split(separator: "\n") {
            #expect(line.count <= width, "\(line)")
        }
    }
}
