import Support

/// What a program's end tells the shell.
package struct ExitCode: RawRepresentable, Sendable, Hashable {
    package let rawValue: Int32

    package init(rawValue: Int32) { self.rawValue = rawValue }

    package static let success = ExitCode(rawValue: 0)
    /// What was asked for could not be done.
    package static let failure = ExitCode(rawValue: 1)
    /// The program was called in a way it cannot be called, and nothing was done.
    package static let usage = ExitCode(rawValue: 2)
    /// What was looked at is damaged.
    package static let damaged = ExitCode(rawValue: 3)
    /// The user stopped the program, as a shell reports an end by SIGINT.
    package static let interrupted = ExitCode(rawValue: 130)

    /// The only place where an error becomes an exit code.
    package init(_ error: BackupError) {
        switch error.code {
        case .usage: self = .usage
        case .canceled: self = .interrupted
        default: self = .failure
        }
    }
}
