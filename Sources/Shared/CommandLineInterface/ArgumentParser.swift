import Support

extension Command {
    /// Reads the words of a command line, the program's own name left out.
    ///
    /// `help`, `--help` and `-h` ask for help wherever they stand. `--` ends the options.
    ///
    /// - Parameter width: columns of a help text.
    /// - Throws: ``BackupError/Code/usage`` with what is wrong and where to read on.
    package func parse(_ words: [String], width: Int = 90) throws(BackupError) -> ParsedCommandLine {
        var parser = ArgumentParser(program: self, words: words)
        try parser.parse()
        if parser.wantsHelp { return .help(HelpText(parser.path, width: width).text) }
        return .run(try parser.invocation())
    }
}

/// Walks through the words of one command line.
struct ArgumentParser {
    /// The program, and the commands that were named below it.
    private(set) var path: [Command]
    private(set) var wantsHelp = false
    private var words: ArraySlice<String>
    private var values: [String: [String]] = [:]
    private var arguments: [String] = []
    private var warnings: [String] = []

    init(program: Command, words: [String]) {
        path = [program]
        self.words = words[...]
    }

    private var command: Command { path[path.count - 1] }
    /// A command takes its own options and those of all commands above it.
    private var options: [Option] { path.reversed().flatMap(\.options) }
    private var fullName: String { path.map(\.name).joined(separator: " ") }

    mutating func parse() throws(BackupError) {
        var optionsEnded = false
        while let word = words.popFirst() {
            if optionsEnded || word == "-" || !word.hasPrefix("-") {
                try take(word)
            } else if word == "--" {
                optionsEnded = true
            } else if word == "--help" || word == "-h" {
                wantsHelp = true
            } else if word.hasPrefix("--") {
                try takeLong(word.dropFirst(2))
            } else {
                try takeShort(word.dropFirst())
            }
            // Who asks for help gets it, whatever stands behind.
            if wantsHelp { return findCommandForHelp() }
        }
    }

    func invocation() throws(BackupError) -> Invocation {
        guard command.subcommands.isEmpty else {
            let what = path.count == 1 ? "no command given" : "\(fullName) needs one of its commands"
            throw usage("\(what): \(command.subcommands.filter { !$0.isHidden }.map(\.name).joined(separator: ", "))")
        }
        let required = command.arguments.filter { !$0.isOptional }
        if arguments.count < required.count { throw usage("\(required[arguments.count].name) is missing") }
        var invocation = Invocation(path: path.dropFirst().map(\.name))
        invocation.arguments = arguments
        invocation.values = values
        invocation.warnings = warnings
        invocation.known = Set(options.map(\.name))
        return invocation
    }

    // MARK: Words

    private mutating func take(_ word: String) throws(BackupError) {
        if !command.subcommands.isEmpty {
            if let next = command.subcommands.first(where: { $0.name == word || $0.aliases.contains(word) }) {
                path.append(next)
            } else if word == "help" {
                wantsHelp = true
            } else {
                throw unknownCommand(word)
            }
        } else if arguments.count < command.arguments.count {
            arguments.append(word)
        } else {
            throw usage("\(fullName) does not take \"\(word.escapingControlCharacters)\"; options begin with --")
        }
    }

    /// After `help` or `--help`: only the names of commands count.
    private mutating func findCommandForHelp() {
        while let word = words.popFirst() {
            if let next = command.subcommands.first(where: { $0.name == word || $0.aliases.contains(word) }) {
                path.append(next)
            }
        }
    }

    // MARK: Options

    private mutating func takeLong(_ text: Substring) throws(BackupError) {
        let name = text.prefix { $0 != "=" }
        let attached = name.endIndex < text.endIndex ? String(text[text.index(after: name.endIndex)...]) : nil
        guard let option = options.first(where: { $0.isCalled(name) }) else {
            throw unknownOption("--\(name)", isBelow: { $0.isCalled(name) })
        }
        try set(option, as: "--\(name)", attached: attached)
    }

    /// One letter with its value behind it, or several flags in one word.
    private mutating func takeShort(_ text: Substring) throws(BackupError) {
        var rest = text
        while let letter = rest.popFirst() {
            if letter == "h" {
                wantsHelp = true
                return
            }
            guard let option = options.first(where: { $0.short == letter }) else {
                throw unknownOption("-\(letter)", isBelow: { $0.short == letter })
            }
            let hasEquals = rest.first == "="
            if option.kind != .flag || hasEquals {
                let attached = rest.isEmpty ? nil : String(hasEquals ? rest.dropFirst() : rest)
                return try set(option, as: "-\(letter)", attached: attached)
            }
            try set(option, as: "-\(letter)", attached: nil)
        }
    }

    /// - Parameter attached: the value that is part of the word, if any.
    private mutating func set(_ option: Option, as spelling: String, attached: String?) throws(BackupError) {
        switch option.status {
        case .current: break
        case .deprecated(let advice): warnings.append("\(spelling) is deprecated: \(advice)")
        case .removed(let advice): throw usage("--\(option.name) was removed, \(advice)")
        }
        let isFirst = values[option.name] == nil
        switch option.kind {
        case .flag:
            guard let value = boolean(attached ?? "true") else {
                throw usage("\(spelling) is a flag; it can be true or false")
            }
            guard isFirst else { throw givenTwice(option) }
            values[option.name] = [String(value)]
        case .value:
            guard isFirst else { throw givenTwice(option) }
            values[option.name] = [try value(attached, of: option, spelling)]
        case .repeated: values[option.name, default: []].append(try value(attached, of: option, spelling))
        case .assignments:
            values[option.name, default: []] += splitAssignments(try value(attached, of: option, spelling))
        }
    }

    private mutating func value(_ attached: String?, of option: Option, _ spelling: String) throws(BackupError)
        -> String
    {
        if let attached { return attached }
        guard let next = words.first else {
            throw usage("\(spelling) needs a value: \(spelling) \(option.placeholder)")
        }
        // A value may begin with a hyphen, but an option of this command is more likely a forgotten value.
        let name = next.prefix { $0 != "=" }
        if next.hasPrefix("--"), name == "--help" || options.contains(where: { $0.isCalled(name.dropFirst(2)) }) {
            throw usage("\(spelling) needs a value before \(name)")
        }
        words.removeFirst()
        return next
    }

    private func boolean(_ text: String) -> Bool? {
        switch text {
        case "1", "t", "T", "true", "TRUE", "True": true
        case "0", "f", "F", "false", "FALSE", "False": false
        default: nil
        }
    }

    // MARK: Errors

    private func usage(_ message: String) -> BackupError {
        BackupError(.usage, message, hint: "see \"\(fullName) --help\"")
    }

    private func givenTwice(_ option: Option) -> BackupError { usage("--\(option.name) can be given only once") }

    private func unknownCommand(_ word: String) -> BackupError {
        let shown = word.escapingControlCharacters
        let names = command.subcommands.filter { !$0.isHidden }.map(\.name)
        guard let nearest = nearestName(to: word, among: names) else {
            return usage("\(command.name) has no command \"\(shown)\"")
        }
        return usage("\(command.name) has no command \"\(shown)\"; did you mean \"\(nearest)\"?")
    }

    private func unknownOption(_ spelling: String, isBelow: (Option) -> Bool) -> BackupError {
        let shown = spelling.escapingControlCharacters
        if command.subcommands.contains(where: { $0.options.contains(where: isBelow) }) {
            return usage("\(shown) must stand behind the name of the command")
        }
        let names = options.filter(\.isShown).map { "--\($0.name)" } + ["--help"]
        guard let nearest = nearestName(to: spelling, among: names) else {
            return usage("\(fullName) has no option \(shown)")
        }
        return usage("\(fullName) has no option \(shown); did you mean \(nearest)?")
    }
}

/// Parts `a=1,b=2` at its commas. A piece without `=` belongs to the value before it, so `hosts=a,b` stays whole.
package func splitAssignments(_ text: String) -> [String] {
    var result: [String] = []
    for piece in text.split(separator: ",", omittingEmptySubsequences: false) {
        if let last = result.popLast() {
            result += piece.contains("=") ? [last, String(piece)] : ["\(last),\(piece)"]
        } else {
            result.append(String(piece))
        }
    }
    return result
}
