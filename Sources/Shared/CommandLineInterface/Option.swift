/// An option: `--name VALUE`, `--name=VALUE`, `-n VALUE`, `-nVALUE`, or the flag `--rbac`, `--rbac=false`.
package struct Option: Sendable {
    package enum Kind: Sendable, Hashable {
        /// True when it is there; `=true` and `=false` may be added.
        case flag
        /// One value.
        case value
        /// Any number of values, given one by one.
        case repeated
        /// Any number of `KEY=VALUE`, also several in one separated by commas.
        case assignments
    }

    /// What has become of an option.
    package enum Status: Sendable, Hashable {
        case current
        /// It still works; the text says what to use instead.
        case deprecated(String)
        /// It is recognized only to say that it is gone; the text says what to use instead.
        case removed(String)
    }

    /// The long name without hyphens. `-` and `_` in it are the same when it is looked up.
    package var name: String
    package var short: Character?
    package var aliases: [String]
    package var kind: Kind
    /// What stands for the value in the help.
    package var placeholder: String
    package var help: String
    /// What is used when the option is not there, for the help; nil when nothing is.
    package var defaultValue: String?
    package var status: Status
    /// Whether the help leaves the option out. Those that are not current are left out in any case.
    package var isHidden: Bool

    package init(
        _ name: String,
        short: Character? = nil,
        aliases: [String] = [],
        kind: Kind = .value,
        placeholder: String = "VALUE",
        help: String,
        defaultValue: String? = nil,
        status: Status = .current,
        isHidden: Bool = false
    ) {
        self.name = name
        self.short = short
        self.aliases = aliases
        self.kind = kind
        self.placeholder = placeholder
        self.help = help
        self.defaultValue = defaultValue
        self.status = status
        self.isHidden = isHidden
    }

    /// A flag that is false when it is not there.
    package static func flag(
        _ name: String, short: Character? = nil, aliases: [String] = [], help: String, status: Status = .current,
        isHidden: Bool = false
    ) -> Option {
        Option(name, short: short, aliases: aliases, kind: .flag, help: help, status: status, isHidden: isHidden)
    }

    var isShown: Bool { status == .current && !isHidden }

    func isCalled(_ text: Substring) -> Bool {
        ([name] + aliases).contains { $0.replacing("_", with: "-") == text.replacing("_", with: "-") }
    }
}
