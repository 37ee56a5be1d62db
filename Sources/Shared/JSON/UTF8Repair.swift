extension String {
    /// `bytes` as text, with U+FFFD in place of every byte that does not belong to a valid UTF-8 sequence, as Go has
    /// it.
    ///
    /// The standard library replaces a whole cut-off sequence by one U+FFFD; Go replaces each of its bytes.
    package init(repairing bytes: [UInt8]) {
        if let text = String(validating: bytes, as: UTF8.self) {
            self = text
            return
        }
        var repaired: [UInt8] = []
        repaired.reserveCapacity(bytes.count + 16)
        var index = 0
        while index < bytes.count {
            let length = sequenceLength(bytes, at: index)
            if length == 0 {
                repaired += [0xEF, 0xBF, 0xBD]
                index += 1
            } else {
                repaired += bytes[index..<index + length]
                index += length
            }
        }
        self = String(decoding: repaired, as: UTF8.self)
    }
}

/// The length of the valid sequence that begins at `index`; 0 when there is none.
private func sequenceLength(_ bytes: [UInt8], at index: Int) -> Int {
    // The table of the well-formed sequences, Unicode standard 3.9: the second byte has a narrower range after some
    // first bytes, which keeps out overlong forms, surrogates and what lies above U+10FFFF.
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch bytes[index] {
    case 0x00...0x7F: return 1
    case 0xC2...0xDF: length = 2
    case 0xE0: (length, second) = (3, 0xA0...0xBF)
    case 0xED: (length, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: length = 3
    case 0xF0: (length, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: length = 4
    case 0xF4: (length, second) = (4, 0x80...0x8F)
    default: return 0
    }
    guard index + length <= bytes.count, second.contains(bytes[index + 1]) else { return 0 }
    let isContinued = bytes[(index + 2)..<max(index + 2, index + length)].allSatisfy { $0 & 0xC0 == 0x80 }
    return isContinued ? length : 0
}
