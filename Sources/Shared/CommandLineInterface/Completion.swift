/// Scripts that let a shell complete commands and options.
package struct Completion: Sendable {
    package enum Shell: String, Sendable, CaseIterable {
        case bash, zsh, fish
    }

    /// A command with the names above it.
    private struct Entry {
        /// The names below the program's, separated by blanks; empty for the program itself.
        var path: String
        var command: Command
        /// Its own options and those of all commands above it.
        var options: [Option]

        /// Subcommands and options, as they are typed.
        var words: [String] {
            command.subcommands.filter { !$0.isHidden }.map(\.name) + options.map { "--\($0.name)" } + ["--help"]
        }
    }

    private let program: Command

    package init(_ program: Command) { self.program = program }

    package func script(for shell: Shell) -> String {
        switch shell {
        case .bash: bash
        case .zsh: "#compdef \(program.name)\nautoload -U +X bashcompinit && bashcompinit\n\(bash)"
        case .fish: fish
        }
    }

    private var entries: [Entry] { Completion.entries(of: program, path: [], above: []) }

    private static func entries(of command: Command, path: [String], above: [Option]) -> [Entry] {
        let options = above + command.options.filter(\.isShown)
        let own = Entry(path: path.joined(separator: " "), command: command, options: options)
        return [own]
            + command.subcommands.filter { !$0.isHidden }
            .flatMap { entries(of: $0, path: path + [$0.name], above: options) }
    }

    // MARK: bash

    private var bash: String {
        let function = "_" + program.name.replacing("-", with: "_")
        let cases = entries.map { "        \"\($0.path)\") words=\"\($0.words.joined(separator: " "))\" ;;" }
        let names = Set(entries.flatMap { $0.path.split(separator: " ") }).sorted().joined(separator: "|")
        return """
            # Completion for \(program.name).
            \(function)() {
                local current="${COMP_WORDS[COMP_CWORD]}" path="" words="" word
                for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
                    case "$word" in
                    \(names)) path="${path:+$path }$word" ;;
                    esac
                done
                case "${COMP_WORDS[COMP_CWORD-1]}" in
                --config|--output|-o) COMPREPLY=($(compgen -f -- "$current")); return ;;
                esac
                case "$path" in
            \(cases.joined(separator: "\n"))
                esac
                COMPREPLY=($(compgen -W "$words" -- "$current"))
            }
            complete -F \(function) \(program.name)
            """
    }

    // MARK: fish

    private var fish: String {
        var lines = ["# Completion for \(program.name).", "complete -c \(program.name) -f"]
        for entry in entries {
            let condition = Completion.fishCondition(entry)
            for command in entry.command.subcommands where !command.isHidden {
                lines.append(
                    "complete -c \(program.name) -n '\(condition)' -a \(command.name) -d '\(quoted(command.summary))'")
            }
            for option in entry.command.options.filter(\.isShown) {
                let short = option.short.map { " -s \($0)" } ?? ""
                let value = option.kind == .flag ? "" : option.placeholder == "FILE" ? " -rF" : " -x"
                let scope = entry.path.isEmpty ? "" : " -n '\(condition)'"
                lines.append(
                    "complete -c \(program.name)\(scope) -l \(option.name)\(short)\(value) -d '\(quoted(option.help))'")
            }
        }
        return lines.joined(separator: "\n")
    }

    private static func fishCondition(_ entry: Entry) -> String {
        let names = entry.path.split(separator: " ")
        guard let last = names.last else { return "__fish_use_subcommand" }
        return "__fish_seen_subcommand_from \(last)"
    }

    private func quoted(_ text: String) -> String { text.replacing("'", with: "\\'") }
}
