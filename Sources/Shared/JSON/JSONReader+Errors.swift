import Support

extension JSONReader {
    /// An error at the place that has been reached.
    package func failure(_ message: String) -> BackupError {
        BackupError(.corrupted, "\(name): \(message)\(place) (byte \(offset))")
    }

    /// Something else than `byte` should have come; nil is the end of the document.
    func unexpected(_ expectation: String, _ byte: UInt8?) -> BackupError {
        guard let byte else {
            if offset == 0 { return BackupError(.corrupted, "\(name): the document is empty") }
            return BackupError(
                .corrupted, "\(name): the document ends too early\(place) (byte \(offset))",
                hint: "it was cut off when it was written or transferred")
        }
        let found =
            if let kind = kind(of: byte) {
                kind.rawValue
            } else if byte > 0x20 && byte < 0x7F {
                "'\(Character(Unicode.Scalar(byte)))'"
            } else {
                "byte 0x\(String(byte, radix: 16))"
            }
        return BackupError(.corrupted, "\(name): \(expectation) expected\(place), \(found) found (byte \(offset))")
    }

    /// ` at collection_backups[3].size`, or nothing at the top.
    private var place: String {
        let path = self.path
        return path.isEmpty ? "" : " at \(path)"
    }

    /// Where in the tree the reader is: `collection_backups[3].size`.
    package var path: String {
        var path = ""
        for (index, frame) in frames.enumerated() {
            if frame.isArray {
                path += frame.index < 0 ? "[]" : "[\(frame.index)]"
            } else {
                let keyEnd = index + 1 < frames.count ? frames[index + 1].keyStart : keys.count
                guard frame.keyStart < keyEnd else { continue }
                let key = String(decoding: keys[frame.keyStart..<keyEnd].prefix(80), as: UTF8.self)
                path += path.isEmpty ? shown(key) : ".\(shown(key))"
            }
        }
        return path
    }

    /// A key is foreign text: nothing in it may break the line of an error message.
    private func shown(_ key: String) -> String {
        let isPlain = key.unicodeScalars.allSatisfy { $0.value > 0x20 && $0.value != 0x7F && $0.value != 0x85 }
        return isPlain ? key : "\"\(key.unicodeScalars.map { $0.escaped(asASCII: false) }.joined())\""
    }
}
