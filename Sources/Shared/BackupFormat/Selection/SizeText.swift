import Support

/// Sizes as people write them in a configuration: `2g`, `2GB`, `512m`, `64 KB`, `1073741824`.
package enum SizeText {
    /// Bytes of a size; the units are powers of 1024, whatever their case.
    ///
    /// - Parameter name: what is configured, for the error.
    /// - Throws: `configuration` when this is no size above zero.
    package static func parse(_ text: String, name: String) throws(BackupError) -> Int64 {
        let trimmed = text.filter { !$0.isWhitespace }.lowercased()
        let digits = trimmed.prefix { $0.isASCII && $0.isNumber }
        let shift: Int64? =
            switch trimmed.dropFirst(digits.count) {
            case "", "b": 0
            case "k", "kb", "kib": 10
            case "m", "mb", "mib": 20
            case "g", "gb", "gib": 30
            case "t", "tb", "tib": 40
            default: nil
            }
        guard let shift, let count = Int64(digits), count > 0 else {
            throw BackupError(
                .configuration, "\(name): \"\(text.prefix(40))\" is no size",
                hint: "write a number of bytes, or one with a unit such as 512m or 2g")
        }
        let (bytes, overflows) = count.multipliedReportingOverflow(by: 1 << shift)
        guard !overflows else { throw BackupError(.configuration, "\(name): \(text.prefix(40)) is too large") }
        return bytes
    }
}
