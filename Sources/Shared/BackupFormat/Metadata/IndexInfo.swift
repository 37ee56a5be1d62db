/// An index of a collection.
package struct IndexInfo: Sendable, Hashable {
    package var fieldName = ""
    package var indexName = ""
    /// The `index_type` of the parameters.
    package var indexType = ""
    /// All that DescribeIndex tells: `index_type`, `metric_type`, `params`, `dim`, …
    package var parameters: [String: String] = [:]
    package var indexID: Int64 = 0

    // What follows comes from etcd, when it was asked for.
    package var fieldID: Int64 = 0
    /// Hybrid timestamp.
    package var createTime: UInt64 = 0
    package var typeParameters: [KeyValuePair] = []
    package var indexParameters: [KeyValuePair] = []
    package var userIndexParameters: [KeyValuePair] = []
    package var isAutoIndex = false
    package var minimumIndexVersion: Int32 = 0
    package var maximumIndexVersion: Int32 = 0

    package init() {}
}
