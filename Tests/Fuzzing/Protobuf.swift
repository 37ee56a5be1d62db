import MilvusClient

/// Answers of Milvus. The first byte says which; the rest of them are inside these.
func fuzzProtobuf(_ bytes: [UInt8]) {
    let types: [any ProtobufMessage.Type] = [
        Milvus.Status.self, Milvus.BoolResponse.self, Milvus.DescribeCollectionResponse.self,
        Milvus.ShowCollectionsResponse.self, Milvus.ShowPartitionsResponse.self, Milvus.DescribeIndexResponse.self,
        Milvus.FlushResponse.self, Milvus.FlushAllResponse.self, Milvus.GetPersistentSegmentInfoResponse.self,
        Milvus.ImportTask.self, Milvus.ListImportTasksResponse.self, Milvus.DescribeDatabaseResponse.self,
        Milvus.BackupRBACResponse.self, Milvus.ReplicateMessageResponse.self, Milvus.ConnectResponse.self,
        Milvus.CreateCollectionRequest.self,
    ]
    let (which, message) = choice(bytes, of: types.count)
    roundTrip(types[which], message)
}

/// What was read is written in a form of its own, and that is read back as the same.
private func roundTrip<Message: ProtobufMessage>(_ type: Message.Type, _ bytes: [UInt8]) {
    guard let message = try? Message(serialized: bytes) else { return }
    let written = message.serialized()
    guard let again = try? Message(serialized: written) else { fatalError("what was written cannot be read") }
    require(again.serialized() == written, "a message reads back as another")
}
