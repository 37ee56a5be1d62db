/// The help of one command.
struct HelpText {
    private let path: [Command]
    private let width: Int

    /// - Parameters:
    ///   - path: the program and the commands below it down to the one that is explained; not empty.
    ///   - width: columns, at least 60.
    init(_ path: [Command], width: Int) {
        self.path = path
        self.width = max(60, width)
    }

    private var command: Command { path[path.count - 1] }
    private var fullName: String { path.map(\.name).joined(separator: " ") }

    /// Lines with a line feed between them and none at the end.
    var text: String {
        var sections = ["Usage: \(usage)"]
        sections += paragraphs
        let commands = command.subcommands.filter { !$0.isHidden }.map { (label: $0.name, text: $0.summary) }
        if !commands.isEmpty { sections.append(section("Commands", commands)) }
        if !command.arguments.isEmpty {
            sections.append(section("Arguments", command.arguments.map { (label: $0.name, text: $0.help) }))
        }
        let own = command.options.filter(\.isShown)
        let help = (label: "-h, --help", text: "Show this help.")
        let inherited = path.dropLast().reversed().flatMap(\.options).filter(\.isShown)
        if inherited.isEmpty {
            sections.append(section("Options", own.map(entry) + [help]))
        } else {
            if !own.isEmpty { sections.append(section("Options", own.map(entry))) }
            sections.append(section("Options of all commands", inherited.map(entry) + [help]))
        }
        if !command.examples.isEmpty { sections.append(examples) }
        if !commands.isEmpty { sections.append("\"\(fullName) help COMMAND\" explains a command.") }
        return sections.joined(separator: "\n\n")
    }

    private var usage: String {
        var words = [fullName]
        if !command.subcommands.isEmpty { words.append("COMMAND") }
        words.append("[OPTIONS]")
        words += command.arguments.map { $0.isOptional ? "[\($0.name)]" : $0.name }
        return words.joined(separator: " ")
    }

    private var paragraphs: [String] {
        let text = command.discussion.isEmpty ? command.summary : command.discussion
        var paragraphs: [[Substring]] = [[]]
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.allSatisfy(\.isWhitespace) {
                paragraphs.append([])
            } else {
                paragraphs[paragraphs.count - 1].append(line)
            }
        }
        return paragraphs.filter { !$0.isEmpty }.map { wrap($0.joined(separator: " "), indentation: 0) }
    }

    private var examples: String {
        let lines = command.examples.map { "  # \($0.explanation)\n  \($0.text)" }
        return "Examples:\n" + lines.joined(separator: "\n\n")
    }

    private func entry(_ option: Option) -> (label: String, text: String) {
        let short = option.short.map { "-\($0), " } ?? "    "
        let value = option.kind == .flag ? "" : " \(option.placeholder)"
        var text = option.help
        if option.kind == .repeated || option.kind == .assignments { text += " Can be given several times." }
        if let value = option.defaultValue { text += " Default: \(value)." }
        return ("\(short)--\(option.name)\(value)", text)
    }

    /// A title and two columns. A label that is too long has its text on the next line.
    private func section(_ title: String, _ entries: [(label: String, text: String)]) -> String {
        let longest = entries.map(\.label.count).max() ?? 0
        let column = min(longest, 30) + 4
        var lines = ["\(title):"]
        for entry in entries {
            let text = wrap(entry.text, indentation: column)
            if entry.label.count + 4 > column {
                lines += ["  \(entry.label)", text]
            } else {
                let label = "  \(entry.label)"
                lines.append(label + String(repeating: " ", count: column - label.count) + text.dropFirst(column))
            }
        }
        return lines.joined(separator: "\n")
    }

    /// `text` in lines of at most `width` columns that begin with blanks. A longer word has a line of its own.
    private func wrap(_ text: String, indentation: Int) -> String {
        let margin = String(repeating: " ", count: indentation)
        var lines: [String] = []
        var line = margin
        for word in text.split(separator: " ") {
            if line.count > indentation, line.count + 1 + word.count > width {
                lines.append(line)
                line = margin
            }
            line += line.count > indentation ? " \(word)" : "\(word)"
        }
        return (lines + [line]).joined(separator: "\n")
    }
}
