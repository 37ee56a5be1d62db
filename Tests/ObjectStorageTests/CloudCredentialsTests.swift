import HTTP
import Support
import Testing

@testable import ObjectStorage

/// Credentials of Alibaba, Tencent and Huawei. The services are fakes that answer as the providers' documentation and SDKs
/// show; none of the real ones can be reached from a test.
@Suite struct CloudCredentialsTests {
    private static let expected = TemporaryCredentials(
        S3Credentials(accessKeyID: "id", secretAccessKey: Secret("s3cret"), sessionToken: Secret("t0ken")),
        expiration: Timestamp(httpDate: "Sat, 31 Jan 2026 12:00:00 GMT"))
    private static let time = Timestamp(seconds: 1_769_860_800)

    // MARK: Alibaba

    private static let role = """
        {"Code": "Success", "AccessKeyId": "id", "AccessKeySecret": "s3cret", "SecurityToken": "t0ken",
         "LastUpdated": "2026-01-31T06:00:00Z", "Expiration": "2026-01-31T12:00:00Z"}
        """

    @Test(arguments: [true, false]) func theRoleOfAnAlibabaInstance(hasTokens: Bool) async throws {
        let service = FakeCredentialService { request in
            switch request.url {
            case "http://100.100.100.200/latest/api/token":
                return hasTokens && request.method == "PUT" ? HTTPResponse("session") : nil
            case "http://100.100.100.200/latest/meta-data/ram/security-credentials/": return HTTPResponse("backup")
            case "http://100.100.100.200/latest/meta-data/ram/security-credentials/backup":
                return HTTPResponse(Self.role)
            default: return nil
            }
        }
        let source = try #require(InstanceCredentials.alibaba(http: service, endpoint: "", environment: [:]))
        #expect(try await source.fetch() == Self.expected)
        #expect(service.requests[0].value("x-aliyun-ecs-metadata-token-ttl-seconds") == "21600")
        for request in service.requests.dropFirst() {
            #expect(request.value("x-aliyun-ecs-metadata-token") == (hasTokens ? "session" : nil))
        }
    }

    @Test func aRoleThatIsNamedIsNotAskedFor() async throws {
        let service = FakeCredentialService { $0.url.hasSuffix("/backup") ? HTTPResponse(Self.role) : nil }
        let environment = ["ALIBABA_CLOUD_ECS_METADATA": "backup"]
        let source = InstanceCredentials.alibaba(http: service, endpoint: "http://meta", environment: environment)
        #expect(try await source?.fetch() == Self.expected)
        #expect(service.requests.map(\.method) == ["PUT", "GET"])
        let off = ["ALIBABA_CLOUD_ECS_METADATA_DISABLED": "True"]
        #expect(InstanceCredentials.alibaba(http: service, endpoint: "", environment: off) == nil)
    }

    @Test func whatTheEnvironmentOfAlibabaSays() async throws {
        let environment = [
            "ALIBABA_CLOUD_ACCESS_KEY_ID": "id", "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "s3cret",
            "ALIBABA_CLOUD_SECURITY_TOKEN": "t0ken",
        ]
        #expect(AlibabaEnvironmentCredentials(environment).fetch()?.value == Self.expected.value)
        let permanent = environment.merging(["ALIBABA_CLOUD_SECURITY_TOKEN": ""]) { $1 }
        let token = AlibabaEnvironmentCredentials(permanent).fetch()?.value.sessionToken
        #expect(token == nil)
        let service = FakeCredentialService { $0.url == "http://local/key" ? HTTPResponse(Self.role) : nil }
        let uri = ["ALIBABA_CLOUD_CREDENTIALS_URI": "http://local/key"]
        #expect(try await AlibabaURICredentials(http: service, environment: uri).fetch() == Self.expected)
    }

    @Test func aRoleForAnAlibabaToken() async throws {
        try await withFile("a+token/\n") { path async throws in
            let service = FakeCredentialService { _ in
                HTTPResponse(
                    """
                    {"RequestId": "3D57", "AssumedRoleUser": {"Arn": "acs:ram::1:role/r/s"}, "Credentials":
                    {"AccessKeyId": "id", "AccessKeySecret": "s3cret", "SecurityToken": "t0ken",
                    "Expiration": "2026-01-31T12:00:00Z"}}
                    """)
            }
            let environment = [
                "ALIBABA_CLOUD_OIDC_TOKEN_FILE": path, "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "acs:ram::1:oidc-provider/p",
                "ALIBABA_CLOUD_ROLE_ARN": "acs:ram::1:role/r", "ALIBABA_CLOUD_STS_REGION": "cn-hangzhou",
            ]
            let source = AlibabaWebIdentityCredentials(
                http: service, endpoint: "", environment: environment, now: { Self.time })
            #expect(try await source.fetch() == Self.expected)
            let request = try #require(service.requests.first)
            #expect(
                request.url == "https://sts.cn-hangzhou.aliyuncs.com/?Action=AssumeRoleWithOIDC&Format=JSON"
                    + "&Timestamp=2026-01-31T12%3A00%3A00Z&Version=2015-04-01")
            #expect(request.method == "POST" && request.value("content-type") == "application/x-www-form-urlencoded")
            #expect(
                request.text
                    == "RoleArn=acs%3Aram%3A%3A1%3Arole%2Fr&OIDCProviderArn=acs%3Aram%3A%3A1%3Aoidc-provider%2Fp"
                    + "&OIDCToken=a%2Btoken%2F&RoleSessionName=milvus-backup&DurationSeconds=3600")
        }
    }

    @Test func anAlibabaTokenThatIsRefused() async throws {
        try await withFile("very-secret") { path async throws in
            let service = FakeCredentialService { _ in
                HTTPResponse(
                    #"{"RequestId":"1","Code":"AuthenticationFail.OIDCToken.Expired","Message":"expired"}"#, status: 400
                )
            }
            var environment = [
                "ALIBABA_CLOUD_OIDC_TOKEN_FILE": path, "ALIBABA_CLOUD_OIDC_PROVIDER_ARN": "p",
                "ALIBABA_CLOUD_ROLE_ARN": "r",
            ]
            func message() async -> String? {
                let source = AlibabaWebIdentityCredentials(
                    http: service, endpoint: "http://sts", environment: environment)
                return await #expect(throws: BackupError.self) { try await source.fetch() }?.message
            }
            #expect(await message() == "HTTP 400 from http://sts: expired")
            environment["ALIBABA_CLOUD_ROLE_ARN"] = ""
            #expect(await message() == "ALIBABA_CLOUD_OIDC_TOKEN_FILE is set, but ALIBABA_CLOUD_ROLE_ARN is not")
        }
    }

    // MARK: Tencent

    @Test func aRoleForATencentToken() async throws {
        try await withFile("a+token/\n") { path async throws in
            let service = FakeCredentialService { _ in
                HTTPResponse(
                    """
                    {"Response": {"Credentials": {"Token": "t0ken", "TmpSecretId": "id", "TmpSecretKey": "s3cret"},
                    "ExpiredTime": 1769860800, "Expiration": "2026-01-31T12:00:00Z", "RequestId": "1"}}
                    """)
            }
            let environment = [
                "TKE_WEB_IDENTITY_TOKEN_FILE": path, "TKE_REGION": "ap-guangzhou", "TKE_PROVIDER_ID": "provider",
                "TKE_ROLE_ARN": "qcs::cam::uin/1:roleName/r",
            ]
            let source = TencentWebIdentityCredentials(
                http: service, endpoint: "", environment: environment, now: { Self.time })
            #expect(try await source.fetch() == Self.expected)
            let request = try #require(service.requests.first)
            #expect(request.method == "POST" && request.url == "https://sts.tencentcloudapi.com/")
            for (name, value) in [
                ("authorization", "SKIP"), ("x-tc-action", "AssumeRoleWithWebIdentity"), ("x-tc-version", "2018-08-13"),
                ("x-tc-region", "ap-guangzhou"), ("x-tc-timestamp", "1769860800"),
                ("content-type", "application/json; charset=utf-8"),
            ] { #expect(request.value(name) == value) }
            for (name, value) in [
                ("ProviderId", #""provider""#), ("WebIdentityToken", #""a+token\/""#),
                ("RoleArn", #""qcs::cam::uin\/1:roleName\/r""#), ("DurationSeconds", "7200"),
                ("RoleSessionName", #""milvus-backup-1769860800000""#),
            ] { #expect(request.text.contains("\"\(name)\":\(value)"), "\(request.text)") }
        }
    }

    @Test func aTencentTokenThatIsRefused() async throws {
        try await withFile("very-secret") { path async throws in
            let service = FakeCredentialService { _ in
                HTTPResponse(
                    #"{"Response":{"Error":{"Code":"InvalidParameter.WebIdentityTokenError","Message":"expired"},"RequestId":"1"}}"#
                )
            }
            let environment = [
                "TKE_WEB_IDENTITY_TOKEN_FILE": path, "TKE_REGION": "r", "TKE_PROVIDER_ID": "p", "TKE_ROLE_ARN": "a",
            ]
            let source = TencentWebIdentityCredentials(http: service, endpoint: "http://sts", environment: environment)
            let error = await #expect(throws: BackupError.self) { try await source.fetch() }
            #expect(error?.message == "HTTP 200 from http://sts: expired")
        }
        let none = TencentWebIdentityCredentials(
            http: FakeCredentialService { _ in nil }, endpoint: "", environment: [:])
        #expect(try await none.fetch() == nil)
    }

    // MARK: Huawei

    private static let temporaryKey = """
        {"credential": {"access": "id", "secret": "s3cret", "securitytoken": "t0ken",
         "expires_at": "2026-01-31T12:00:00.574000Z"}}
        """

    @Test func aHuaweiKeyIsExchanged() async throws {
        let service = FakeCredentialService { _ in HTTPResponse(Self.temporaryKey, status: 201) }
        let environment = [
            "HUAWEICLOUD_SDK_AK": "AccessKey", "HUAWEICLOUD_SDK_SK": "SecretKey",
            "HUAWEICLOUD_SDK_SECURITY_TOKEN": "st",
        ]
        let source = try HuaweiCredentials(
            http: service, endpoint: "", region: "cn-north-4", environment: environment, now: { Self.time })
        #expect(try await source.fetch() == Self.expected)
        let request = try #require(service.requests.first)
        #expect(request.url == "https://iam.cn-north-4.myhuaweicloud.com/v3.0/OS-CREDENTIAL/securitytokens")
        #expect(request.text == #"{"auth":{"identity":{"methods":["token"],"token":{"duration_seconds":7200}}}}"#)
        #expect(request.value("x-sdk-date") == "20260131T120000Z" && request.value("x-security-token") == "st")
        let start = "SDK-HMAC-SHA256 Access=AccessKey, SignedHeaders=host;x-sdk-date;x-security-token, Signature="
        #expect(request.value("authorization")?.hasPrefix(start) == true)
    }

    @Test func aHuaweiTokenIsExchangedTwice() async throws {
        try await withFile("token\n") { path async throws in
            let service = FakeCredentialService { request in
                guard request.url.hasSuffix("/id-token/tokens") else {
                    return request.value("x-auth-token") == "subject" ? HTTPResponse(Self.temporaryKey) : nil
                }
                return HTTPResponse(
                    status: 201, headers: ["X-Subject-Token": "subject"],
                    body: Array(#"{"token":{"expires_at":"2026-02-01T00:00:00Z"}}"#.utf8))
            }
            let environment = [
                "HUAWEICLOUD_SDK_IDP_ID": "idp", "HUAWEICLOUD_SDK_ID_TOKEN_FILE": path,
                "HUAWEICLOUD_SDK_PROJECT_ID": "project", "HUAWEICLOUD_SDK_IAM_ENDPOINT": "iam.example",
                // As in the SDK, the identity goes before the key.
                "HUAWEICLOUD_SDK_AK": "k", "HUAWEICLOUD_SDK_SK": "s",
            ]
            let source = try HuaweiCredentials(http: service, endpoint: "", region: "", environment: environment)
            #expect(try await source.fetch() == Self.expected)
            #expect(
                service.requests.map(\.url) == [
                    "https://iam.example/v3.0/OS-AUTH/id-token/tokens",
                    "https://iam.example/v3.0/OS-CREDENTIAL/securitytokens",
                ])
            let first = try #require(service.requests.first)
            #expect(first.value("x-idp-id") == "idp")
            for part in [#""id_token":{"id":"token"}"#, #""scope":{"project":{"id":"project"}}"#] {
                #expect(first.text.contains(part), "\(first.text)")
            }
        }
    }

    @Test func whatHuaweiRefusesIsTold() async throws {
        let service = FakeCredentialService { _ in
            HTTPResponse(#"{"error":{"code":403,"message":"no right","title":"Forbidden"}}"#, status: 403)
        }
        let environment = ["HUAWEICLOUD_SDK_AK": "k", "HUAWEICLOUD_SDK_SK": "s"]
        let source = try HuaweiCredentials(
            http: service, endpoint: "http://iam", region: "", environment: environment)
        let error = await #expect(throws: BackupError.self) { try await source.fetch() }
        #expect(error?.message == "HTTP 403 from http://iam: no right")
        let none = try HuaweiCredentials(http: service, endpoint: "", region: "eu-west-101", environment: [:])
        #expect(none.name == "identity service (https://iam.eu-west-101.myhuaweicloud.eu)")
        #expect(try await none.fetch() == nil)
    }

    /// The two vectors of the SDK's own test, `core/auth/signer/signer_test.go`.
    @Test(
        arguments: [
            ("GET", "limit=1", "", "5a2ce64c865e0e6046321c6f3d5a77ba8413eeaf355c3166c03d58d02ac79624"),
            (
                // Go writes a line feed after JSON.
                "POST", "key=value", #"{"Name":"test","Id":1}"# + "\n",
                "cecc2af119b18ab70b4d094c0750f3b42c02f254903179a0fc2cc72fc9db4f59"
            ),
        ])
    func signaturesOfHuawei(method: String, query: String, body: String, signature: String) {
        let authorization = HuaweiSignature.authorization(
            method, path: "/path", query: query, headers: [("x-sdk-date", "20060102T150405Z")], body: Array(body.utf8),
            accessKeyID: "AccessKey", secretAccessKey: "SecretKey")
        #expect(authorization == "SDK-HMAC-SHA256 Access=AccessKey, SignedHeaders=x-sdk-date, Signature=\(signature)")
    }
}
