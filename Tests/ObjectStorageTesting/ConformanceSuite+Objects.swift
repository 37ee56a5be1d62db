import ObjectStorage
import Support

extension ConformanceCheck {
    static let objects = [
        ConformanceCheck("what is put is read back") { bench in
            for count in [0, 1, 1000, 70_000, 1 << 20] {
                let key = "\(bench.prefix)\(count)"
                let bytes = bench.bytes(count)
                let stored = try await bench.store.put(key, body: .bytes(bytes))
                let info = try await bench.store.head(key)
                try bench.expect(info?.size == Int64(count), "head tells the size \(count)")
                try bench.expect(info?.key == key, "head tells the key")
                try bench.expect(stored.etag == info?.etag, "put and head tell the same ETag")
                try bench.expect(!stored.etag.contains("\""), "an ETag has no quotes")
                try bench.expect(try await bench.read(key) == bytes, "\(count) bytes are read back")
            }
        },
        ConformanceCheck("bodies may come out of a pipe") { bench in
            for count in [0, 1, 300_000, 3 << 20] {
                let key = "\(bench.prefix)\(count)"
                let bytes = bench.bytes(count, seed: 7)
                try await bench.store.put(key, body: .pipe(bench.pipe(of: bytes), length: Int64(count)))
                try bench.expect(try await bench.read(key) == bytes, "\(count) bytes out of a pipe are read back")
            }
        },
        ConformanceCheck("a second put replaces the whole object") { bench in
            let key = "\(bench.prefix)k"
            let first = try await bench.store.put(key, body: .bytes(bench.bytes(1000)))
            let second = try await bench.store.put(key, body: .bytes([1, 2]))
            try bench.expect(first.etag != second.etag, "other bytes have another ETag")
            try bench.expect(try await bench.read(key) == [1, 2], "the new bytes are read, and only they")
        },
        ConformanceCheck("ranges are read") { bench in
            let key = "\(bench.prefix)k"
            let bytes = bench.bytes(100_000)
            try await bench.store.put(key, body: .bytes(bytes))
            for range: Range<Int64> in [0..<1, 0..<100_000, 99_999..<100_000, 500..<70_000] {
                let part = try await bench.read(key, range: range)
                try bench.expect(
                    part == Array(bytes[Int(range.lowerBound)..<Int(range.upperBound)]), "range \(range) is read")
            }
            let pipe = BytePipe()
            let info = try await bench.store.get(key, range: 10..<20, ifMatch: nil, into: pipe)
            try bench.expect(info.size == 100_000, "a ranged read tells the size of the whole object")
            pipe.cancel()
        },
        ConformanceCheck("an object can be read as it was listed only") { bench in
            let key = "\(bench.prefix)k"
            let etag = try await bench.store.put(key, body: .bytes([1])).etag
            guard !etag.isEmpty else { return }
            try bench.expect(try await bench.read(key, ifMatch: etag) == [1], "the right ETag matches")
            try await bench.store.put(key, body: .bytes([2]))
            let pipe = BytePipe()
            try await bench.expectError(.notFound, by: "a read of a changed object") {
                try await bench.store.get(key, range: nil, ifMatch: etag, into: pipe)
            }
            try bench.expect(bench.isUntouched(pipe), "a refused read leaves the pipe untouched")
        },
        ConformanceCheck("a reader may leave early") { bench in
            let key = "\(bench.prefix)k"
            try await bench.store.put(key, body: .bytes(bench.bytes(4 << 20)))
            for _ in 0..<4 {
                let pipe = BytePipe(capacity: 64 << 10)
                _ = try await bench.store.get(key, range: nil, ifMatch: nil, into: pipe)
                _ = try await pipe.read(upTo: 10)
                pipe.cancel()
            }
            try bench.expect(try await bench.store.head(key)?.size == 4 << 20, "the store goes on")
        },
        ConformanceCheck("many calls run at the same time") { bench in
            try await forEachInParallel(0..<128, limit: 64) { index in
                let key = "\(bench.prefix)\(index)"
                let bytes = bench.bytes(index * 10, seed: index)
                try await bench.store.put(key, body: .bytes(bytes))
                try bench.expect(try await bench.read(key) == bytes, "object \(index) has its own bytes")
            }
            try bench.expect(try await bench.keys(bench.prefix).keys.count == 128, "all are there")
        },
        ConformanceCheck("a bucket can be asked for again") { bench in
            try await bench.store.createBucketIfMissing()
            try await bench.store.createBucketIfMissing()
        },
    ]

    static let failures = [
        ConformanceCheck("a missing object is not found") { bench in
            let key = "\(bench.prefix)missing"
            try bench.expect(try await bench.store.head(key) == nil, "head gives nil")
            let pipe = BytePipe()
            let error = try await bench.expectError(.notFound, by: "a read of a missing object") {
                try await bench.store.get(key, range: nil, ifMatch: nil, into: pipe)
            }
            try bench.expect(error.message.contains(key), "the message names the key: \(error.message)")
            try bench.expect(!error.isRetryable, "it is not tried again")
            try bench.expect(bench.isUntouched(pipe), "the pipe is untouched")
        },
        ConformanceCheck("a range outside of the object is refused") { bench in
            let key = "\(bench.prefix)k"
            try await bench.store.put(key, body: .bytes([1, 2, 3]))
            let pipe = BytePipe()
            try await bench.expectError(.invalidArgument, by: "a range behind the end") {
                try await bench.store.get(key, range: 5..<6, ifMatch: nil, into: pipe)
            }
            try bench.expect(bench.isUntouched(pipe), "the pipe is untouched")
        },
        ConformanceCheck("a body that breaks leaves nothing behind") { bench in
            let key = "\(bench.prefix)k"
            let broken = BytePipe()
            try await broken.write([1, 2, 3])
            Task { broken.fail(BackupError(.corrupted, "the source broke")) }
            let error = try await bench.expectError(by: "a body that fails") {
                try await bench.store.put(key, body: .pipe(broken, length: 10))
            }
            try bench.expect(error.message.contains("the source broke"), "the pipe's error surfaces: \(error)")
            let short = BytePipe()
            try await short.write([1, 2, 3])
            short.finish()
            try await bench.expectError(by: "a body that ends early") {
                try await bench.store.put(key, body: .pipe(short, length: 10))
            }
            try bench.expect(try await bench.store.head(key) == nil, "no object is there")
        },
        ConformanceCheck("nothing is visible before it is whole") { bench in
            let key = "\(bench.prefix)k"
            let pipe = BytePipe()
            async let stored = bench.store.put(key, body: .pipe(pipe, length: 200_000))
            try await pipe.write(bench.bytes(100_000))
            try bench.expect(try await bench.store.head(key) == nil, "half an object is not visible")
            try await pipe.write(bench.bytes(100_000))
            pipe.finish()
            _ = try await stored
            try bench.expect(try await bench.store.head(key)?.size == 200_000, "the whole object is")
        },
        ConformanceCheck("a cancelled call ends") { bench in
            let started = BytePipe()
            let task = Task {
                started.finish()
                return try await bench.store.put("\(bench.prefix)k", body: .pipe(BytePipe(), length: 10))
            }
            _ = try await started.read()
            task.cancel()
            try await bench.expectError(.canceled, by: "a cancelled put") { try await task.value }
            try bench.expect(try await bench.store.head("\(bench.prefix)k") == nil, "no object is there")
        },
    ]

    static let copies = [
        ConformanceCheck("objects are copied by the store") { bench in
            for (index, count) in [0, 10, 1 << 20].enumerated() {
                let source = ObjectReference(bucket: bench.store.identity.bucket, key: "\(bench.prefix)from ä+\(index)")
                let bytes = bench.bytes(count)
                let put = try await bench.store.put(source.key, body: .bytes(bytes))
                let target = "\(bench.prefix)to/\(index)"
                for _ in 0..<2 {
                    let copy = try await bench.store.copy(source, to: target)
                    try bench.expect(copy.etag == put.etag, "a copy of a plain object has its ETag")
                    try bench.expect(try await bench.read(target) == bytes, "a copy has the same \(count) bytes")
                }
            }
        },
        ConformanceCheck("objects are copied between buckets") { bench in
            guard let other = bench.other else { return }
            let key = "\(bench.prefix)k"
            try await other.put(key, body: .bytes([1, 2, 3]))
            try await bench.store.copy(ObjectReference(bucket: other.identity.bucket, key: key), to: "\(key)2")
            try bench.expect(try await bench.read("\(key)2") == [1, 2, 3], "the copy has the same bytes")
            try bench.expect(try await bench.store.head(key) == nil, "the source's key is not in this bucket")
            try await other.delete([key])
        },
        ConformanceCheck("a copy of a missing object is not found") { bench in
            let bucket = bench.store.identity.bucket
            let target = "\(bench.prefix)k"
            try await bench.expectError(.notFound, by: "a copy of a missing object") {
                try await bench.store.copy(ObjectReference(bucket: bucket, key: "\(bench.prefix)missing"), to: target)
            }
            try await bench.expectError(.notFound, .permissionDenied, by: "a copy out of a missing bucket") {
                try await bench.store.copy(
                    ObjectReference(bucket: "no-such-bucket-\(bucket.count)", key: "k"), to: target)
            }
            try bench.expect(try await bench.store.head(target) == nil, "no object is there")
        },
    ]
}
