import Support
import Testing

@testable import ObjectStorage

/// The signatures were made by Microsoft's own client out of the same requests (`shared_key` and `blob_sas` of
/// scripts/testkit/azure.py).
@Suite struct SharedKeyTests {
    static let key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="

    @Test func theDocumentedExample() throws {
        let request = SharedKeyRequest(
            method: "GET", path: "/mycontainer",
            query: [("restype", "container"), ("comp", "metadata"), ("timeout", "20")],
            headers: [("x-ms-version", "2015-02-21"), ("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT")])
        #expect(
            request.stringToSign(account: "myaccount")
                == "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
                + "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20")
        #expect(
            try request.authorization(account: "myaccount", key: AzureAccountKey(Secret(Self.key)))
                == "SharedKey myaccount:ZfuQJIowrCGKlm/KTSTcA7Tx12MxVvDi2ryOPQQw7Gw=")
    }

    @Test func bodiesConditionsAndEncodedPaths() throws {
        let request = SharedKeyRequest(
            method: "PUT", path: "/mycontainer/a%20%C3%A4/b%2Bc", query: [("comp", "block"), ("blockid", "YQ==")],
            headers: [
                ("x-ms-version", "2020-12-06"), ("x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT"),
                ("x-ms-blob-type", "BlockBlob"), ("content-type", "application/octet-stream"), ("if-none-match", "*"),
            ],
            contentLength: 11)
        #expect(
            try request.authorization(account: "myaccount", key: AzureAccountKey(Secret(Self.key)))
                == "SharedKey myaccount:zxjU7WDckF93hOeAWFF5tjCJuX2KfLiY92Unu49YaRU=")
    }

    @Test func theRightToReadOneBlob() throws {
        let signature = BlobReadSignature(
            account: "myaccount", container: "mycontainer", key: "a ä/b+c", expiry: "2026-01-31T12:00:00Z")
        let query = signature.query(key: try AzureAccountKey(Secret(Self.key)), version: "2020-12-06")
        #expect(
            query == "se=2026-01-31T12%3A00%3A00Z&sig=4sgkrL0Ku41pALMRJxSdeB%2BMbWARVPoh8KSZjwQEuhg%3D&sp=r&spr=https"
                + "&sr=b&sv=2020-12-06")
    }

    @Test func keysAreNotShown() throws {
        let key = try AzureAccountKey(Secret(Self.key))
        var dumped = ""
        dump(key, to: &dumped)
        #expect("\(key)" == "****" && !dumped.contains("0"))
        #expect(throws: BackupError.self) { try AzureAccountKey(Secret("not base 64!")) }
    }

    @Test(arguments: [
        ("GET https://h/c/b?sv=1&sig=abc%3D&se=2 failed", "GET https://h/c/b?sv=1&sig=****&se=2 failed"),
        ("'?sig=abc' and sig=def", "'?sig=****' and sig=****"), ("no signature", "no signature"),
    ])
    func signaturesAreRedacted(text: String, redacted: String) { #expect(text.redactingSignatures == redacted) }

    @Test func times() {
        let time = Timestamp(seconds: 1_769_860_800)
        #expect(time.httpDate == "Sat, 31 Jan 2026 12:00:00 GMT" && time.iso8601Seconds == "2026-01-31T12:00:00Z")
        #expect(Timestamp(httpDate: time.httpDate) == time)
        #expect(Timestamp(seconds: 0).httpDate == "Thu, 01 Jan 1970 00:00:00 GMT")
    }
}
