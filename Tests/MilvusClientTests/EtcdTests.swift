import HTTP
import Support
import Testing

@testable import MilvusClient

/// etcd as Milvus 2.3.5 has filled it: the two answers are recorded, everything else is scripted.
@Suite struct EtcdTests {
    /// All below `by-dev/meta/field-index/`: HNSW with parameters of a vector of 8 dimensions, and Trie of a text.
    private static let indexes = """
        0a1908f8d6bbb883e6c7883210cd82a3e5c481e1be960118652002128b020a3d62792d6465762f6d6574612f6669656c642d696e6465782f34\
        37303631383832323339363334363530382f3437303631383832323339363334363531331026182620012ac3010ab601088c81b0acb5aafec3\
        0610651a0176209181b0acb5aafec3062a080a0364696d12013832120a0a696e6465785f747970651204484e535732110a0b6d65747269635f\
        7479706512024c3232140a0e6566436f6e737472756374696f6e1202313632060a014d12013862120a0a696e6465785f747970651204484e53\
        5762110a0b6d65747269635f7479706512024c3262250a06706172616d73121b7b224d223a382c226566436f6e737472756374696f6e223a31\
        367d188d80e098cfaafec30612a9010a3d62792d6465762f6d6574612f6669656c642d696e6465782f3437303631383832323339363334363530\
        382f3437303631383832323339363334363531371029182920012a620a56088c81b0acb5aafec30610661a0473696478209581b0acb5aafec3\
        062a100a0a6d61785f6c656e6774681202323032120a0a696e6465785f7479706512045472696562120a0a696e6465785f7479706512045472\
        6965188480a0d7cfaafec3062002
        """
    /// The dynamic field among the fields of the collection.
    private static let fields = """
        0a1908f8d6bbb883e6c7883210cd82a3e5c481e1be960118652002125b0a3462792d6465762f6d6574612f726f6f742d636f6f72642f666965\
        6c64732f3437303631383832323339363334363530382f3130331022182220012a1d08671205246d657461220e64796e616d696320736368656d\
        61281760012001
        """
    private static let collection: Int64 = 470_618_822_396_346_508

    private func etcd(_ fake: FakeMilvus, _ endpoints: [String] = ["etcd:2379"], pageSize: Int64 = 1000) -> MilvusEtcd {
        MilvusEtcd(
            endpoints: endpoints, rootPath: "by-dev", http: fake, clock: SkippingClock().clock, pageSize: pageSize)
    }

    @Test func whatMilvusKeepsOfIndexes() async throws {
        let fake = FakeMilvus { _, _ in .message(bytes(Self.indexes)) }
        let found = try await etcd(fake).indexes(ofCollection: Self.collection)
        #expect(found.map(\.info.indexName) == ["v", "sidx"])
        let first = try #require(found.first)
        #expect(first.info.collectionID == Self.collection && first.info.fieldID == 101)
        #expect(first.info.indexID == 470_618_822_396_346_513 && first.createTime == 470_618_829_334_511_629)
        #expect(first.info.typeParameters == [Milvus.KeyValuePair("dim", "8")])
        #expect(first.info.indexParameters.map(\.key) == ["index_type", "metric_type", "efConstruction", "M"])
        #expect(first.info.userIndexParameters.map(\.key) == ["index_type", "metric_type", "params"])
        #expect(!first.info.isAutoIndex && first.info.minimumIndexVersion == 0)
        let call = try #require(fake.calls.first)
        #expect(call.url == "http://etcd:2379/etcdserverpb.KV/Range")
        let request = try Etcd.RangeRequest(serialized: call.message)
        let prefix = "by-dev/meta/field-index/\(Self.collection)"
        #expect(request.key == Array("\(prefix)/".utf8) && request.end == Array("\(prefix)0".utf8))
    }

    @Test func theDynamicField() async throws {
        let fake = FakeMilvus { _, _ in .message(bytes(Self.fields)) }
        let field = try await etcd(fake).dynamicField(ofCollection: Self.collection)
        #expect(field?.fieldID == 103 && field?.name == "$meta" && field?.dataType == Milvus.DataType(rawValue: 23))
        let none = FakeMilvus { _, _ in .answer(Etcd.RangeResponse()) }
        #expect(try await etcd(none).dynamicField(ofCollection: 1) == nil)
    }

    /// Pages are read as of the revision of the first one; deleted indexes are left out.
    @Test func pages() async throws {
        let fake = FakeMilvus { _, index in
            var stored = Milvus.StoredIndex()
            stored.info.indexID = Int64(index)
            stored.isDeleted = index == 1
            var entry = Etcd.KeyValue()
            entry.key = Array("by-dev/meta/field-index/1/\(index)".utf8)
            entry.value = stored.serialized()
            var response = Etcd.RangeResponse()
            response.header.revision = Int64(40 + index)
            response.entries = [entry]
            response.hasMore = index < 2
            return .answer(response)
        }
        #expect(try await etcd(fake, pageSize: 1).indexes(ofCollection: 1).map(\.info.indexID) == [0, 2])
        let requests = try fake.calls.map { try Etcd.RangeRequest(serialized: $0.message) }
        #expect(requests.map(\.revision) == [0, 40, 40] && requests.allSatisfy { $0.limit == 1 })
        #expect(requests[1].key == Array("by-dev/meta/field-index/1/0".utf8) + [0])
    }

    @Test func theFirstEndpointThatAnswers() async throws {
        let fake = FakeMilvus { call, _ in
            call.url.contains("//b:1/")
                ? .message(bytes(Self.fields)) : .failure(BackupError(.unavailable, "connection refused"))
        }
        try await etcd(fake, ["a:1", "http://b:1"]).check()
        #expect(fake.calls.count == 2)
        let error = await #expect(throws: BackupError.self) { try await etcd(fake, ["a:1"]).check() }
        #expect(error?.code == .unavailable && error?.message == "etcd cannot be asked: a:1: connection refused")
    }

    @Test func refusalsAndOtherRoots() async {
        let refusing = FakeMilvus { _, _ in .status(3, "etcdserver: user name is empty") }
        var error = await #expect(throws: BackupError.self) { try await etcd(refusing).check() }
        #expect(error?.message == "etcd cannot be asked: etcd:2379: etcdserver: user name is empty (status 3)")
        let empty = FakeMilvus { _, _ in .answer(Etcd.RangeResponse()) }
        error = await #expect(throws: BackupError.self) { try await etcd(empty).check() }
        #expect(error?.code == .configuration && error?.message == "etcd has no keys below \"by-dev/meta/\"")
        let damaged = FakeMilvus { _, _ in
            var response = Etcd.RangeResponse()
            response.entries = [Etcd.KeyValue()]
            response.entries[0].value = [0xff]
            return .answer(response)
        }
        error = await #expect(throws: BackupError.self) { try await etcd(damaged).indexes(ofCollection: 1) }
        #expect(error?.code == .corrupted)
    }
}
