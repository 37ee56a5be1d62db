import Support

extension HTTPRequest {
    /// Checks everything but the URL.
    ///
    /// - Throws: ``BackupError/Code/invalidArgument`` for what cannot be sent, or would change the meaning of the head.
    package func validate(for origin: Origin) throws(BackupError) {
        func refuse(_ reason: String) -> BackupError { BackupError(.invalidArgument, "\(origin): \(reason)") }
        guard !method.isEmpty, method.utf8.allSatisfy({ (0x41...0x5a).contains($0) }) else {
            throw refuse("not an HTTP method: \(method.escapingControlCharacters)")
        }
        if case .pipe(_, let length) = body, length < 0 { throw refuse("a body cannot have \(length) bytes") }
        for (name, value) in headers where !isFieldName(name) || !isFieldValue(value) {
            throw refuse("a header field cannot be sent as it is: \(name.escapingControlCharacters)")
        }
    }
}

private func isFieldName(_ name: String) -> Bool {
    !name.isEmpty
        && name.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: ";") }
}

private func isFieldValue(_ value: String) -> Bool {
    value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
}
