import CCrypto

/// Whether two texts are the same, in a time that tells nothing of where they differ. That their lengths differ is no secret.
package func isEqualInConstantTime(_ left: [UInt8], _ right: [UInt8]) -> Bool {
    left.count == right.count && CRYPTO_memcmp(left, right, left.count) == 0
}
