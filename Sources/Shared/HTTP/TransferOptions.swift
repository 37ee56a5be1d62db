import CCurl
import Support

/// Bytes moved per system call: large enough to make the calls cheap, small enough for hundreds of transfers.
private let transferBufferSize = 64 * 1024
/// Bodies up to this size go out together with the head, in one system call (libcurl's MAX_INITIAL_POST_SIZE).
private let initialBodySize: Int64 = 64 * 1024 - 1
/// Streamed bodies above this size ask first (`Expect: 100-continue`): a refusal costs neither the data nor the connection,
/// and a connection that the server has closed meanwhile is replaced before any byte was taken from the pipe.
/// That is also where libcurl does so by itself (its EXPECT_100_THRESHOLD).
private let expectationThreshold: Int64 = 1 << 20

/// Whether a request asks the server before it sends its body.
func asksBeforeSending(_ request: HTTPRequest) -> Bool {
    if case .pipe(_, let length) = request.body { return request.version == .http1 && length > expectationThreshold }
    return false
}

extension EasyHandle {
    /// Sets everything libcurl must know to carry out `transfer`.
    ///
    /// - Throws: ``BackupError/Code/invalidArgument`` for a method or a header field that cannot be sent.
    func configure(for transfer: Transfer, share: UnsafeMutableRawPointer?, _ environment: ConnectionEnvironment)
        throws(BackupError)
    {
        let request = transfer.submission.request
        captureErrorText()
        curl_shim_set_pointer(pointer, CURLOPT_SHARE, share)
        setGeneralOptions(request)
        setRoute(transfer.submission, environment)
        if transfer.submission.origin.isSecure { setTrust(request.tls, environment) }
        try setMethodAndBody(transfer)
        try setHeaders(transfer)
        setCallbacks(transfer)
    }

    private func setGeneralOptions(_ request: HTTPRequest) {
        set(CURLOPT_NOSIGNAL, true)
        // An abandoned name lookup must not hold up the loop.
        set(CURLOPT_QUICK_EXIT, true)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        set(CURLOPT_PATH_AS_IS, true)
        set(CURLOPT_HTTP_CONTENT_DECODING, false)
        set(CURLOPT_SUPPRESS_CONNECT_HEADERS, true)
        set(CURLOPT_TCP_KEEPALIVE, true)
        set(CURLOPT_CONNECTTIMEOUT_MS, max(1, request.connectTimeout.milliseconds))
        set(CURLOPT_BUFFERSIZE, transferBufferSize)
        set(CURLOPT_EXPECT_100_TIMEOUT_MS, 1000)
        switch request.version {
        case .http1: set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
        case .http2:
            let isSecure = request.url.hasPrefix("https:")
            set(CURLOPT_HTTP_VERSION, isSecure ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
            if isSecure || plainHTTP2IsReusable {
                set(CURLOPT_PIPEWAIT, true)
            } else {
                set(CURLOPT_FRESH_CONNECT, true)
                set(CURLOPT_FORBID_REUSE, true)
            }
            set(CURLOPT_HTTPPROXYTUNNEL, true)
            // One connection serves all requests: when the host has gone, the kernel must end it for all of them.
            curl_shim_set_socket_option_function(pointer, abandonSilentPeer)
        }
    }

    /// Where to connect. The name expected in the certificate takes the host's place in the URL, the Host header keeps it.
    private func setRoute(_ submission: Submission, _ environment: ConnectionEnvironment) {
        let origin = submission.origin
        let name = submission.request.tls.serverName
        if origin.isSecure && !name.isEmpty {
            set(CURLOPT_URL, "https://\(name):\(origin.port)\(submission.pathAndQuery)")
            setConnectTo("\(name):\(origin.port):\(origin.host):\(origin.port)")
        } else {
            set(CURLOPT_URL, submission.request.url)
        }
        set(CURLOPT_PROXY, environment.proxy(for: origin))
        set(CURLOPT_NOPROXY, environment.noProxy)
    }

    private func setTrust(_ tls: TLSSettings, _ environment: ConnectionEnvironment) {
        if !tls.caCertPath.isEmpty {
            set(CURLOPT_CAINFO, tls.caCertPath)
            set(CURLOPT_CAPATH, nil)
        } else if let certificates = environment.certificates {
            // The environment outlives every transfer, and its array is never changed.
            certificates.withUnsafeBytes {
                _ = curl_shim_set_blob(
                    pointer, CURLOPT_CAINFO_BLOB, UnsafeMutableRawPointer(mutating: $0.baseAddress), $0.count)
            }
            set(CURLOPT_CAPATH, nil)
        } else if let file = environment.certificateFile {
            set(CURLOPT_CAINFO, file)
        } else if let bundle = environment.systemBundle {
            // Only without a directory does libcurl keep the parsed bundle for the next connection.
            set(CURLOPT_CAINFO, bundle)
            set(CURLOPT_CAPATH, nil)
        }
        if !tls.clientCertPath.isEmpty { set(CURLOPT_SSLCERT, tls.clientCertPath) }
        if !tls.clientKeyPath.isEmpty { set(CURLOPT_SSLKEY, tls.clientKeyPath) }
    }

    private func setMethodAndBody(_ transfer: Transfer) throws(BackupError) {
        let request = transfer.submission.request
        guard !request.method.isEmpty, request.method.utf8.allSatisfy({ (0x41...0x5a).contains($0) }) else {
            throw BackupError(.invalidArgument, "\(transfer.submission.origin): not an HTTP method: \(request.method)")
        }
        let length = transfer.bodyLength
        guard length >= 0 else {
            throw BackupError(.invalidArgument, "\(transfer.submission.origin): a body cannot have \(length) bytes")
        }
        switch request.body {
        case .none where request.method == "HEAD": set(CURLOPT_NOBODY, true)
        case .none where request.method != "POST" && request.method != "PUT": set(CURLOPT_HTTPGET, true)
        case .bytes(let bytes) where length <= initialBodySize: setInitialBody(bytes)
        case .none: setInitialBody([])
        case .pipe where length == 0: setInitialBody([])
        case .bytes, .pipe:
            set(CURLOPT_UPLOAD, true)
            set(CURLOPT_INFILESIZE_LARGE, offset: length)
            set(CURLOPT_UPLOAD_BUFFERSIZE, transferBufferSize)
        }
        if request.method != "HEAD" || length > 0 { set(CURLOPT_CUSTOMREQUEST, request.method) }
    }

    private func setInitialBody(_ bytes: [UInt8]) {
        set(CURLOPT_POST, true)
        set(CURLOPT_POSTFIELDSIZE_LARGE, offset: Int64(bytes.count))
        // An array without elements may have no address, which libcurl would take for "no body set".
        (bytes + [0]).withUnsafeBytes {
            _ = curl_shim_set_string(
                pointer, CURLOPT_COPYPOSTFIELDS, $0.baseAddress?.assumingMemoryBound(to: CChar.self))
        }
    }

    private func setHeaders(_ transfer: Transfer) throws(BackupError) {
        let submission = transfer.submission
        // A name without a value keeps libcurl from adding a field of its own.
        var lines: [String] = []
        var ownFields = ["Accept", "Expect", "Content-Type"]
        for (name, value) in submission.request.headers {
            guard isFieldName(name), isFieldValue(value) else {
                throw BackupError(
                    .invalidArgument, "\(submission.origin): a header field cannot be sent as it is: \(name)")
            }
            ownFields.removeAll { equalsIgnoringCase($0, name) }
            lines.append(value.isEmpty ? "\(name);" : "\(name): \(value)")
        }
        for name in ownFields where !(name == "Expect" && transfer.expectsContinue) { lines.append("\(name):") }
        let hasHost = submission.request.headers.contains { equalsIgnoringCase($0.name, "Host") }
        if !submission.request.tls.serverName.isEmpty && submission.origin.isSecure && !hasHost {
            lines.append("Host: \(submission.origin.authority)")
        }
        setHeaderLines(lines)
    }

    private func setCallbacks(_ transfer: Transfer) {
        // The loop keeps the transfer alive until the handle was taken out of the multi handle and reset.
        let context = Unmanaged.passUnretained(transfer).toOpaque()
        set(CURLOPT_PRIVATE, context: context)
        set(CURLOPT_HEADERDATA, context: context)
        set(CURLOPT_WRITEDATA, context: context)
        set(CURLOPT_READDATA, context: context)
        set(CURLOPT_SEEKDATA, context: context)
        curl_shim_set_write_function(pointer, CURLOPT_HEADERFUNCTION, receiveHeaderLine)
        curl_shim_set_write_function(pointer, CURLOPT_WRITEFUNCTION, receiveBody)
        curl_shim_set_read_function(pointer, provideBody)
        curl_shim_set_seek_function(pointer, rewindBody)
    }
}

private func isFieldName(_ name: String) -> Bool {
    !name.isEmpty
        && name.utf8.allSatisfy { (0x21...0x7e).contains($0) && $0 != UInt8(ascii: ":") && $0 != UInt8(ascii: ";") }
}

private func isFieldValue(_ value: String) -> Bool {
    value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
}

// MARK: C callbacks

/// The transfer libcurl calls back for.
func transfer(_ context: UnsafeMutableRawPointer?) -> Transfer? {
    context.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
}

private let receiveHeaderLine: curl_write_callback = { bytes, size, count, context in
    transfer(context)?.receiveHeaderLine(UnsafeRawBufferPointer(start: bytes, count: size * count)) ?? 0
}

private let receiveBody: curl_write_callback = { bytes, size, count, context in
    transfer(context)?.receiveBody(UnsafeRawBufferPointer(start: bytes, count: size * count)) ?? 0
}

private let provideBody: curl_read_callback = { buffer, size, count, context in
    transfer(context)?.provideBody(UnsafeMutableRawBufferPointer(start: buffer, count: size * count))
        ?? Int(CURL_READFUNC_ABORT)
}

private let rewindBody: curl_seek_callback = { context, offset, origin in
    guard origin == SEEK_SET, transfer(context)?.rewind(to: Int64(offset)) == true else { return CURL_SEEKFUNC_FAIL }
    return CURL_SEEKFUNC_OK
}

/// Ends a connection whose peer acknowledges nothing for half a minute (TCP_USER_TIMEOUT).
private let abandonSilentPeer: curl_sockopt_callback = { _, socket, _ in
    var milliseconds: UInt32 = 30_000
    setsockopt(socket, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &milliseconds, socklen_t(MemoryLayout<UInt32>.size))
    return Int32(CURL_SOCKOPT_OK)
}

/// Before 8.0.0 libcurl adds a second layer of HTTP/2 to a plain connection that is used again, and every request after the
/// first one fails with CURLE_HTTP2 (curl issue 10634).
private let plainHTTP2IsReusable = curl_version_info(CURLversion(rawValue: 0)).pointee.version_num >= 0x08_00_00
