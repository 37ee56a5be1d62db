import Support

/// What a process that was killed has left: hidden files, which show as uploads that nobody has ended.
extension LocalObjectStore {
    /// The key of such an upload is the path of its hidden file: which object it was to become is not known any more.
    package func listMultipartUploads(prefix: String) async throws -> [PendingUpload] {
        let start = try root.directory(forListing: prefix)
        let root = root
        return try await onDedicatedThread {
            guard let directory = try root.directory(at: start.steps) else { return [] }
            var found: [PendingUpload] = []
            try LocalObjectStore.collect(&found, in: directory, start.key, prefix)
            return found
        }
    }

    private static func collect(
        _ found: inout [PendingUpload], in directory: LocalDirectory, _ key: String, _ prefix: String
    ) throws(BackupError) {
        for entry in try directory.entries(unfinished: true) {
            let name = try entry.text(in: directory)
            guard entry.isDirectory else {
                // Besides the prefix's own directory, which may end within a name.
                if key.utf8.starts(with: prefix.utf8) { found.append(PendingUpload(key: key + name, uploadID: name)) }
                continue
            }
            let below = "\(key)\(name)/"
            guard below.utf8.starts(with: prefix.utf8), let child = try directory.child(name) else { continue }
            try collect(&found, in: child, below, prefix)
        }
    }

    package func abortMultipartUpload(_ key: String, uploadID: String) async throws {
        guard uploadID.hasPrefix(NewFile.temporaryPrefix), !uploadID.utf8.contains(UInt8(ascii: "/")),
            let slash = key.utf8.lastIndex(of: UInt8(ascii: "/"))
        else { return }
        let parents = try root.steps(to: String(key[..<slash]))
        let root = root
        try await onDedicatedThread {
            try root.directory(at: parents)?.removeFile(uploadID)
            root.removeEmptyDirectories(above: parents + [uploadID])
        }
    }
}
