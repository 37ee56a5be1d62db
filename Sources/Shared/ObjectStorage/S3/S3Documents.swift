import Support

/// A document of which only the leaves right below its root matter.
struct FlatDocument: XMLRecords {
    /// `Error`, `CopyObjectResult`, …
    private(set) var root = ""
    private var values: [(name: String, value: String)] = []

    init(_ document: [UInt8]) throws(BackupError) { try readXML(document, into: &self) }

    subscript(_ name: String) -> String? { values.first { $0.name == name }?.value }

    mutating func begin(_ name: String, depth: Int) {
        if depth == 1 { root = name }
    }

    mutating func end(_ name: String, text: [UInt8], depth: Int) {
        if depth == 2 { values.append((name, String(decoding: text, as: UTF8.self))) }
    }
}

/// The answer of ListObjectsV2.
struct ObjectListing: XMLRecords {
    private var objects: [ObjectInfo] = []
    private var prefixes: [String] = []
    private var isTruncated = false
    private var isEncoded = false
    private var continuation: String?
    private var current = ObjectInfo(key: "", size: 0)
    private var problem: String?

    /// The page of `document`.
    static func page(of document: [UInt8]) throws(BackupError) -> ObjectPage {
        var listing = ObjectListing()
        try readXML(document, into: &listing)
        return try listing.page()
    }

    mutating func begin(_ name: String, depth: Int) {
        if depth == 1, name != "ListBucketResult" { problem = "it is no listing but \(name)" }
        if depth == 2, name == "Contents" { current = ObjectInfo(key: "", size: -1) }
    }

    mutating func end(_ name: String, text: [UInt8], depth: Int) {
        switch (depth, name) {
        case (3, "Key"): current.key = String(decoding: text, as: UTF8.self)
        case (3, "Size"): current.size = Int64(String(decoding: text, as: UTF8.self)) ?? -1
        case (3, "ETag"): current.etag = unquotedETag(String(decoding: text, as: UTF8.self))
        case (3, "Prefix"): prefixes.append(String(decoding: text, as: UTF8.self))
        case (2, "Contents"):
            if current.key.isEmpty || current.size < 0 { problem = "an object in it has no key or no size" }
            objects.append(current)
        case (2, "IsTruncated"): isTruncated = text.elementsEqual("true".utf8)
        case (2, "NextContinuationToken"): continuation = String(decoding: text, as: UTF8.self)
        case (2, "EncodingType"): isEncoded = text.elementsEqual("url".utf8)
        default: break
        }
    }

    private func page() throws(BackupError) -> ObjectPage {
        var page = ObjectPage(objects: objects, commonPrefixes: prefixes)
        if let problem { throw BackupError(.protocolViolation, "the listing cannot be understood: \(problem)") }
        if isEncoded {
            for index in page.objects.indices { page.objects[index].key = try decodedKey(page.objects[index].key) }
            for index in page.commonPrefixes.indices { page.commonPrefixes[index] = try decodedKey(prefixes[index]) }
        }
        if isTruncated {
            guard let continuation, !continuation.isEmpty else {
                throw BackupError(.protocolViolation, "the listing goes on but does not say where")
            }
            page.continuation = continuation
        }
        return page
    }
}

/// The answer of ListMultipartUploads.
struct UploadListing: XMLRecords {
    private(set) var uploads: [PendingUpload] = []
    /// Where the next page begins; nil after the last page.
    private(set) var next: (keyMarker: String, uploadIDMarker: String)?
    private var isTruncated = false
    private var isEncoded = false
    private var markers = (key: "", uploadID: "")
    private var current = PendingUpload(key: "", uploadID: "")

    init(_ document: [UInt8]) throws(BackupError) {
        try readXML(document, into: &self)
        if isEncoded {
            for index in uploads.indices { uploads[index].key = try decodedKey(uploads[index].key) }
            markers.key = try decodedKey(markers.key)
        }
        guard isTruncated else { return }
        guard !markers.key.isEmpty else {
            throw BackupError(.protocolViolation, "the listing of uploads goes on but does not say where")
        }
        next = (markers.key, markers.uploadID)
    }

    mutating func end(_ name: String, text: [UInt8], depth: Int) {
        let value = String(decoding: text, as: UTF8.self)
        switch (depth, name) {
        case (3, "Key"): current.key = value
        case (3, "UploadId"): current.uploadID = value
        case (2, "Upload"): uploads.append(current)
        case (2, "IsTruncated"): isTruncated = value == "true"
        case (2, "NextKeyMarker"): markers.key = value
        case (2, "NextUploadIdMarker"): markers.uploadID = value
        case (2, "EncodingType"): isEncoded = value == "url"
        default: break
        }
    }
}

/// The answer of DeleteObjects in its quiet form: what was not deleted, and why.
struct DeletionReport: XMLRecords {
    struct Failure {
        var key = ""
        var code = ""
        var message = ""
    }

    private(set) var failures: [Failure] = []
    private var current = Failure()
    private var root = ""

    init(_ document: [UInt8]) throws(BackupError) {
        try readXML(document, into: &self)
        // Silence about a key means that it is deleted: it must be the silence of the right document.
        guard root == "DeleteResult" else {
            throw BackupError(.protocolViolation, "the answer is no report of a deletion but \(root)", isRetryable: true)
        }
    }

    mutating func begin(_ name: String, depth: Int) {
        if depth == 1 { root = name }
        if depth == 2 { current = Failure() }
    }

    mutating func end(_ name: String, text: [UInt8], depth: Int) {
        switch (depth, name) {
        case (3, "Key"): current.key = String(decoding: text, as: UTF8.self)
        case (3, "Code"): current.code = String(decoding: text, as: UTF8.self)
        case (3, "Message"): current.message = String(decoding: text, as: UTF8.self)
        case (2, "Error"): failures.append(current)
        default: break
        }
    }
}

/// The bodies we send.
enum S3Bodies {
    /// DeleteObjects, answered with failures only.
    static func deletion(of keys: some Sequence<String>) -> [UInt8] {
        var document = Array("<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>".utf8)
        for key in keys {
            document.append(contentsOf: "<Object><Key>".utf8)
            appendXMLEscaped(key, to: &document)
            document.append(contentsOf: "</Key></Object>".utf8)
        }
        document.append(contentsOf: "</Delete>".utf8)
        return document
    }

    static func completion(of parts: [UploadedPart]) -> [UInt8] {
        var document = Array("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".utf8)
        for part in parts {
            document.append(contentsOf: "<Part><PartNumber>\(part.number)</PartNumber><ETag>".utf8)
            appendXMLEscaped("\"\(part.etag)\"", to: &document)
            document.append(contentsOf: "</ETag></Part>".utf8)
        }
        document.append(contentsOf: "</CompleteMultipartUpload>".utf8)
        return document
    }

    static func bucket(in region: String) -> [UInt8] {
        var document = Array("<CreateBucketConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">".utf8)
        document.append(contentsOf: "<LocationConstraint>".utf8)
        appendXMLEscaped(region, to: &document)
        document.append(contentsOf: "</LocationConstraint></CreateBucketConfiguration>".utf8)
        return document
    }
}

/// An ETag without its quotes and without the mark of a weak one.
func unquotedETag(_ text: String) -> String {
    var etag = Substring(text)
    if etag.hasPrefix("W/") { etag = etag.dropFirst(2) }
    guard etag.utf8.count >= 2, etag.hasPrefix("\""), etag.hasSuffix("\"") else { return String(etag) }
    return String(etag.dropFirst().dropLast())
}

private func decodedKey(_ text: String) throws(BackupError) -> String {
    guard let key = text.formDecoded else {
        throw BackupError(.protocolViolation, "the listing has a key with a broken encoding")
    }
    return key
}
