/// One command of a program, or the program itself: what it is called, what it takes, and what its help says.
package struct Command: Sendable {
    /// A call a reader can copy, and what it does.
    package struct Example: Sendable {
        package var text: String
        package var explanation: String

        package init(_ text: String, _ explanation: String) {
            self.text = text
            self.explanation = explanation
        }
    }

    package var name: String
    package var aliases: [String]
    /// One line for the list of commands.
    package var summary: String
    /// What the command does, for someone who sees it for the first time. Paragraphs are separated by empty lines.
    package var discussion: String
    package var options: [Option]
    package var arguments: [Argument]
    package var examples: [Example]
    /// Commands below this one. A command that has some does nothing by itself.
    package var subcommands: [Command]
    /// Whether the help leaves the command out.
    package var isHidden: Bool

    package init(
        _ name: String,
        aliases: [String] = [],
        summary: String,
        discussion: String = "",
        options: [Option] = [],
        arguments: [Argument] = [],
        examples: [Example] = [],
        subcommands: [Command] = [],
        isHidden: Bool = false
    ) {
        self.name = name
        self.aliases = aliases
        self.summary = summary
        self.discussion = discussion
        self.options = options
        self.arguments = arguments
        self.examples = examples
        self.subcommands = subcommands
        self.isHidden = isHidden
    }
}

/// A word of a command line that belongs to no option.
package struct Argument: Sendable {
    /// As the help shows it: `NAME`.
    package var name: String
    package var help: String
    package var isOptional: Bool

    package init(_ name: String, help: String, isOptional: Bool = false) {
        self.name = name
        self.help = help
        self.isOptional = isOptional
    }
}
