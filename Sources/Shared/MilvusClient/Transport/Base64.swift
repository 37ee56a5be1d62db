import FoundationEssentials

/// `bytes` in standard base64, with padding.
package func base64Encoded(_ bytes: some Sequence<UInt8>) -> String { Data(bytes).base64EncodedString() }

/// The bytes of a standard base64 text; nil when it is none.
package func base64Decoded(_ text: String) -> [UInt8]? { Data(base64Encoded: text).map { Array($0) } }
