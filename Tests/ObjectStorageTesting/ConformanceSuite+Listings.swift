import ObjectStorage
import Support

extension ConformanceCheck {
    static let keys = [
        ConformanceCheck("keys are used as they are") { bench in
            let names = [
                "a b", "a+b", "a%2Fb", "a%", "a&b=c", "a?b#c", "<a>\"'", "ä€😀", "a\u{301}", "á", "a;b,c:d@e!$()*~",
                "a.b",
                " a ", "a\u{a0}b", "[x]", "Ä", "{y}|^`", "\u{fffd}", String(repeating: "l", count: 200),
            ]
            try await checkKeys(names, isSupported: true, bench)
        },
        ConformanceCheck("odd paths are kept or refused") { bench in
            let names = ["b//c", "/d", "e/./f", "g/../h", "i//", "..", ".", "..."]
            try await checkKeys(names, isSupported: bench.features.contains(.anyPath), bench)
        },
        ConformanceCheck("an object may lie below another") { bench in
            try await bench.store.put("\(bench.prefix)a", body: .bytes([1]))
            let below = "\(bench.prefix)a/b"
            if bench.features.contains(.nestedKeys) {
                try await bench.store.put(below, body: .bytes([2]))
                try bench.expect(try await bench.keys(bench.prefix).keys.count == 2, "both are there")
                try bench.expect(try await bench.read(below) == [2], "each has its own bytes")
            } else {
                try await bench.expectError(by: "an object below another") {
                    try await bench.store.put(below, body: .bytes([2]))
                }
            }
            try bench.expect(try await bench.read("\(bench.prefix)a") == [1], "the first object is as it was")
        },
        ConformanceCheck("control characters are kept or refused") { bench in
            var names = ["a\u{1}b", "c\u{7f}", "d\te", "\u{fffe}"]
            if bench.features.contains(.lineFeeds) { names += ["f\ng", "h\r\ni"] }
            try await checkKeys(names, isSupported: bench.features.contains(.controlCharacters), bench)
        },
        ConformanceCheck("impossible keys are refused") { bench in
            for key in ["", bench.prefix + String(repeating: "l", count: 1025 - bench.prefix.utf8.count)] {
                try await bench.expectError(.invalidArgument, .unsupported, by: "a key of \(key.utf8.count) bytes") {
                    try await bench.store.put(key, body: .bytes([1]))
                }
            }
        },
    ]

    /// Every key is kept byte for byte, or (only when it need not be supported) refused; never changed.
    private static func checkKeys(_ names: [String], isSupported: Bool, _ bench: ConformanceBench) async throws {
        var kept: [String] = []
        for (index, name) in names.enumerated() {
            let key = bench.prefix + name
            let shown = "key \"\(name.escapingControlCharacters)\""
            do {
                try await bench.store.put(key, body: .bytes([UInt8(index)]))
                kept.append(key)
            } catch let error as BackupError where [.unsupported, .invalidArgument].contains(error.code) {
                try bench.expect(!isSupported, "\(shown) is accepted, not: \(error)")
            }
        }
        for key in kept {
            let shown = "key \"\(key.escapingControlCharacters)\""
            let index = names.firstIndex { Array((bench.prefix + $0).utf8) == Array(key.utf8) } ?? -1
            try bench.expect(try await bench.read(key) == [UInt8(index)], "\(shown) has its own bytes")
            let copy = "\(bench.prefix)copy"
            try await bench.store.copy(ObjectReference(bucket: bench.store.identity.bucket, key: key), to: copy)
            try bench.expect(try await bench.read(copy) == [UInt8(index)], "\(shown) is copied")
            try await bench.store.delete([copy])
        }
        let sorted = kept.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        let listed = try await bench.keys(bench.prefix).keys
        try bench.expect(bench.areSame(listed, sorted), "the listing has the keys in order: \(listed) for \(sorted)")
        try await bench.store.delete(kept)
        let left = try await bench.keys(bench.prefix).keys
        try bench.expect(left.isEmpty, "they are deleted by their keys: \(left) is left")
    }

    static let listings = [
        ConformanceCheck("a listing is complete and in order whatever its pages") { bench in
            let names = ["a", "a-b/c", "a0", "aa", "ab/x", "ab/y/z", "ab0", "b", "Z", "ä", "😀", "\u{ffee}"]
            for name in names { try await bench.store.put(bench.prefix + name, body: .bytes(Array(name.utf8))) }
            let sorted = names.map { bench.prefix + $0 }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
            for limit in [1, 2, 5, 12, 1000] {
                let keys = try await bench.keys(bench.prefix, limit: limit).keys
                try bench.expect(bench.areSame(keys, sorted), "pages of \(limit) give every key once: \(keys)")
            }
            let page = try await bench.store.list(prefix: bench.prefix, delimiter: nil, continuation: nil, limit: 1000)
            for object in page.objects {
                let info = try await bench.store.head(object.key)
                try bench.expect(info == object, "listing and head agree: \(object) and \(String(describing: info))")
            }
        },
        ConformanceCheck("a prefix is any beginning of a key") { bench in
            for name in ["ab/c", "abc", "b"] { try await bench.store.put(bench.prefix + name, body: .bytes([])) }
            for (prefix, expected) in [("a", 2), ("ab", 2), ("ab/", 1), ("abc", 1), ("abcd", 0), ("c", 0), ("", 3)] {
                let keys = try await bench.keys(bench.prefix + prefix).keys
                try bench.expect(keys.count == expected, "prefix \"\(prefix)\" has \(expected) keys: \(keys)")
            }
        },
        ConformanceCheck("a delimiter folds what is below it") { bench in
            for name in ["a", "b/1", "b/2", "b/3/4", "c/1", "d", "e f+/1"] {
                try await bench.store.put(bench.prefix + name, body: .bytes([]))
            }
            for limit in [1, 2, 3, 1000] {
                let (keys, prefixes) = try await bench.keys(bench.prefix, delimiter: "/", limit: limit)
                try bench.expect(
                    bench.areSame(keys, ["a", "d"].map { bench.prefix + $0 }),
                    "pages of \(limit) have the keys: \(keys)")
                try bench.expect(
                    bench.areSame(prefixes, ["b/", "c/", "e f+/"].map { bench.prefix + $0 }),
                    "pages of \(limit) have each prefix once: \(prefixes)")
            }
            let (keys, prefixes) = try await bench.keys("\(bench.prefix)b/", delimiter: "/")
            try bench.expect(
                bench.areSame(keys, ["b/1", "b/2"].map { bench.prefix + $0 }), "one level deeper: \(keys)")
            try bench.expect(bench.areSame(prefixes, ["\(bench.prefix)b/3/"]), "one level deeper: \(prefixes)")
        },
        ConformanceCheck("a listing of nothing is empty") { bench in
            let page = try await bench.store.list(
                prefix: "\(bench.prefix)nothing/", delimiter: nil, continuation: nil, limit: 10)
            try bench.expect(page.objects.isEmpty && page.commonPrefixes.isEmpty, "there is nothing in it")
            try bench.expect(page.continuation == nil, "it does not go on")
        },
    ]

    static let deletions = [
        ConformanceCheck("what is deleted is gone, and may have been gone before") { bench in
            let keys = (0..<250).map { "\(bench.prefix)\($0)<&\">" }
            try await forEachInParallel(keys, limit: 32) { try await bench.store.put($0, body: .bytes([1])) }
            try await bench.store.delete([keys[0]])
            try await bench.store.delete([keys[0]])
            try bench.expect(try await bench.store.head(keys[0]) == nil, "a single one is gone")
            try await bench.store.delete(Array(keys[..<200]) + ["\(bench.prefix)missing"])
            try bench.expect(try await bench.keys(bench.prefix).keys.count == 50, "only the others are left")
            try await bench.store.delete([])
            try bench.expect(try await bench.store.deleteAll(prefix: bench.prefix) == 50, "the rest is deleted")
            try bench.expect(try await bench.keys(bench.prefix).keys.isEmpty, "nothing is left")
        }
    ]
}
