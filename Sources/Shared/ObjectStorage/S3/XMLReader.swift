import CExpat
import Support

/// Takes the elements of a document as they end.
protocol XMLRecords {
    /// - Parameter depth: 1 for the root element.
    mutating func begin(_ name: String, depth: Int)
    /// - Parameter text: the text since the last tag, UTF-8: all of it for an element without children.
    mutating func end(_ name: String, text: [UInt8], depth: Int)
}

extension XMLRecords {
    mutating func begin(_ name: String, depth: Int) {}
}

/// Reads a document in one pass. Names come without their namespace prefix.
///
/// Documents with a document type are refused, and with them every kind of entity; so are those nested deeper than 32.
///
/// - Throws: ``BackupError/Code/protocolViolation`` when the document is not well-formed.
func readXML<Records: XMLRecords>(_ document: [UInt8], into records: inout Records) throws(BackupError) {
    let failure = withUnsafeMutablePointer(to: &records) { records in
        let context = XMLContext(
            begin: { records.pointee.begin($0, depth: $1) },
            end: { records.pointee.end($0, text: $1, depth: $2) })
        return withExtendedLifetime(context) { context.read(document) }
    }
    if let failure { throw BackupError(.protocolViolation, "the answer is not well-formed XML: \(failure)") }
}

/// The state of one parse, reachable from expat's callbacks.
private final class XMLContext {
    let begin: (String, Int) -> Void
    let end: (String, [UInt8], Int) -> Void
    var text: [UInt8] = []
    var depth = 0
    var refusal: String?
    private var parser: XML_Parser?

    init(begin: @escaping (String, Int) -> Void, end: @escaping (String, [UInt8], Int) -> Void) {
        self.begin = begin
        self.end = end
    }

    /// What is wrong with the document, or nil.
    func read(_ document: [UInt8]) -> String? {
        // A store that keeps a connection alive during a long copy sends blanks, which XML does not allow at the start.
        let blanks = document.prefix { $0 == 0x20 || $0 == 0x0a || $0 == 0x0d || $0 == 0x09 }.count
        guard document.count > blanks, document.count - blanks <= Int(Int32.max) else {
            return "no document of a sensible size"
        }
        guard let parser = XML_ParserCreate(nil) else { return "out of memory" }
        self.parser = parser
        defer {
            XML_ParserFree(parser)
            self.parser = nil
        }
        install(on: parser)
        let status = document[blanks...].withUnsafeBytes { bytes in
            XML_Parse(parser, bytes.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(bytes.count), 1)
        }
        if let refusal { return refusal }
        guard status == XML_STATUS_OK else {
            let reason = XML_ErrorString(XML_GetErrorCode(parser)).map { String(cString: $0) } ?? "unknown"
            return "\(reason) in line \(XML_GetCurrentLineNumber(parser))"
        }
        return nil
    }

    func refuse(_ reason: String) {
        refusal = reason
        if let parser { XML_StopParser(parser, 0) }
    }

    private func install(on parser: XML_Parser) {
        XML_SetUserData(parser, Unmanaged.passUnretained(self).toOpaque())
        XML_SetElementHandler(
            parser,
            { context, name, _ in
                guard let context = XMLContext.from(context), let name, context.refusal == nil else { return }
                context.depth += 1
                guard context.depth <= 32 else { return context.refuse("nested too deep") }
                context.text.removeAll(keepingCapacity: true)
                context.begin(localName(name), context.depth)
            },
            { context, name in
                guard let context = XMLContext.from(context), let name, context.refusal == nil else { return }
                context.end(localName(name), context.text, context.depth)
                context.text.removeAll(keepingCapacity: true)
                context.depth -= 1
            })
        XML_SetCharacterDataHandler(parser) { context, text, count in
            guard let context = XMLContext.from(context), let text else { return }
            text.withMemoryRebound(to: UInt8.self, capacity: Int(count)) {
                context.text.append(contentsOf: UnsafeBufferPointer(start: $0, count: Int(count)))
            }
        }
        XML_SetStartDoctypeDeclHandler(parser) { context, _, _, _, _ in
            XMLContext.from(context)?.refuse("it has a document type")
        }
    }

    private static func from(_ pointer: UnsafeMutableRawPointer?) -> XMLContext? {
        pointer.map { Unmanaged<XMLContext>.fromOpaque($0).takeUnretainedValue() }
    }
}

private func localName(_ name: UnsafePointer<CChar>) -> String {
    let whole = String(cString: name)
    guard let colon = whole.utf8.lastIndex(of: UInt8(ascii: ":")) else { return whole }
    return String(whole[whole.utf8.index(after: colon)...])
}

/// Adds `text` with what XML reserves written as references. The text must pass ``isXMLText(_:)``.
func appendXMLEscaped(_ text: String, to document: inout [UInt8]) {
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "&"): document.append(contentsOf: "&amp;".utf8)
        case UInt8(ascii: "<"): document.append(contentsOf: "&lt;".utf8)
        case UInt8(ascii: ">"): document.append(contentsOf: "&gt;".utf8)
        case UInt8(ascii: "\""): document.append(contentsOf: "&quot;".utf8)
        // Written as they are, readers would turn these into plain line feeds and blanks.
        case 0x09, 0x0a, 0x0d: document.append(contentsOf: "&#\(byte);".utf8)
        default: document.append(byte)
        }
    }
}

/// Whether XML 1.0 can hold `text` at all: most control characters it cannot, even as references.
func isXMLText(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy { scalar in
        switch scalar.value {
        case 0x09, 0x0a, 0x0d, 0x20...0xfffd, 0x10000...: true
        default: false
        }
    }
}
