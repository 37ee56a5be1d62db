import ObjectStorage
import Support

extension ConformanceCheck {
    static let uploads = [
        ConformanceCheck("a store without uploads in parts says so") { bench in
            guard !bench.features.contains(.multipart) else { return }
            try await bench.expectError(.unsupported, by: "an upload in parts") {
                try await bench.store.createMultipartUpload("\(bench.prefix)k")
            }
            try bench.expect(
                try await bench.store.listMultipartUploads(prefix: bench.prefix).isEmpty, "no upload is listed")
        },
        ConformanceCheck("parts become one object", needs: .multipart) { bench in
            let key = "\(bench.prefix)k ä"
            let size = Int(bench.store.limits.minimumPartSize)
            let first = bench.bytes(size, seed: 1)
            let second = bench.bytes(size + 17, seed: 2)
            let third = bench.bytes(100, seed: 3)
            let id = try await bench.store.createMultipartUpload(key)
            func upload(_ number: Int, _ bytes: [UInt8]) async throws -> UploadedPart {
                try await bench.store.uploadPart(key, uploadID: id, number: number, body: .bytes(bytes))
            }
            // In any order, one of them twice, one out of a pipe, and with a gap in the numbers.
            let part4 = try await upload(4, third)
            _ = try await upload(1, second)
            let pipe = bench.pipe(of: second)
            let part2 = try await bench.store.uploadPart(
                key, uploadID: id, number: 2, body: .pipe(pipe, length: Int64(second.count)))
            let part1 = try await upload(1, first)
            try bench.expect(part2.number == 2, "a part tells its number")
            try bench.expect(try await bench.store.head(key) == nil, "nothing is visible before the end")
            let parts = [part1, part2, part4]
            let stored = try await bench.store.completeMultipartUpload(key, uploadID: id, parts: parts)
            let info = try await bench.store.head(key)
            try bench.expect(info?.size == Int64(2 * size + 117), "the object has the size of its parts")
            try bench.expect(stored.etag == info?.etag, "completion and head tell the same ETag")
            if let expected = multipartETag(of: parts), stored.etag.contains("-") {
                try bench.expect(stored.etag == expected, "the ETag is that of the parts: \(stored.etag)")
            }
            try bench.expect(try await bench.read(key) == first + second + third, "the bytes are those of the parts")
            let pending = try await bench.store.listMultipartUploads(prefix: key)
            try bench.expect(pending.isEmpty, "no upload is left: \(pending)")
        },
        ConformanceCheck("parts may be copied by the store", needs: .multipart) { bench in
            let size = bench.store.limits.minimumPartSize
            let bytes = bench.bytes(Int(size) * 2 + 5)
            let source = ObjectReference(bucket: bench.store.identity.bucket, key: "\(bench.prefix)from +")
            try await bench.store.put(source.key, body: .bytes(bytes))
            let key = "\(bench.prefix)to"
            let id = try await bench.store.createMultipartUpload(key)
            var parts: [UploadedPart] = []
            for (number, range) in [0..<size, size..<2 * size + 1, 2 * size + 1..<2 * size + 5].enumerated() {
                parts.append(
                    try await bench.store.copyPart(
                        key, uploadID: id, number: number + 1, source: source, range: range))
            }
            try await bench.store.completeMultipartUpload(key, uploadID: id, parts: parts)
            try bench.expect(try await bench.read(key) == bytes, "the bytes are those of the source")
        },
        ConformanceCheck("a store that tells the parts of an object tells the right ones", needs: .multipart) { bench in
            let size = Int(bench.store.limits.minimumPartSize)
            for lengths in [[size, size, 7], [size + 1, size, 7], [size]] {
                let key = "\(bench.prefix)k\(lengths.count)\(lengths[0])"
                let id = try await bench.store.createMultipartUpload(key)
                var parts: [UploadedPart] = []
                for (index, length) in lengths.enumerated() {
                    let body = ObjectBody.bytes(bench.bytes(length, seed: index))
                    parts.append(
                        try await bench.store.uploadPart(key, uploadID: id, number: index + 1, body: body))
                }
                try await bench.store.completeMultipartUpload(key, uploadID: id, parts: parts)
                let told = try await bench.store.partLengths(of: key)
                try bench.expect(
                    told == nil || told == lengths.map(Int64.init), "the parts are \(lengths), not \(told ?? [])")
            }
            try await bench.store.put("\(bench.prefix)whole", body: .bytes(bench.bytes(10)))
            let told = try await bench.store.partLengths(of: "\(bench.prefix)whole")
            try bench.expect(told == nil, "an object that was uploaded at once has no parts")
        },
        ConformanceCheck("an aborted upload is gone", needs: .multipart) { bench in
            let key = "\(bench.prefix)k"
            let id = try await bench.store.createMultipartUpload(key)
            let part = try await bench.store.uploadPart(key, uploadID: id, number: 1, body: .bytes([1]))
            try await bench.store.abortMultipartUpload(key, uploadID: id)
            try await bench.store.abortMultipartUpload(key, uploadID: id)
            let late = try await bench.expectError(by: "a part of an aborted upload") {
                try await bench.store.uploadPart(key, uploadID: id, number: 2, body: .bytes([2]))
            }
            let end = try await bench.expectError(by: "completion of an aborted upload") {
                try await bench.store.completeMultipartUpload(key, uploadID: id, parts: [part])
            }
            let areMissing = late.code == .notFound && end.code == .notFound
            try bench.expect(
                areMissing || !bench.features.contains(.endedUploads), "the upload is not found: \(late), \(end)")
            try bench.expect(try await bench.store.head(key) == nil, "no object is there")
            try bench.expect(try await bench.store.listMultipartUploads(prefix: key).isEmpty, "no upload is listed")
        },
        ConformanceCheck("a wrong part does not complete", needs: .multipart) { bench in
            let key = "\(bench.prefix)k"
            let id = try await bench.store.createMultipartUpload(key)
            _ = try await bench.store.uploadPart(key, uploadID: id, number: 1, body: .bytes([1]))
            let wrong = UploadedPart(number: 1, etag: "00000000000000000000000000000000")
            try await bench.expectError(.invalidArgument, by: "completion with another part than was uploaded") {
                try await bench.store.completeMultipartUpload(key, uploadID: id, parts: [wrong])
            }
            try bench.expect(try await bench.store.head(key) == nil, "no object is there")
            try await bench.store.abortMultipartUpload(key, uploadID: id)
        },
        ConformanceCheck("pending uploads are listed", needs: [.multipart, .pendingUploads]) { bench in
            let names = ["u/a b+", "u/ä"]
            var ids: [String] = []
            for name in names { ids.append(try await bench.store.createMultipartUpload(bench.prefix + name)) }
            for (name, id) in zip(names, ids) {
                let key = bench.prefix + name
                let listed = try await bench.store.listMultipartUploads(prefix: key)
                try bench.expect(listed == [PendingUpload(key: key, uploadID: id)], "the upload is listed: \(listed)")
            }
            if bench.features.contains(.uploadsByPrefix) {
                let listed = try await bench.store.listMultipartUploads(prefix: "\(bench.prefix)u/")
                try bench.expect(Set(listed.map(\.uploadID)) == Set(ids), "all below a prefix are listed: \(listed)")
            }
            for (name, id) in zip(names, ids) {
                try await bench.store.abortMultipartUpload(bench.prefix + name, uploadID: id)
            }
        },
    ]
}
