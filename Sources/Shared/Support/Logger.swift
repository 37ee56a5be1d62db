/// How much a log line matters.
package enum LogLevel: Int, Sendable, Comparable, CaseIterable {
    case debug, info, warn, error

    package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }

    /// The level of a configuration value; `panic` and `fatal`, which the original knows, count as `error`.
    package init?(name: String) {
        switch name.lowercased() {
        case "debug": self = .debug
        case "info": self = .info
        case "warn", "warning": self = .warn
        case "error", "panic", "fatal", "dpanic": self = .error
        default: return nil
        }
    }

    package var name: String { String(describing: self) }
}

/// Where finished log lines go. A sink never throws: a full disk must not end a backup.
package protocol LogSink: Sendable {
    /// - Parameter line: one line without its line feed.
    func write(_ line: String, level: LogLevel)
}

/// Writes log lines of the form `2026-01-31T12:00:00.000Z INFO backup: message key=value`.
///
/// A value that holds no secret and is cheap to copy. Values with blanks or quotes are quoted; control characters are
/// escaped, so that nothing that came from outside can forge a line.
package struct Logger: Sendable {
    package var label: String
    package var level: LogLevel
    private let sinks: [any LogSink]

    package init(label: String, level: LogLevel = .info, sinks: [any LogSink]) {
        self.label = label
        self.level = level
        self.sinks = sinks
    }

    /// A logger that drops everything.
    package static let silent = Logger(label: "", level: .error, sinks: [])

    /// The same logger under another label.
    package func labeled(_ label: String) -> Logger {
        var logger = self
        logger.label = label
        return logger
    }

    package func debug(_ message: @autoclosure () -> String, _ fields: KeyValuePairs<String, any Sendable> = [:]) {
        log(.debug, message(), fields)
    }

    package func info(_ message: @autoclosure () -> String, _ fields: KeyValuePairs<String, any Sendable> = [:]) {
        log(.info, message(), fields)
    }

    package func warn(_ message: @autoclosure () -> String, _ fields: KeyValuePairs<String, any Sendable> = [:]) {
        log(.warn, message(), fields)
    }

    package func error(_ message: @autoclosure () -> String, _ fields: KeyValuePairs<String, any Sendable> = [:]) {
        log(.error, message(), fields)
    }

    private func log(
        _ level: LogLevel, _ message: @autoclosure () -> String, _ fields: KeyValuePairs<String, any Sendable>
    ) {
        guard level >= self.level, !sinks.isEmpty else { return }
        var line =
            "\(Timestamp.now().iso8601) \(level.name.uppercased()) \(label): \(message().escapingControlCharacters)"
        for (key, value) in fields { line += " \(key)=\(Logger.quoted(String(describing: value)))" }
        for sink in sinks { sink.write(line, level: level) }
    }

    private static func quoted(_ value: String) -> String {
        let escaped = value.escapingControlCharacters
        let isPlain = !escaped.isEmpty && !escaped.contains { $0 == " " || $0 == "\"" || $0 == "=" }
        return isPlain ? escaped : "\"\(escaped.replacing("\"", with: "\\\""))\""
    }
}

extension String {
    /// The text with control characters written as `\n`, `\t` or `\u{1b}`: safe to print in one line.
    package var escapingControlCharacters: String {
        guard unicodeScalars.contains(where: { $0.value < 0x20 || (0x7f..<0xa0).contains($0.value) }) else {
            return self
        }
        var result = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20 || (0x7f..<0xa0).contains(scalar.value):
                result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
