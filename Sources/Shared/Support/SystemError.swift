import Glibc

/// An `errno`.
package struct SystemError: Error, Hashable, Sendable {
    package var number: Int32

    package init(_ number: Int32 = errno) { self.number = number }

    /// The system's words for it, as "No such file or directory".
    package var text: String { String(cString: strerror(number)) }
}
