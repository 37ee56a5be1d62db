import CCurl

/// Lets an HTTP/2 request without TLS use an existing connection in spite of a defect of libcurl 7.88.
///
/// There a request with "prior knowledge" only works on a connection of its own: on one that exists already it fails with
/// `CURLE_HTTP2` (https://github.com/curl/curl/issues/10634, mended in 8.0). A request with `CURL_HTTP_VERSION_2TLS` works
/// on an existing connection, but would speak HTTP/1.1 on a new one. So a request guesses whether there is a connection;
/// when libcurl has chosen otherwise, it is taken back before anything was sent and starts again the other way.
struct PlainReuse {
    /// Expects to find a connection.
    private(set) var joins: Bool
    /// libcurl has chosen otherwise.
    private(set) var isRejected = false
    private var attempts = 1

    init(joins: Bool) { self.joins = joins }

    /// Whether the library in use has the defect.
    static let isNeeded = (0x075800..<0x080000).contains(curl_shim_version())

    /// After some tries connections come and go too quickly: the request gets its own.
    var needsOwnConnection: Bool { attempts > 4 }

    mutating func accepts(isNew: Bool) -> Bool {
        isRejected = isNew == joins
        return !isRejected
    }

    mutating func tryOtherWay() {
        attempts += 1
        joins = needsOwnConnection ? false : !joins
        isRejected = false
    }
}

/// How many HTTP/2 connections without TLS are believed to be idle: the guess behind ``PlainReuse``.
struct IdlePlainConnections {
    private var counts: [Origin: Int] = [:]

    /// The transfer is about to start, perhaps not for the first time.
    mutating func prepare(_ transfer: Transfer) {
        let submission = transfer.submission
        guard PlainReuse.isNeeded, submission.request.version == .http2, !submission.origin.isSecure else { return }
        if transfer.plainReuse != nil {
            transfer.plainReuse?.tryOtherWay()
        } else {
            let count = counts[submission.origin] ?? 0
            transfer.plainReuse = PlainReuse(joins: count > 0)
            if count > 0 { counts[submission.origin] = count - 1 }
        }
    }

    /// The guess was wrong.
    mutating func missed(_ transfer: Transfer) {
        if transfer.plainReuse?.joins == true { counts[transfer.submission.origin] = nil }
    }

    /// The transfer has ended well.
    mutating func left(by transfer: Transfer) {
        if transfer.plainReuse != nil { counts[transfer.submission.origin, default: 0] += 1 }
    }
}
