import Support

/// The `code` of an answer; left out when it is 0.
struct APICode: RawRepresentable, Sendable, Hashable {
    let rawValue: Int32

    static let success = APICode(rawValue: 0)
    static let failure = APICode(rawValue: 3)
    static let parameterError = APICode(rawValue: 400)
    static let notFound = APICode(rawValue: 404)

    init(rawValue: Int32) { self.rawValue = rawValue }

    /// The only place where an error becomes a code.
    init(_ error: BackupError) {
        switch error.code {
        case .usage, .invalidArgument: self = .parameterError
        default: self = .failure
        }
    }
}
