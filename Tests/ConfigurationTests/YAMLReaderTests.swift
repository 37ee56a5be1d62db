import Testing

@testable import Configuration

@Suite("YAML")
struct YAMLReaderTests {
    private func read(_ text: String) throws -> YAMLDocument { try YAMLReader.read(Array(text.utf8)) }

    private func entries(_ node: YAMLNode?) -> [String: YAMLNode] {
        guard case .mapping(let entries)? = node?.content else { return [:] }
        return Dictionary(uniqueKeysWithValues: entries.map { ($0.key, $0.value) })
    }

    private func failure(_ text: String) -> YAMLProblem? {
        do throws(YAMLProblem) {
            _ = try YAMLReader.read(Array(text.utf8))
            return nil
        } catch {
            return error
        }
    }

    @Test func valuesHaveTheirLines() throws {
        let root = entries(try read("# comment\na: 1\n\nb:\n  c: 'x'\n  d: [p, q]\n").root)
        #expect(root["a"] == YAMLNode(content: .scalar("1", isPlain: true), line: 2))
        let below = entries(root["b"])
        #expect(below["c"] == YAMLNode(content: .scalar("x", isPlain: false), line: 5))
        #expect(below["d"]?.line == 6)
        guard case .sequence(let elements)? = below["d"]?.content else {
            Issue.record("d is not a list")
            return
        }
        #expect(elements.map(\.content) == [.scalar("p", isPlain: true), .scalar("q", isPlain: true)])
    }

    @Test(arguments: ["a:", "a: ~", "a: null", "a: NULL"])
    func nulls(text: String) throws {
        #expect(entries(try read(text).root)["a"]?.isNull == true)
    }

    @Test(arguments: ["a: ''", "a: \"null\"", "a: !!str null", "a: nil"])
    func textsThatLookLikeNull(text: String) throws {
        #expect(entries(try read(text).root)["a"]?.isNull == false)
    }

    @Test func emptyTextsHaveNoRoot() throws {
        #expect(try read("").root == nil)
        #expect(try read("# only a comment\n").root == nil)
    }

    @Test func aliasesAndMergeKeysRepeatValues() throws {
        let root = entries(try read("base: &b {x: 1, y: 2}\nuse: *b\nmore:\n  <<: *b\n  y: 3\n").root)
        #expect(root["use"] == root["base"])
        let more = entries(root["more"])
        #expect(more["x"]?.content == .scalar("1", isPlain: true))
        #expect(more["y"]?.content == .scalar("3", isPlain: true))
    }

    @Test func keysThatAreThereTwiceAreReportedWithBothLines() throws {
        let document = try read("a: 1\nb: 2\nA: 3\n")
        #expect(document.problems == [YAMLProblem(line: 3, message: "the key \"A\" is already there in line 1")])
    }

    @Test func aFurtherDocumentIsNoticed() throws {
        #expect(try read("a: 1\n---\nb: 2\n").hasMore)
        #expect(try !read("---\na: 1\n...\n").hasMore)
    }

    @Test(
        arguments: [
            ("a: 1\n  b: 2\n", 2, "mapping values are not allowed"),
            ("a:\n\t- 1\n", 2, "indent with spaces"),
            ("a: [1, 2\nb: 3\n", 2, ""),
            ("a: \"unfinished\n", 2, ""),
            ("a: 1\nb: *missing\n", 2, "the anchor \"missing\" is not defined"),
            ("a: &x [*x]\n", 1, "not defined before"),
            ("? [a]\n: 1\n", 1, "a key must be a plain text"),
            ("a: 1\n<<: 2\n", 2, "needs a mapping"),
        ])
    func brokenTextsAreRefusedWithTheLine(text: String, line: Int, message: String) throws {
        let problem = try #require(failure(text))
        #expect(problem.line == line)
        #expect(message.isEmpty || problem.message.contains(message), "\(problem.message)")
    }

    @Test func bytesThatAreNotUTF8() throws {
        let bytes = Array("a: 1\nb: ".utf8) + [0xff, 0xfe, 0x0a]
        #expect { try YAMLReader.read(bytes) } throws: { error in
            let problem = error as? YAMLProblem
            return problem?.line == 2 && problem?.message.contains("UTF-8") == true
        }
    }

    @Test func hostileTextsAreBounded() throws {
        let deep = String(repeating: "[", count: 10_000)
        #expect(failure(deep)?.message.contains("levels deep") == true)
        let wide = "a: [" + String(repeating: "1,", count: 30_000) + "1]"
        #expect(failure(wide)?.message.contains("more than 20000 values") == true)
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...9 {
            let alias = "*a\(level - 1)"
            bomb += "a\(level): &a\(level) [" + Array(repeating: alias, count: 10).joined(separator: ", ") + "]\n"
        }
        #expect(failure(bomb)?.message.contains("more than 20000 values") == true)
        var chain = "a0: &a0 [x]\n"
        for level in 1...40 { chain += "a\(level): &a\(level) [*a\(level - 1)]\n" }
        #expect(failure(chain)?.message.contains("levels deep") == true)
        #expect(failure(String(repeating: "#", count: 1 << 20) + "\n")?.message.contains("1 MiB") == true)
    }
}
