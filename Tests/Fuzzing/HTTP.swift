import HTTP
@testable import HTTPServer
@testable import ObjectStorage
@testable import WireHTTP

/// The documents of an S3 store and of Azure. The first byte says which.
func fuzzXML(_ bytes: [UInt8]) {
    let (which, document) = choice(bytes, of: 7)
    switch which {
    case 0: _ = try? ObjectListing.page(of: document)
    case 1: _ = try? UploadListing(document)
    case 2: _ = try? DeletionReport(document)
    case 3:
        guard let flat = try? FlatDocument(document), let refusal = S3ErrorResponse(flat) else { return }
        _ = refusal.isWrongRegion
        require(
            !refusal.message.utf8.contains { $0 < 0x20 }, "a store writes control characters into a log")
    case 5: _ = try? BlobListing.page(of: document)
    case 6:
        let refusal = AzureErrorResponse(HTTPResponse(status: 403, body: document))
        require(
            !refusal.message.utf8.contains { $0 < 0x20 }, "a store writes control characters into a log")
        require(refusal.message.redactingSignatures == refusal.message, "a signature is left in a message")
    default:
        // Keys may be anything that is text: a document of ours is read back as it was meant.
        let keys = String(decoding: document, as: UTF8.self).split(separator: "\n").map(String.init)
        guard !keys.isEmpty, keys.allSatisfy(isXMLText) else { return }
        var names = KeyNames()
        do { try readXML(S3Bodies.deletion(of: keys), into: &names) } catch { fatalError("our own XML: \(error)") }
        require(names.keys.elementsEqual(keys) { $0.utf8.elementsEqual($1.utf8) }, "a key changes on its way")
    }
}

private struct KeyNames: XMLRecords {
    var keys: [String] = []

    mutating func end(_ name: String, text: [UInt8], depth: Int) {
        if name == "Key" { keys.append(String(decoding: text, as: UTF8.self)) }
    }
}

/// Answers of an S3 store, head and body, as the kernel path reads them.
func fuzzAnswers(_ bytes: [UInt8]) {
    let (method, answer) = choice(bytes, of: 2)
    let limit = 256
    let whole = read([answer[...]], method: ["GET", "HEAD"][method], limit: limit)
    let cut = read(pieces(answer, answer.count), method: ["GET", "HEAD"][method], limit: limit)
    require(whole == cut, "pieces change what is read")
    require(whole.body.count <= limit, "more is kept than allowed")
}

private struct ReadAnswer: Equatable {
    var status = 0
    var keepsConnection = false
    var body: [UInt8] = []
    var consumed = 0
    var isComplete = false
    var isMalformed = false
}

private func read(_ pieces: [ArraySlice<UInt8>], method: String, limit: Int) -> ReadAnswer {
    var parser = AnswerParser()
    var collector: BodyCollector?
    var result = ReadAnswer()
    do throws(MalformedAnswer) {
        for var piece in pieces {
            if collector == nil {
                let bytes = Array(piece)
                let found = bytes.withUnsafeBytes { buffer in
                    Result { () throws(MalformedAnswer) in try parser.receive(buffer) }
                }
                guard let (head, consumed) = try found.get() else { continue }
                require(consumed <= bytes.count, "more is taken than there is")
                result.status = head.status
                result.keepsConnection = head.keepsConnection
                collector = BodyCollector(head.framing(of: method), limit: limit)
                piece = piece.dropFirst(consumed)
            }
            let bytes = Array(piece)
            let taken = bytes.withUnsafeBytes { buffer in
                Result { () throws(MalformedAnswer) in try collector?.receive(buffer) ?? 0 }
            }
            result.consumed += try taken.get()
        }
    } catch {
        return ReadAnswer(isMalformed: true)
    }
    result.isComplete = collector?.end() ?? false
    result.body = collector?.body ?? []
    return result
}

/// What stands in the first line of a request to our server.
func fuzzRequests(_ bytes: [UInt8]) {
    guard let target = RequestTarget(parsing: bytes) else { return }
    require(!target.path.isEmpty, "a target has no path")
}
