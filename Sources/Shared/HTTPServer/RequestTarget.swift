/// What stands between method and version in the first line of a request: a path and a query.
struct RequestTarget: Sendable {
    var path: String
    var query: [(name: String, value: String)]

    /// nil when `text` is no target: a bad percent escape, text that is not UTF-8, neither a path, a URL nor `*`.
    init?(parsing text: [UInt8]) {
        var rest = text[...]
        if rest.first != UInt8(ascii: "/") {
            if rest.elementsEqual("*".utf8) {
                (path, query) = ("*", [])
                return
            }
            guard let afterAuthority = RequestTarget.droppingOrigin(rest) else { return nil }
            rest = afterAuthority
        }
        let (rawPath, rawQuery) = RequestTarget.split(rest, at: UInt8(ascii: "?"))
        guard let path = RequestTarget.decode(rawPath, plusIsBlank: false) else { return nil }
        self.path = path.isEmpty ? "/" : path
        query = []
        for parameter in (rawQuery ?? []).split(separator: UInt8(ascii: "&")) {
            let (rawName, rawValue) = RequestTarget.split(parameter, at: UInt8(ascii: "="))
            guard let name = RequestTarget.decode(rawName, plusIsBlank: true),
                let value = RequestTarget.decode(rawValue ?? [], plusIsBlank: true)
            else { return nil }
            query.append((name, value))
        }
    }

    /// The part after `http://host:port`, as clients write it to proxies.
    private static func droppingOrigin(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
        for scheme in ["http://", "https://"]
        where equalsIgnoringCase(String(decoding: text.prefix(scheme.utf8.count), as: UTF8.self), scheme) {
            let authority = text.dropFirst(scheme.utf8.count)
            return authority.drop { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
        }
        return nil
    }

    private static func split(
        _ text: ArraySlice<UInt8>, at separator: UInt8
    ) -> (ArraySlice<UInt8>, ArraySlice<UInt8>?) {
        guard let index = text.firstIndex(of: separator) else { return (text, nil) }
        return (text[..<index], text[(index + 1)...])
    }

    private static func decode(_ text: ArraySlice<UInt8>, plusIsBlank: Bool) -> String? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count)
        var iterator = text.makeIterator()
        while let byte = iterator.next() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = iterator.next().flatMap(hexadecimalDigit),
                    let low = iterator.next().flatMap(hexadecimalDigit)
                else { return nil }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+") where plusIsBlank: bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

private func hexadecimalDigit(_ character: UInt8) -> UInt8? {
    switch character {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): character - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): character - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): character - UInt8(ascii: "A") + 10
    default: nil
    }
}
