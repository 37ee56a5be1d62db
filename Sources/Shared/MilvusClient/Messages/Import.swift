extension Milvus {
    package struct ImportRequest: MilvusRequest {
        package typealias Response = ImportResponse
        package static let method = "Import"
        package var collection = ""
        package var partition = ""
        package var files: [String] = []
        package var options: [KeyValuePair] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.collection, .string), .one(2, \.partition, .string), .repeated(5, \.files, .string),
            .repeated(6, \.options, .message),
        ]
    }

    package struct ImportResponse: MilvusResponse {
        package var status = Status()
        package var tasks: [Int64] = []

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .repeated(2, \.tasks, .int64),
        ]
    }

    package struct GetImportStateRequest: MilvusRequest {
        package typealias Response = ImportTask
        package static let method = "GetImportState"
        package var task: Int64 = 0

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.one(1, \.task, .int64)]
    }

    /// What a server says about one import; in milvus-proto it is called GetImportStateResponse.
    package struct ImportTask: MilvusResponse {
        package var status = Status()
        package var state: ImportState = .pending
        package var rowCount: Int64 = 0
        package var infos: [KeyValuePair] = []
        package var id: Int64 = 0
        package var collectionID: Int64 = 0
        package var segmentIDs: [Int64] = []
        /// Unix seconds.
        package var createdAt: Int64 = 0

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .one(2, \.state, .enumeration), .one(3, \.rowCount, .int64),
            .repeated(5, \.infos, .message), .one(6, \.id, .int64), .one(7, \.collectionID, .int64),
            .repeated(8, \.segmentIDs, .int64), .one(9, \.createdAt, .int64),
        ]

        /// The value of one of ``infos``: `files`, `partition`, `failed_reason`, `progress_percent`, ...
        package func info(_ key: String) -> String? { infos.first { $0.key == key }?.value }
        package var progressPercent: Int { info("progress_percent").flatMap { Int($0) } ?? 0 }
        package var failedReason: String { info("failed_reason") ?? "" }
    }

    package struct ImportState: ProtobufEnumeration {
        package var rawValue: Int32
        package init(rawValue: Int32) { self.rawValue = rawValue }

        package static let pending = ImportState(rawValue: 0)
        package static let failed = ImportState(rawValue: 1)
        package static let started = ImportState(rawValue: 2)
        package static let persisted = ImportState(rawValue: 5)
        package static let completed = ImportState(rawValue: 6)
        package static let failedAndCleaned = ImportState(rawValue: 7)
        package static let flushed = ImportState(rawValue: 8)

        package var isFailure: Bool { self == .failed || self == .failedAndCleaned }
        package var isFinal: Bool { self == .completed || isFailure }
    }

    package struct ListImportTasksRequest: MilvusRequest {
        package typealias Response = ListImportTasksResponse
        package static let method = "ListImportTasks"
        package var collection = ""
        package var limit: Int64 = 0

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.collection, .string), .one(2, \.limit, .int64),
        ]
    }

    package struct ListImportTasksResponse: MilvusResponse {
        package var status = Status()
        package var tasks: [ImportTask] = []

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .repeated(2, \.tasks, .message),
        ]
    }
}
