import Support
import Testing

@testable import ObjectStorage

@Suite struct S3DocumentTests {
    private func page(_ xml: String) throws -> ObjectPage { try ObjectListing.page(of: Array(xml.utf8)) }

    @Test func readsAListing() throws {
        let page = try page(
            """
            <?xml version="1.0" encoding="UTF-8"?>
            <ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix>a%2F</Prefix>
            <NextContinuationToken>to+ken==</NextContinuationToken><KeyCount>3</KeyCount><IsTruncated>true</IsTruncated>
            <Contents><Key>a%2Fb+c</Key><LastModified>2026-01-31T12:00:00.000Z</LastModified><ETag>&#34;e1&#34;</ETag>
            <Size>5368709121</Size><Owner><ID>x</ID><DisplayName></DisplayName></Owner><StorageClass>STANDARD</StorageClass>
            </Contents><Contents><Key>a%2F%C3%A4%2B%01</Key><ETag>"e2-3"</ETag><Size>0</Size></Contents>
            <CommonPrefixes><Prefix>a%2Fsub%2F</Prefix></CommonPrefixes><EncodingType>url</EncodingType></ListBucketResult>
            """)
        #expect(
            page.objects == [
                ObjectInfo(key: "a/b c", size: 5_368_709_121, etag: "e1"),
                ObjectInfo(key: "a/ä+\u{1}", size: 0, etag: "e2-3"),
            ])
        #expect(page.commonPrefixes == ["a/sub/"])
        #expect(page.continuation == "to+ken==")
    }

    @Test func keysStayAsTheyAreWhenTheStoreDoesNotEncode() throws {
        let page = try page(
            "<ListBucketResult><Contents><Key>a%2Fb+&amp;</Key><Size>1</Size></Contents></ListBucketResult>")
        #expect(page.objects == [ObjectInfo(key: "a%2Fb+&", size: 1)])
        #expect(page.continuation == nil)
    }

    @Test(arguments: [
        "", "  \n", "<", "not xml at all", "<html><body>proxy</body></html>",
        "<ListBucketResult>",
        "<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>many</Size></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
        "<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>%f</Key><Size>1</Size></Contents></ListBucketResult>",
    ])
    func refusesWhatIsNoListing(xml: String) {
        #expect { try page(xml) } throws: { ($0 as? BackupError)?.code == .protocolViolation }
    }

    @Test func refusesHostileDocuments() throws {
        var bomb = "<!DOCTYPE lolz [<!ENTITY a \"aaaaaaaaaa\">"
        for (name, inner) in [("b", "a"), ("c", "b"), ("d", "c"), ("e", "d")] {
            bomb += "<!ENTITY \(name) \"\(String(repeating: "&\(inner);", count: 10))\">"
        }
        bomb += "]><Error><Code>&e;</Code></Error>"
        let external = "<!DOCTYPE x [<!ENTITY f SYSTEM \"file:///etc/passwd\">]><Error><Code>&f;</Code></Error>"
        let deep = String(repeating: "<a>", count: 100_000) + String(repeating: "</a>", count: 100_000)
        for document in [bomb, external, deep, "<a>\u{0}</a>", "<Error><Code>&undefined;</Code></Error>"] {
            #expect { try FlatDocument(Array(document.utf8)) } throws: {
                ($0 as? BackupError)?.code == .protocolViolation
            }
        }
        #expect { try FlatDocument([0x3c, 0x61, 0x3e, 0xff, 0xfe, 0x3c, 0x2f, 0x61, 0x3e]) } throws: {
            $0 is BackupError
        }
    }

    @Test func readsFlatDocumentsAfterBlanksAndWithPrefixes() throws {
        let document = try FlatDocument(
            Array("\n   <?xml version='1.0'?><s:CopyResult xmlns:s='x'><s:ETag>\"a\"</s:ETag></s:CopyResult>".utf8))
        #expect(document.root == "CopyResult")
        #expect(document["ETag"] == "\"a\"")
    }

    @Test func readsUploadsAndDeletions() throws {
        let uploads = try UploadListing(
            Array(
                """
                <ListMultipartUploadsResult><EncodingType>url</EncodingType><Upload><Key>a%2Fb</Key><UploadId>1+2</UploadId>
                <Initiator><ID>i</ID></Initiator></Upload><IsTruncated>true</IsTruncated><NextKeyMarker>a%2Fb</NextKeyMarker>
                <NextUploadIdMarker>1+2</NextUploadIdMarker></ListMultipartUploadsResult>
                """.utf8))
        #expect(uploads.uploads == [PendingUpload(key: "a/b", uploadID: "1+2")])
        #expect(uploads.next?.keyMarker == "a/b")
        #expect(uploads.next?.uploadIDMarker == "1+2")
        let report = try DeletionReport(
            Array(
                """
                <DeleteResult><Error><Key>k</Key><Code>AccessDenied</Code><Message>No.</Message></Error>
                <Error><Code>InternalError</Code></Error></DeleteResult>
                """.utf8))
        #expect(report.failures.map(\.code) == ["AccessDenied", "InternalError"])
        #expect(report.failures.map(\.key) == ["k", ""])
    }

    @Test func anotherDocumentIsNoReportOfADeletion() {
        let refusal = "<Error><Code>InternalError</Code></Error>"
        #expect { try DeletionReport(Array(refusal.utf8)) } throws: { ($0 as? BackupError)?.isRetryable == true }
    }

    @Test func writtenKeysComeBackAsTheyWere() throws {
        struct Keys: XMLRecords {
            var keys: [String] = []
            mutating func end(_ name: String, text: [UInt8], depth: Int) {
                if name == "Key" { keys.append(String(decoding: text, as: UTF8.self)) }
            }
        }
        let keys = ["a<b>&\"'c", "]]>", "line\nfeed\r\ttab", " blanks ", "ä😀\u{85}\u{fffd}"]
        var read = Keys()
        try readXML(S3Bodies.deletion(of: keys), into: &read)
        #expect(read.keys.map { Array($0.utf8) } == keys.map { Array($0.utf8) })
        #expect(keys.allSatisfy(isXMLText))
        for key in ["\u{1}", "a\u{b}", "\u{fffe}", "\u{0}"] { #expect(!isXMLText(key)) }
    }

    @Test(arguments: [("\"a\"", "a"), ("a", "a"), ("W/\"a\"", "a"), ("\"", "\""), ("", ""), ("\"a-2\"", "a-2")])
    func etagsLoseTheirQuotes(text: String, etag: String) { #expect(unquotedETag(text) == etag) }
}
