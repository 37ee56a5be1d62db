import CCurl
import Glibc

/// A libcurl easy handle and what must live as long as it does. Used by one transfer after another.
final class EasyHandle {
    let pointer: UnsafeMutableRawPointer
    private let errorText: UnsafeMutablePointer<CChar>
    private var headerLines: UnsafeMutablePointer<curl_slist>?
    private var connectTo: UnsafeMutablePointer<curl_slist>?

    init?() {
        guard let pointer = curl_easy_init() else { return nil }
        self.pointer = pointer
        errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        errorText.pointee = 0
    }

    deinit {
        curl_easy_cleanup(pointer)
        freeLists()
        errorText.deallocate()
    }

    /// Back to a handle without options.
    func reset() {
        curl_easy_reset(pointer)
        freeLists()
        errorText.pointee = 0
    }

    func set(_ option: CURLoption, _ value: Int) { curl_shim_set_long(pointer, option, value) }
    func set(_ option: CURLoption, _ value: Bool) { curl_shim_set_long(pointer, option, value ? 1 : 0) }
    func set(_ option: CURLoption, _ value: String?) { curl_shim_set_string(pointer, option, value) }
    func set(_ option: CURLoption, offset: Int64) { curl_shim_set_offset(pointer, option, curl_off_t(offset)) }
    func set(_ option: CURLoption, context: UnsafeMutableRawPointer?) {
        curl_shim_set_pointer(pointer, option, context)
    }

    func captureErrorText() { curl_shim_set_pointer(pointer, CURLOPT_ERRORBUFFER, errorText) }

    /// Header lines in the form of CURLOPT_HTTPHEADER.
    func setHeaderLines(_ lines: [String]) {
        for line in lines { headerLines = curl_slist_append(headerLines, line) }
        curl_shim_set_list(pointer, CURLOPT_HTTPHEADER, headerLines)
    }

    /// `HOST:PORT:HOST:PORT`, see CURLOPT_CONNECT_TO.
    func setConnectTo(_ route: String) {
        connectTo = curl_slist_append(connectTo, route)
        curl_shim_set_list(pointer, CURLOPT_CONNECT_TO, connectTo)
    }

    // MARK: What happened

    /// libcurl's own words about a failure, or an empty string.
    var errorMessage: String { String(cString: errorText) }

    /// The `errno` of the last failed connection attempt, or 0.
    var systemError: Int32 { Int32(truncatingIfNeeded: long(CURLINFO_OS_ERRNO)) }

    var uploadedBytes: Int64 { offset(CURLINFO_SIZE_UPLOAD_T) }

    /// Bytes of request heads that were sent; 0 while there is no connection.
    var requestSize: Int64 { Int64(long(CURLINFO_REQUEST_SIZE)) }

    /// Bytes written to the socket that the peer has not acknowledged.
    var unacknowledgedBytes: Int {
        var socket = curl_socket_t(-1)
        guard curl_shim_get_socket(pointer, &socket) == CURLE_OK, socket >= 0 else { return 0 }
        return max(0, Int(curl_shim_unacknowledged_bytes(socket)))
    }

    private func long(_ info: CURLINFO) -> Int {
        var value = 0
        return curl_shim_get_long(pointer, info, &value) == CURLE_OK ? value : 0
    }

    private func offset(_ info: CURLINFO) -> Int64 {
        var value: curl_off_t = 0
        return curl_shim_get_offset(pointer, info, &value) == CURLE_OK ? Int64(value) : 0
    }

    private func freeLists() {
        curl_slist_free_all(headerLines)
        curl_slist_free_all(connectTo)
        headerLines = nil
        connectTo = nil
    }
}
