import CommandLineInterface
import JSON
import Support

/// What a command has to say when it has ended well: for people, and for programs with `--json`.
struct CommandResult: Sendable {
    /// Lines for people.
    var text: String
    /// The same as the value of one JSON document.
    var json: @Sendable (inout JSONWriter) throws -> Void
    /// What the program ends with.
    var exitCode = ExitCode.success
    /// Whether there is nothing left to be printed.
    var isPrinted = false
    /// What has gone wrong, when there is something to say besides; it is in ``json`` as well.
    var failure: BackupError?

    init(_ text: String, json: @escaping @Sendable (inout JSONWriter) throws -> Void) {
        self.text = text
        self.json = json
    }

    /// What a command has to say that has said all of it while it ran.
    static let alreadyPrinted: CommandResult = {
        var result = CommandResult("") { try $0.null() }
        result.isPrinted = true
        return result
    }()

    /// The document, with a line feed at its end.
    func document() throws -> String {
        String(decoding: try JSONWriter.bytes(layout: .indented) { try json(&$0) }, as: UTF8.self)
    }

    /// `{"error": {"code", "message", "hint"}}`.
    static func document(of error: BackupError) -> String {
        let bytes = try? JSONWriter.bytes(layout: .indented) { writer in
            try writer.object { writer in try writer.member("error") { try error.write(to: &$0) } }
        }
        return String(decoding: bytes ?? [], as: UTF8.self)
    }
}

extension BackupError {
    /// As an object of code, message and hint.
    func write(to writer: inout JSONWriter) throws {
        try writer.object { writer in
            try writer.member("code", code.description)
            try writer.member("message", message)
            try writer.memberIfSet("hint", hint ?? "")
        }
    }
}
