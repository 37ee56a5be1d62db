import Testing

@testable import ObjectStorage

@Suite struct RequestSignerTests {
    /// A published example: request, key, and the signature it must have.
    struct Example: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var method = "GET"
        var path = "/"
        var query: [(name: String, value: String)] = []
        var headers: [(name: String, value: String)] = []
        var payloadHash = SignableRequest.emptyPayloadHash
        var signature: String
    }

    private static func signature(_ example: Example, _ key: SigningKey, at time: String) -> Substring? {
        let request = SignableRequest(
            method: example.method, path: example.path.percentEncodedPath, query: canonicalQuery(example.query),
            headers: example.headers, payloadHash: example.payloadHash)
        return key.authorization(for: request, at: time).split(separator: "Signature=").last
    }

    /// From Amazon's Signature Version 4 test suite.
    @Test(arguments: [
        Example(
            testDescription: "get-vanilla",
            signature: "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        Example(
            testDescription: "post-vanilla", method: "POST",
            signature: "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        Example(
            testDescription: "get-vanilla-query-order-key-case", query: [("Param2", "value2"), ("Param1", "value1")],
            signature: "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        Example(
            testDescription: "get-utf8", path: "/\u{1234}",
            signature: "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
    ])
    func signsLikeTheTestSuite(_ example: Example) {
        var example = example
        example.headers = [("host", "example.amazonaws.com"), ("x-amz-date", "20150830T123600Z")]
        let key = SigningKey(
            accessKeyID: "AKIDEXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", day: "20150830",
            region: "us-east-1", service: "service")
        #expect(RequestSignerTests.signature(example, key, at: "20150830T123600Z") ?? "" == example.signature)
    }

    /// From "Signature Calculations for the Authorization Header" in the Amazon S3 API reference.
    @Test(arguments: [
        Example(
            testDescription: "GET of a range", path: "/test.txt", headers: [("range", "bytes=0-9")],
            signature: "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        Example(
            testDescription: "PUT", method: "PUT", path: "/test$file.text",
            headers: [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")],
            payloadHash: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            signature: "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        Example(
            testDescription: "GET of the life cycle", query: [("lifecycle", "")],
            signature: "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        Example(
            testDescription: "list", query: [("prefix", "J"), ("max-keys", "2")],
            signature: "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ])
    func signsLikeTheS3Reference(_ example: Example) {
        var example = example
        example.headers += [
            ("host", "examplebucket.s3.amazonaws.com"), ("x-amz-content-sha256", example.payloadHash),
            ("x-amz-date", "20130524T000000Z"),
        ]
        example.headers.sort { $0.name < $1.name }
        let key = SigningKey(
            accessKeyID: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            day: "20130524", region: "us-east-1")
        #expect(RequestSignerTests.signature(example, key, at: "20130524T000000Z") ?? "" == example.signature)
    }

    @Test func namesKeyScopeAndSignedFields() {
        let key = SigningKey(accessKeyID: "ID", secretAccessKey: "secret", day: "20260131", region: "eu-west-1")
        let request = SignableRequest(
            method: "GET", path: "/", headers: [("host", "h"), ("x-amz-date", "20260131T000000Z")], payloadHash: "x")
        let value = key.authorization(for: request, at: "20260131T000000Z")
        #expect(
            value.hasPrefix(
                "AWS4-HMAC-SHA256 Credential=ID/20260131/eu-west-1/s3/aws4_request, SignedHeaders=host;x-amz-date, "))
        #expect(!value.contains("secret"))
    }

    @Test func queriesAreSortedAsTheyAreSent() {
        #expect(canonicalQuery([("uploads", "")]) == "uploads=")
        #expect(
            canonicalQuery([("b", "2"), ("a", "x y"), ("a", "ä/+"), ("B", "1")]) == "B=1&a=%C3%A4%2F%2B&a=x%20y&b=2")
        #expect(canonicalQuery([]) == "")
    }
}

@Suite struct PercentEncodingTests {
    @Test(arguments: [
        ("a/b.c-d_e~f", "a/b.c-d_e~f"), ("a b", "a%20b"), ("a+b%c", "a%2Bb%25c"), ("a//b/../c/.", "a//b/../c/."),
        ("/x/", "/x/"), ("ä€😀", "%C3%A4%E2%82%AC%F0%9F%98%80"),
        ("?#[]@!$&'()*,;=:", "%3F%23%5B%5D%40%21%24%26%27%28%29%2A%2C%3B%3D%3A"),
        ("\u{1}\n\u{7f}", "%01%0A%7F"), ("e\u{301}", "e%CC%81"),
    ])
    func encodesPaths(key: String, path: String) { #expect(key.percentEncodedPath == path) }

    @Test(arguments: [
        ("plain", "plain"), ("a+b", "a b"), ("a%20b%2Bc", "a b+c"), ("%C3%A4", "ä"), ("%0a", "\n"), ("%", nil),
        ("%4", nil),
        ("%zz", nil), ("%ff", nil),
    ])
    func decodesForms(text: String, decoded: String?) { #expect(text.formDecoded == decoded) }
}

@Suite struct DigestTests {
    @Test func knownValues() throws {
        let abc = Array("abc".utf8)
        #expect(Digests.sha256(abc).hexadecimal == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(Digests.sha256([]).hexadecimal == SignableRequest.emptyPayloadHash)
        #expect(try #require(Digests.md5(abc)).hexadecimal == "900150983cd24fb0d6963f7d28e17f72")
        #expect(try #require(Digests.md5([])).base64 == "1B2M2Y8AsgTpgAmY7PhCfg==")
        // RFC 4231, test case 2.
        #expect(
            Digests.hmacSHA256(key: Array("Jefe".utf8), Array("what do ya want for nothing?".utf8)).hexadecimal
                == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")
        #expect(Digests.hmacSHA256(key: [], []).hexadecimal.hasPrefix("b613679a0814d9ec"))
    }

    @Test(arguments: [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")])
    func base64(text: String, encoded: String) { #expect(Array(text.utf8).base64 == encoded) }

    @Test func multipartETagsAreThoseOfS3() {
        // Two parts of 5 MiB of zeros, the second digest computed elsewhere.
        let part = "5f363e0e58a95f06cbe9bbc662c5dfb6"
        let parts = [UploadedPart(number: 1, etag: part), UploadedPart(number: 2, etag: part)]
        #expect(multipartETag(of: parts) == "a7d414b9133d6483d9a1c4e04e856e3b-2")
        #expect(multipartETag(of: [UploadedPart(number: 1, etag: "no digest")]) == nil)
    }
}
