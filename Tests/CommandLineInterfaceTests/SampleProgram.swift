import CommandLineInterface
import Support

/// A program with everything a command line can have.
let program = Command(
    "tool",
    summary: "Keeps things.",
    options: [
        Option("config", placeholder: "FILE", help: "The configuration file.", defaultValue: "tool.yaml"),
        Option("set", kind: .assignments, placeholder: "KEY=VALUE", help: "Overrides a setting."),
    ],
    subcommands: [
        Command(
            "create",
            aliases: ["new"],
            summary: "Make a thing.",
            discussion: """
                Makes a thing out of what is there, and keeps it until it is deleted. This takes a while when there is much
                of it.

                Nothing is changed.
                """,
            options: [
                Option("name", short: "n", placeholder: "NAME", help: "What the thing is called."),
                .flag("rbac", help: "Users and roles as well."),
                .flag("force", short: "f", help: "Do it anyway."),
                Option("backup_index_extra", aliases: ["index-extra"], kind: .flag, help: "More about indexes."),
                Option("tag", short: "t", kind: .repeated, help: "A word to find it by."),
                Option("colls", short: "c", help: "", status: .removed("use --filter")),
                Option("databases", short: "d", help: "", status: .deprecated("use --filter")),
                Option("secret", help: "Nobody's business.", isHidden: true),
            ],
            examples: [Command.Example("tool create -n nightly", "Make the thing called nightly")]),
        Command("get", summary: "Show a thing.", arguments: [Argument("NAME", help: "Which one.")]),
        Command(
            "config", summary: "About settings.",
            subcommands: [
                Command("show", summary: "Print them."),
                Command("migrate", summary: "Write them anew.", isHidden: true),
            ]),
        Command(
            "serve", summary: "Run for ever.",
            options: [Option("port", short: "p", placeholder: "PORT", help: "Where to listen.", defaultValue: "8080")]),
    ])

/// The invocation of a command line that is expected to be one.
func invocation(_ words: String...) throws -> Invocation {
    guard case .run(let invocation) = try program.parse(words) else {
        throw BackupError(.internalError, "this is help")
    }
    return invocation
}

/// The help a command line asks for; empty when it asks for none.
func help(_ words: String..., width: Int = 90) throws -> String {
    guard case .help(let text) = try program.parse(words, width: width) else { return "" }
    return text
}
