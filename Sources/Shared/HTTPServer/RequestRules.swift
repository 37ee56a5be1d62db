/// What is refused as soon as the head of a request is there.
enum RequestRules {
    /// The answer that refuses the request; nil when its body may come.
    ///
    /// Two opinions about the length of a body are refused and not chosen from: a proxy in front may have chosen otherwise.
    static func refusal(
        headers: HTTPServerHeaders, headerSize: Int, maximumHeaderSize: Int, maximumBodySize: Int
    ) -> HTTPServerResponse? {
        guard headerSize <= maximumHeaderSize else {
            return .text("The head of a request may have \(maximumHeaderSize) bytes.\n", status: 431)
        }
        let codings = headers.values("Transfer-Encoding")
        let lengths = headers.values("Content-Length")
        if !codings.isEmpty {
            guard lengths.isEmpty else { return .text("Content-Length beside Transfer-Encoding.\n", status: 400) }
            guard codings.count == 1, equalsIgnoringCase(codings[0], "chunked") else {
                return .text("The only transfer coding here is chunked.\n", status: 501)
            }
        }
        guard lengths.count <= 1 else { return .text("More than one Content-Length.\n", status: 400) }
        if let length = lengths.first {
            guard !length.isEmpty, length.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
                return .text("Content-Length is no number.\n", status: 400)
            }
            // A number that does not fit into an Int is too large as well.
            guard let count = Int(length), count <= maximumBodySize else { return bodyIsTooLarge(maximumBodySize) }
        }
        return nil
    }

    static func bodyIsTooLarge(_ maximum: Int) -> HTTPServerResponse {
        .text("The body of a request may have \(maximum) bytes.\n", status: 413)
    }
}
