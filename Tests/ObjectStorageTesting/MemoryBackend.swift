import CCrypto
import Synchronization

/// The buckets behind one or more ``MemoryObjectStore``s, so that copies between two buckets of a backend can be tested.
package final class MemoryBackend: Sendable {
    /// A key as its bytes: Swift's `String` takes two spellings of one accented letter for the same, a store does not.
    struct Key: Hashable, Comparable, Sendable {
        let bytes: [UInt8]
        init(_ text: String) { bytes = Array(text.utf8) }
        var text: String { String(decoding: bytes, as: UTF8.self) }
        static func < (left: Key, right: Key) -> Bool { left.bytes.lexicographicallyPrecedes(right.bytes) }
    }

    struct Object: Sendable {
        var bytes: [UInt8]
        var etag: String
        /// Of the parts it was uploaded in.
        var lengths: [Int64]?
    }

    struct Upload: Sendable {
        var key: Key
        var parts: [Int: Object] = [:]
    }

    struct Bucket: Sendable {
        private(set) var objects: [Key: Object] = [:]
        private var sorted: [Key]?
        var uploads: [String: Upload] = [:]

        subscript(key: Key) -> Object? {
            get { objects[key] }
            set {
                if (objects[key] == nil) != (newValue == nil) { sorted = nil }
                objects[key] = newValue
            }
        }

        /// All keys in the order of their bytes.
        mutating func sortedKeys() -> [Key] {
            if let sorted { return sorted }
            let keys = objects.keys.sorted()
            sorted = keys
            return keys
        }
    }

    struct State: Sendable {
        var buckets: [String: Bucket] = [:]
        var nextUpload = 1
    }

    private static let count = Mutex(0)

    /// What the stores of this backend have as their endpoint; two backends have different ones.
    package let endpoint: String
    let state = Mutex(State())

    package init() {
        let number = MemoryBackend.count.withLock { count in
            count += 1
            return count
        }
        endpoint = "memory-\(number):0"
    }
}

/// The MD5 digest of `bytes`: what S3 takes for the ETag of a plain object.
package func md5(_ bytes: [UInt8]) -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 16)
    let status = EVP_Digest(bytes, bytes.count, &digest, nil, EVP_md5(), nil)
    precondition(status == 1, "libcrypto has no MD5")
    return digest
}

/// `bytes` in lower-case hexadecimal.
package func hexadecimal(_ bytes: [UInt8]) -> String {
    bytes.map { byte in
        let digits = String(byte, radix: 16)
        return digits.count == 1 ? "0\(digits)" : digits
    }.joined()
}
