extension Milvus {
    package struct ClientInfo: ProtobufMessage {
        package var sdkType = ""
        package var sdkVersion = ""
        package var localTime = ""
        package var user = ""
        package var host = ""

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.sdkType, .string), .one(2, \.sdkVersion, .string), .one(3, \.localTime, .string),
            .one(4, \.user, .string), .one(5, \.host, .string),
        ]
    }

    package struct ConnectRequest: MilvusRequest {
        package typealias Response = ConnectResponse
        package static let method = "Connect"
        package var clientInfo = ClientInfo()

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.one(2, \.clientInfo, .message)]
    }

    package struct ServerInfoMessage: ProtobufMessage {
        package var buildTags = ""

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [.one(1, \.buildTags, .string)]
    }

    package struct ConnectResponse: MilvusResponse {
        package var status = Status()
        package var serverInfo = ServerInfoMessage()
        package var identifier: Int64 = 0

        package init() {}

        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .one(2, \.serverInfo, .message), .one(3, \.identifier, .int64),
        ]
    }

    package struct GetVersionRequest: MilvusRequest {
        package typealias Response = GetVersionResponse
        package static let method = "GetVersion"

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = []
    }

    package struct GetVersionResponse: MilvusResponse {
        package var status = Status()
        package var version = ""

        package init() {}
        package static let layout: [ProtobufFieldCoding<Self>] = [
            .one(1, \.status, .message), .one(2, \.version, .string),
        ]
    }
}
