import Support

/// The answer of List Blobs.
struct BlobListing: XMLRecords {
    private var objects: [ObjectInfo] = []
    private var prefixes: [String] = []
    private var continuation: String?
    private var current = ObjectInfo(key: "", size: -1)
    private var isDirectory = false
    private var problem: String?

    /// The page of `document`.
    static func page(of document: [UInt8]) throws(BackupError) -> ObjectPage {
        var listing = BlobListing()
        try readXML(document, into: &listing)
        if let problem = listing.problem {
            throw BackupError(.protocolViolation, "the listing cannot be understood: \(problem)")
        }
        return ObjectPage(
            objects: listing.objects, commonPrefixes: listing.prefixes, continuation: listing.continuation)
    }

    mutating func begin(_ name: String, depth: Int) {
        if depth == 1, name != "EnumerationResults" { problem = "it is no listing but \(name)" }
        if depth == 3 {
            current = ObjectInfo(key: "", size: -1)
            isDirectory = false
        }
    }

    mutating func end(_ name: String, text: [UInt8], depth: Int) {
        switch (depth, name) {
        case (4, "Name"): current.key = String(decoding: text, as: UTF8.self)
        case (5, "Content-Length"): current.size = Int64(String(decoding: text, as: UTF8.self)) ?? -1
        case (5, "Etag"): current.etag = unquotedETag(String(decoding: text, as: UTF8.self))
        // Accounts with a hierarchical namespace list their directories, too.
        case (5, "ResourceType"): isDirectory = text.elementsEqual("directory".utf8)
        case (3, "BlobPrefix"): prefixes.append(current.key)
        case (3, "Blob") where !isDirectory:
            if current.key.isEmpty || current.size < 0 { problem = "an object in it has no name or no size" }
            objects.append(current)
        case (2, "NextMarker") where !text.isEmpty: continuation = String(decoding: text, as: UTF8.self)
        default: break
        }
    }
}

/// The bodies we send.
enum AzureBodies {
    /// Put Block List. A block is looked for among the uncommitted ones first: `Latest` also finds it when an earlier try of
    /// the same list went through and only its answer was lost.
    static func blockList(_ ids: some Sequence<String>) -> [UInt8] {
        var document = Array("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>".utf8)
        for id in ids {
            document.append(contentsOf: "<Latest>".utf8)
            appendXMLEscaped(id, to: &document)
            document.append(contentsOf: "</Latest>".utf8)
        }
        document.append(contentsOf: "</BlockList>".utf8)
        return document
    }
}
