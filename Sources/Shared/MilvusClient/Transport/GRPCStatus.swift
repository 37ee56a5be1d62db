import HTTP

/// How a gRPC call ended.
package struct GRPCStatus: Error, Sendable, Hashable {
    package var code: Code
    package var message: String

    /// The canonical codes of gRPC.
    package struct Code: RawRepresentable, Sendable, Hashable {
        package var rawValue: Int
        package init(rawValue: Int) { self.rawValue = rawValue }

        package static let ok = Code(rawValue: 0)
        package static let canceled = Code(rawValue: 1)
        package static let unknown = Code(rawValue: 2)
        package static let invalidArgument = Code(rawValue: 3)
        package static let deadlineExceeded = Code(rawValue: 4)
        package static let notFound = Code(rawValue: 5)
        package static let alreadyExists = Code(rawValue: 6)
        package static let permissionDenied = Code(rawValue: 7)
        package static let resourceExhausted = Code(rawValue: 8)
        package static let unimplemented = Code(rawValue: 12)
        package static let unavailable = Code(rawValue: 14)
        package static let unauthenticated = Code(rawValue: 16)
    }

    package init(_ code: Code, _ message: String = "") {
        self.code = code
        self.message = message
    }

    /// The status in the trailers of an answer, or in its headers when there is nothing else in it ("Trailers-Only").
    ///
    /// Without one the HTTP status says how the call ended, as gRPC's HTTP mapping has it: that is a proxy talking, or a
    /// server that is none of gRPC's. So 404, other than there, does not mean that one method is missing.
    init(of response: HTTPResponse) {
        let fields = response.trailers["grpc-status"] != nil ? response.trailers : response.headers
        if let text = fields["grpc-status"], let number = Int(text) {
            self.init(Code(rawValue: number), GRPCStatus.percentDecoded(fields["grpc-message"] ?? ""))
            return
        }
        switch response.status {
        case 200: self.init(.unknown, "the answer has no grpc-status")
        case 401: self.init(.unauthenticated, "HTTP 401")
        case 403: self.init(.permissionDenied, "HTTP 403")
        case 429, 502, 503, 504: self.init(.unavailable, "HTTP \(response.status)")
        default: self.init(.unknown, "HTTP \(response.status)")
        }
    }

    /// `%XX` as the byte XX; anything that is not such an escape stays.
    static func percentDecoded(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
        let source = Array(text.utf8)
        var bytes: [UInt8] = []
        var index = 0
        while index < source.count {
            if source[index] == UInt8(ascii: "%"), index + 2 < source.count, let high = hexDigit(source[index + 1]),
                let low = hexDigit(source[index + 2])
            {
                bytes.append(high << 4 | low)
                index += 3
            } else {
                bytes.append(source[index])
                index += 1
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hexDigit(_ character: UInt8) -> UInt8? {
        Character(Unicode.Scalar(character)).hexDigitValue.map(UInt8.init)
    }
}
