import CCurl
import Support

/// Bytes moved per system call when bodies are streamed: large enough to make the calls cheap (half of the processor time
/// of libcurl's own 16 KiB; more gains little), small enough for hundreds of transfers.
private let streamBufferSize = 128 * 1024
/// The same for bodies that are collected.
private let collectBufferSize = 64 * 1024
/// Bodies up to this size go out together with the head, in one system call (libcurl's MAX_INITIAL_POST_SIZE).
let initialBodySize: Int64 = 64 * 1024 - 1
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
    func configure(for transfer: Transfer, share: UnsafeMutableRawPointer?, _ environment: ConnectionEnvironment) {
        let request = transfer.submission.request
        captureErrorText()
        curl_shim_set_pointer(pointer, CURLOPT_SHARE, share)
        setGeneralOptions(request)
        setVersion(transfer)
        setRoute(transfer.submission, environment)
        if transfer.submission.origin.isSecure { setTrust(request.tls, environment) }
        setMethodAndBody(transfer)
        setHeaders(transfer)
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
        set(CURLOPT_EXPECT_100_TIMEOUT_MS, 1000)
    }

    private func setVersion(_ transfer: Transfer) {
        guard transfer.submission.request.version == .http2 else {
            return set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1)
        }
        set(CURLOPT_HTTPPROXYTUNNEL, true)
        // A request without an answer leaves the connection open: when the host has gone, the kernel must end it.
        curl_shim_set_socket_option_function(pointer, abandonSilentPeer)
        guard let reuse = transfer.plainReuse else {
            let version =
                transfer.submission.origin.isSecure ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
            return set(CURLOPT_HTTP_VERSION, version)
        }
        set(CURLOPT_HTTP_VERSION, reuse.joins ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
        set(CURLOPT_FRESH_CONNECT, reuse.needsOwnConnection)
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
            certificates.withUnsafeBytes {
                _ = curl_shim_set_blob(pointer, CURLOPT_CAINFO_BLOB, $0.baseAddress, $0.count)
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

    private func setMethodAndBody(_ transfer: Transfer) {
        let request = transfer.submission.request
        let length = transfer.bodyLength
        if case .pipe = transfer.submission.destination {
            set(CURLOPT_BUFFERSIZE, streamBufferSize)
        } else {
            set(CURLOPT_BUFFERSIZE, collectBufferSize)
        }
        switch transfer.outgoing {
        case .none where request.method == "HEAD": set(CURLOPT_NOBODY, true)
        case .none where request.method != "POST" && request.method != "PUT": set(CURLOPT_HTTPGET, true)
        case .bytes(let bytes) where length <= initialBodySize: setInitialBody(bytes)
        case .none: setInitialBody([])
        case .pipe where length == 0: setInitialBody([])
        case .bytes, .pipe:
            set(CURLOPT_UPLOAD, true)
            set(CURLOPT_INFILESIZE_LARGE, offset: length)
            set(CURLOPT_UPLOAD_BUFFERSIZE, streamBufferSize)
        }
        if request.method != "HEAD" || length > 0 { set(CURLOPT_CUSTOMREQUEST, request.method) }
    }

    private func setInitialBody(_ bytes: [UInt8]) {
        set(CURLOPT_POST, true)
        set(CURLOPT_POSTFIELDSIZE_LARGE, offset: Int64(bytes.count))
        // An array without elements may have no address, which libcurl would take for "no body set".
        guard !bytes.isEmpty else { return set(CURLOPT_COPYPOSTFIELDS, "") }
        bytes.withUnsafeBytes {
            _ = curl_shim_set_string(
                pointer, CURLOPT_COPYPOSTFIELDS, $0.baseAddress?.assumingMemoryBound(to: CChar.self))
        }
    }

    private func setHeaders(_ transfer: Transfer) {
        let submission = transfer.submission
        // A name without a value keeps libcurl from adding a field of its own.
        var lines: [String] = []
        var ownFields = ["Accept", "Expect", "Content-Type"]
        for (name, value) in submission.request.headers {
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
        set(CURLOPT_PREREQDATA, context: context)
        set(CURLOPT_HEADERDATA, context: context)
        set(CURLOPT_WRITEDATA, context: context)
        set(CURLOPT_READDATA, context: context)
        set(CURLOPT_SEEKDATA, context: context)
        curl_shim_set_prerequest_function(pointer, connectionIsChosen)
        curl_shim_set_write_function(pointer, CURLOPT_HEADERFUNCTION, receiveHeaderLine)
        curl_shim_set_write_function(pointer, CURLOPT_WRITEFUNCTION, receiveBody)
        curl_shim_set_read_function(pointer, provideBody)
        curl_shim_set_seek_function(pointer, rewindBody)
    }
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

private let connectionIsChosen: curl_prereq_callback = { context, _, _, _, _ in
    transfer(context)?.acceptsConnection() == true ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT
}

/// Ends a connection whose peer acknowledges nothing for half a minute (TCP_USER_TIMEOUT).
private let abandonSilentPeer: curl_sockopt_callback = { _, socket, _ in
    var milliseconds: UInt32 = 30_000
    setsockopt(socket, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &milliseconds, socklen_t(MemoryLayout<UInt32>.size))
    return Int32(CURL_SOCKOPT_OK)
}
