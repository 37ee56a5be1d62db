import Support

/// The log files of a segment, as REST tells them.
package struct SegmentDescription: Sendable, Hashable {
    /// The logs of one field, by the ids that are the last part of their keys.
    package struct FieldLogs: Sendable, Hashable {
        package var fieldID: Int64
        package var logIDs: [Int64]
    }

    package var segmentID: Int64
    package var collectionID: Int64
    package var partitionID: Int64
    package var virtualChannel: String
    package var rowCount: Int64
    package var isSorted: Bool
    package var insertLogs: [FieldLogs]
    package var deltaLogs: [FieldLogs]
    package var statsLogs: [FieldLogs]
}

extension MilvusREST {
    /// The log files of segments; needs ``ServerFeatures/segmentDescription``.
    package func describeSegments(
        _ ids: [Int64], collectionID: Int64, database: String
    ) async throws -> [SegmentDescription] {
        let body = DescribeSegmentsBody(dbName: database, collectionId: collectionID, segmentIds: ids)
        let operation = "describing segments of collection \(collectionID)"
        let content: SegmentInfos? = try await post(
            "/v2/vectordb/segments/describe", body, operation, timeout: .seconds(60))
        return (content?.segmentInfos ?? []).map(SegmentDescription.init)
    }
}

private struct DescribeSegmentsBody: Encodable {
    var dbName: String
    var collectionId: Int64
    var segmentIds: [Int64]
}

private struct SegmentInfos: Decodable {
    var segmentInfos: [SegmentInfo]?
}

/// Field names are those on the wire. An empty list comes as null.
private struct SegmentInfo: Decodable {
    struct Logs: Decodable {
        var fieldID: FlexibleInteger?
        var logIDs: [FlexibleInteger]?
    }

    var segmentID: FlexibleInteger
    var collectionID: FlexibleInteger?
    var partitionID: FlexibleInteger?
    var vChannel: String?
    var numRows: FlexibleInteger?
    var isSorted: Bool?
    var insertLogs: [Logs]?
    var deltaLogs: [Logs]?
    var statsLogs: [Logs]?
}

extension SegmentDescription {
    fileprivate init(_ info: SegmentInfo) {
        func logs(_ list: [SegmentInfo.Logs]?) -> [FieldLogs] {
            (list ?? []).map { FieldLogs(fieldID: $0.fieldID?.value ?? 0, logIDs: ($0.logIDs ?? []).map(\.value)) }
        }
        self.init(
            segmentID: info.segmentID.value, collectionID: info.collectionID?.value ?? 0,
            partitionID: info.partitionID?.value ?? 0, virtualChannel: info.vChannel ?? "",
            rowCount: info.numRows?.value ?? 0, isSorted: info.isSorted ?? false, insertLogs: logs(info.insertLogs),
            deltaLogs: logs(info.deltaLogs), statsLogs: logs(info.statsLogs))
    }
}
