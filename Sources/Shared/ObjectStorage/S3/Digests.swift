import CCrypto

/// Digests and keyed hashes of libcrypto, each in one call.
enum Digests {
    /// Algorithms are looked up once: a lookup costs as much as hashing a few kilobytes.
    private struct Algorithms {
        let sha256 = EVP_MD_fetch(nil, "SHA256", nil)
        let md5 = EVP_MD_fetch(nil, "MD5", nil)
        let hmac = EVP_MAC_fetch(nil, "HMAC", nil)
    }

    // Safe: written once, before its first use; a fetched algorithm is immutable and libcrypto shares it among threads.
    nonisolated(unsafe) private static let algorithms = Algorithms()

    /// 32 bytes.
    static func sha256(_ data: [UInt8]) -> [UInt8] {
        guard let result = digest(data, with: algorithms.sha256) else {
            preconditionFailure("libcrypto offers no SHA-256")
        }
        return result
    }

    /// 16 bytes. For what protocols ask for (`Content-MD5`, ETags), not for security.
    ///
    /// nil on systems that are set up to refuse MD5 (FIPS).
    static func md5(_ data: [UInt8]) -> [UInt8]? { digest(data, with: algorithms.md5) }

    /// HMAC-SHA-256, 32 bytes.
    static func hmacSHA256(key: [UInt8], _ data: [UInt8]) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: 32) { result, count in
            let status = ccrypto_hmac_sha256(algorithms.hmac, key, key.count, data, data.count, result.baseAddress)
            precondition(status == 1, "libcrypto offers no HMAC-SHA-256")
            count = 32
        }
    }

    private static func digest(_ data: [UInt8], with algorithm: OpaquePointer?) -> [UInt8]? {
        var length: UInt32 = 0
        let result = [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { result, count in
            guard EVP_Digest(data, data.count, result.baseAddress, &length, algorithm, nil) == 1 else {
                return length = 0
            }
            count = Int(length)
        }
        return length == 0 ? nil : result
    }
}

extension Collection where Element == UInt8 {
    /// Two lower-case digits per byte.
    var hexadecimal: String {
        String(unsafeUninitializedCapacity: count * 2) { text in
            var index = 0
            for byte in self {
                text[index] = hexadecimalDigit(byte >> 4, uppercase: false)
                text[index + 1] = hexadecimalDigit(byte & 15, uppercase: false)
                index += 2
            }
            return index
        }
    }

    /// Base 64 with padding.
    var base64: String {
        let bytes = Array(self)
        return String(unsafeUninitializedCapacity: (bytes.count + 2) / 3 * 4 + 1) { text in
            // Writes a closing zero byte, too, which is not counted.
            Int(EVP_EncodeBlock(text.baseAddress, bytes, Int32(bytes.count)))
        }
    }
}

func hexadecimalDigit(_ value: UInt8, uppercase: Bool) -> UInt8 {
    value < 10 ? UInt8(ascii: "0") + value : (uppercase ? UInt8(ascii: "A") : UInt8(ascii: "a")) + value - 10
}

extension [UInt8] {
    /// The bytes that pairs of hexadecimal digits stand for; nil when the text is anything else.
    init?(hexadecimal text: some StringProtocol) {
        var bytes: [UInt8] = []
        var high: UInt8?
        for digit in text.utf8 {
            guard let value = hexadecimalValue(digit) else { return nil }
            if let first = high {
                bytes.append(first << 4 | value)
                high = nil
            } else {
                high = value
            }
        }
        guard high == nil else { return nil }
        self = bytes
    }
}

func hexadecimalValue(_ digit: UInt8) -> UInt8? {
    switch digit {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): digit - UInt8(ascii: "A") + 10
    default: nil
    }
}
