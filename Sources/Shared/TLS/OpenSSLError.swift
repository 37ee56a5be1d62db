import CTLS
import Glibc
import Support

/// What OpenSSL has put into the error queue of this thread.
enum OpenSSLError {
    /// Why the last call failed, in OpenSSL's words. Empties the queue.
    static func takeReason() -> String {
        defer { ERR_clear_error() }
        return reason(of: ERR_peek_error())
    }

    static func reason(of error: UInt) -> String {
        let number = ctls_system_error(error)
        if number != 0 { return SystemError(number).text }
        guard error != 0, let text = ERR_reason_error_string(error) else { return "OpenSSL gives no reason" }
        return String(cString: text)
    }
}
