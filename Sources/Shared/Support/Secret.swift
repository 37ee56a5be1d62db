/// A password, key or token that must not reach a log, an error text or a file.
///
/// Printing, interpolating, dumping or encoding it gives `****`; only ``exposed`` gives the value.
package struct Secret: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The value itself. Call this only where the value is used.
    package let exposed: String

    package init(_ value: String) { exposed = value }

    package var isEmpty: Bool { exposed.isEmpty }
    package var description: String { "****" }
    package var debugDescription: String { "****" }
    package var customMirror: Mirror { Mirror(self, children: []) }
}
