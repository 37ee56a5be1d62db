import Support

/// The unit of the wire: a 4-byte big-endian length of what follows, one byte kind, one byte flags, the payload.
///
/// ```
/// 0        4      5       6
/// | length | kind | flags | payload (length - 2 bytes) |
/// ```
package struct Frame: Sendable, Hashable {
    /// Bits of the third field. A frame with a bit that is not known here is a violation of the protocol: its payload could
    /// not be understood.
    package struct Flags: OptionSet, Sendable, Hashable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        /// The payload is one zstd frame whose header names its decompressed size.
        package static let compressed = Flags(rawValue: 1 << 0)
        static let known: Flags = [.compressed]
    }

    /// Bytes of kind and flags, which the length counts.
    static let headerSize = 2
    /// Bytes of the length field itself.
    static let lengthSize = 4

    /// A ``MessageKind``, or a kind of a later version.
    package var kind: UInt8
    package var flags: Flags
    package var payload: [UInt8]

    package init(kind: UInt8, flags: Flags = [], payload: [UInt8]) {
        self.kind = kind
        self.flags = flags
        self.payload = payload
    }

    /// The frame as it goes over the wire.
    package var bytes: [UInt8] {
        let length = UInt32(clamping: Frame.headerSize + payload.count)
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Frame.lengthSize + Frame.headerSize + payload.count)
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: length >> UInt32(shift))) }
        bytes.append(kind)
        bytes.append(flags.rawValue)
        bytes += payload
        return bytes
    }
}

/// What a peer may make us hold.
package struct FrameLimits: Sendable, Hashable {
    /// The largest length field of a frame, in bytes.
    package var frameSize: Int
    /// The largest payload after decompression, in bytes.
    package var payloadSize: Int

    package init(frameSize: Int, payloadSize: Int) {
        self.frameSize = frameSize
        self.payloadSize = payloadSize
    }

    /// Until the peer has proven who it is: 64 KiB.
    package static let handshake = FrameLimits(frameSize: 64 << 10, payloadSize: 64 << 10)
    /// Afterwards: 16 MiB, ten times a shard of 1000 objects with keys of the greatest length.
    package static let session = FrameLimits(frameSize: 16 << 20, payloadSize: 16 << 20)
}
