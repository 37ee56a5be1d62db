import BackupFormat
import MilvusClient
import Support

extension MilvusEtcd {
    /// Adds to a collection what only etcd knows of it: more about its indexes, and the dynamic field.
    ///
    /// - Throws: ``BackupError/Code/corrupted`` when etcd does not have what it must have.
    func complete(_ collection: CollectionBackup) async throws -> CollectionBackup {
        var collection = collection
        let id = collection.collectionID
        if !collection.indexes.isEmpty { collection.indexes.add(try await indexes(ofCollection: id)) }
        if collection.schema.enableDynamicField {
            guard let field = try await dynamicField(ofCollection: id) else {
                throw BackupError(
                    .corrupted, "backup: \"\(collection.qualifiedName)\" missing dynamic field in etcd",
                    hint: "milvus.etcd must be that of this Milvus")
            }
            collection.schema.fields.append(FieldSchema(field))
        }
        return collection
    }
}

extension [IndexInfo] {
    /// An index that was made or dropped since they were described is left alone.
    mutating func add(_ stored: [Milvus.StoredIndex]) {
        for entry in stored {
            guard let index = firstIndex(where: { $0.indexID == entry.info.indexID }) else { continue }
            self[index].add(entry)
        }
    }
}

extension IndexInfo {
    fileprivate mutating func add(_ stored: Milvus.StoredIndex) {
        fieldID = stored.info.fieldID
        createTime = stored.createTime
        typeParameters = stored.info.typeParameters.map(KeyValuePair.init)
        indexParameters = stored.info.indexParameters.map(KeyValuePair.init)
        userIndexParameters = stored.info.userIndexParameters.map(KeyValuePair.init)
        isAutoIndex = stored.info.isAutoIndex
        minimumIndexVersion = stored.info.minimumIndexVersion
        maximumIndexVersion = stored.info.maximumIndexVersion
    }
}
