import Support

/// What a command line asks for.
package enum ParsedCommandLine: Sendable {
    /// Run a command.
    case run(Invocation)
    /// Print this help and end well.
    case help(String)
}

/// A command with its options and arguments.
package struct Invocation: Sendable {
    /// The names of the command without the program's: `["config", "show"]`.
    package internal(set) var path: [String]
    /// What the user should be told: deprecated options.
    package internal(set) var warnings: [String] = []
    /// The arguments in their order.
    package internal(set) var arguments: [String] = []
    /// Values by the option's name.
    var values: [String: [String]] = [:]
    /// Every option the command has, to catch accessors that ask for others.
    var known: Set<String> = []

    /// Whether the option was given at all.
    package func has(_ name: String) -> Bool { values(name) != nil }

    /// A flag; false when it was not given.
    package func flag(_ name: String) -> Bool { values(name)?.last == "true" }

    /// The value of an option, nil when it was not given.
    package func text(_ name: String) -> String? { values(name)?.last }

    /// All values of an option that can be repeated.
    package func texts(_ name: String) -> [String] { values(name) ?? [] }

    /// The value of an option as a number in a range.
    ///
    /// - Throws: ``BackupError/Code/usage`` when it is something else.
    package func integer(_ name: String, in range: ClosedRange<Int>) throws(BackupError) -> Int? {
        guard let text = text(name) else { return nil }
        guard let number = Int(text) else {
            throw BackupError(.usage, "--\(name) needs a number, not \"\(text.escapingControlCharacters)\"")
        }
        guard range.contains(number) else {
            let bounds = "between \(range.lowerBound) and \(range.upperBound)"
            throw BackupError(.usage, "--\(name) must be \(bounds), not \(number)")
        }
        return number
    }

    private func values(_ name: String) -> [String]? {
        assert(known.contains(name), "the command \(path.joined(separator: " ")) has no option --\(name)")
        return values[name]
    }
}
