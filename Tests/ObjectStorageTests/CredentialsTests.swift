import Glibc
import HTTP
import Support
import Synchronization
import Testing

@testable import ObjectStorage

@Suite struct CredentialsTests {
    private static let document = """
        {"Code": "Success", "AccessKeyId": "AKIA", "SecretAccessKey": "s3cret", "Token": "t0ken",
         "Expiration": "2026-01-31T12:00:00Z"}
        """
    private static let expected = TemporaryCredentials(
        S3Credentials(accessKeyID: "AKIA", secretAccessKey: Secret("s3cret"), sessionToken: Secret("t0ken")),
        expiration: Timestamp(httpDate: "Sat, 31 Jan 2026 12:00:00 GMT"))

    // MARK: Instances

    @Test(arguments: [true, false]) func theRoleOfAnInstance(speaksVersion2: Bool) async throws {
        let service = FakeCredentialService { request in
            switch request.url {
            case "http://meta/latest/api/token":
                return speaksVersion2 && request.method == "PUT" ? HTTPResponse("session") : nil
            case "http://meta/latest/meta-data/iam/security-credentials/": return HTTPResponse("backup role\n")
            case "http://meta/latest/meta-data/iam/security-credentials/backup%20role":
                return HTTPResponse(Self.document)
            default: return nil
            }
        }
        let source = InstanceCredentials.amazon(http: service, endpoint: "http://meta/", environment: [:])
        #expect(try await source.fetch() == Self.expected)
        #expect(service.requests[0].value("x-aws-ec2-metadata-token-ttl-seconds") == "21600")
        for request in service.requests.dropFirst() {
            #expect(request.value("x-aws-ec2-metadata-token") == (speaksVersion2 ? "session" : nil))
        }
    }

    @Test func anInstanceWithoutARoleHasNone() async throws {
        let source = InstanceCredentials.amazon(
            http: FakeCredentialService { _ in nil }, endpoint: "", environment: [:])
        #expect(try await source.fetch() == nil)
    }

    // MARK: Containers

    @Test(
        arguments: [
            (["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x"], "http://169.254.170.2/v2/x", nil),
            (
                [
                    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/y",
                    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a",
                ], "http://127.0.0.1:1/y", "a"
            ),
        ] as [([String: String], String, String?)])
    func theRoleOfAContainer(environment: [String: String], url: String, token: String?) async throws {
        let service = FakeCredentialService { $0.url == url ? HTTPResponse(Self.document) : nil }
        #expect(try await ContainerCredentials(http: service, environment: environment).fetch() == Self.expected)
        #expect(service.requests.first?.value("authorization") == token)
    }

    @Test func withoutTheVariablesThereIsNoContainer() async throws {
        let service = FakeCredentialService { _ in nil }
        #expect(try await ContainerCredentials(http: service, environment: [:]).fetch() == nil)
        #expect(
            try await WebIdentityCredentials(http: service, endpoint: "", environment: [:]).fetch() == nil)
        #expect(service.requests.isEmpty)
    }

    // MARK: Web identity

    @Test func aRoleForAToken() async throws {
        try await withFile("a+token/\n") { path async throws in
            let service = FakeCredentialService { _ in
                HTTPResponse(
                    """
                    <AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
                    <AccessKeyId>AKIA</AccessKeyId><SecretAccessKey>s3cret</SecretAccessKey>
                    <SessionToken>t0ken</SessionToken><Expiration>2026-01-31T12:00:00.000Z</Expiration>
                    </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>
                    """)
            }
            let environment = [
                "AWS_WEB_IDENTITY_TOKEN_FILE": path, "AWS_ROLE_ARN": "arn:aws:iam::1:role/r", "AWS_REGION": "eu-west-1",
            ]
            let source = WebIdentityCredentials(http: service, endpoint: "", environment: environment)
            #expect(try await source.fetch() == Self.expected)
            let request = try #require(service.requests.first)
            #expect(request.method == "POST" && request.url == "https://sts.eu-west-1.amazonaws.com/")
            #expect(request.text.contains("Action=AssumeRoleWithWebIdentity"))
            #expect(request.text.contains("RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fr"))
            #expect(request.text.hasSuffix("WebIdentityToken=a%2Btoken%2F"))
        }
    }

    @Test func aRefusedTokenIsToldWithoutIt() async throws {
        try await withFile("very-secret") { path async throws in
            let service = FakeCredentialService { _ in
                HTTPResponse(
                    "<ErrorResponse><Error><Code>ExpiredTokenException</Code><Message>Token expired</Message></Error>"
                        + "</ErrorResponse>", status: 400)
            }
            let source = WebIdentityCredentials(
                http: service, endpoint: "http://sts", environment: ["AWS_WEB_IDENTITY_TOKEN_FILE": path])
            let error = await #expect(throws: BackupError.self) { try await source.fetch() }
            #expect(error?.message == "HTTP 400 from http://sts: Token expired")
        }
    }

    // MARK: What is written down

    @Test func profilesOfTheSharedFile() async throws {
        let text = """
            # comment
            [default]
            aws_access_key_id = one
            aws_secret_access_key=two = 2

            [ other ]
            AWS_ACCESS_KEY_ID=three
            aws_secret_access_key = four
            aws_session_token = five
            """
        try await withFile(text) { path async throws in
            func credentials(_ profile: String?) async throws -> S3Credentials? {
                var environment = ["AWS_SHARED_CREDENTIALS_FILE": path]
                environment["AWS_PROFILE"] = profile
                return try await SharedFileCredentials(environment).fetch()?.value
            }
            #expect(
                try await credentials(nil) == S3Credentials(accessKeyID: "one", secretAccessKey: Secret("two = 2")))
            #expect(
                try await credentials("other")
                    == S3Credentials(
                        accessKeyID: "three", secretAccessKey: Secret("four"), sessionToken: Secret("five")))
            #expect(try await credentials("none") == nil)
        }
        #expect(try await SharedFileCredentials(["HOME": "/no/such/home"]).fetch() == nil)
    }

    @Test func aGoogleMachineHasABearerToken() async throws {
        let service = FakeCredentialService { request in
            request.value("metadata-flavor") == "Google"
                ? HTTPResponse(#"{"access_token":"ya29","expires_in":3599,"token_type":"Bearer"}"#) : nil
        }
        let source = GoogleMachineCredentials(
            http: service, endpoint: "", environment: [:], now: { Timestamp(seconds: 1000) })
        let credentials = try await source.fetch()
        #expect(credentials?.value.sessionToken?.exposed == "ya29")
        #expect(credentials?.expiration == Timestamp(seconds: 4599))
    }

    // MARK: The chain

    /// Gives credentials that run out at a time, and counts.
    private final class Source: CredentialsSource {
        let name: String
        private let state: Mutex<(fetches: Int, answers: [Result<TemporaryCredentials?, BackupError>])>

        init(_ name: String, _ answers: [Result<TemporaryCredentials?, BackupError>]) {
            self.name = name
            state = Mutex((0, answers))
        }

        var fetches: Int { state.withLock { $0.fetches } }

        func fetch() async throws -> TemporaryCredentials? {
            try state.withLock { state in
                state.fetches += 1
                return state.answers.count > 1 ? state.answers.removeFirst() : state.answers[0]
            }.get()
        }
    }

    private static func key(_ id: String, until seconds: Int64?) -> TemporaryCredentials {
        TemporaryCredentials(
            S3Credentials(accessKeyID: id, secretAccessKey: Secret("s")),
            expiration: seconds.map { Timestamp(seconds: $0) })
    }

    @Test func theFirstPlaceThatHasSomeCounts() async throws {
        let unused = Source("third", [.success(Self.key("c", until: nil))])
        let chain = CredentialsChain([
            Source("first", [.success(nil)]), Source("second", [.success(Self.key("b", until: nil))]), unused,
        ])
        #expect(try await chain.credentials().accessKeyID == "b")
        #expect(try await chain.credentials().accessKeyID == "b")
        #expect(unused.fetches == 0)
    }

    @Test func theyAreFetchedAnewBeforeTheyRunOut() async throws {
        let now = Mutex<Int64>(0)
        let failure = BackupError(.timedOut, "no answer", isRetryable: true)
        let source = Source(
            "role",
            [.success(Self.key("a", until: 1000)), .success(Self.key("b", until: 2000)), .failure(failure)])
        let chain = CredentialsChain([source], now: { Timestamp(seconds: now.withLock { $0 }) })
        func key(at time: Int64) async throws -> String {
            now.withLock { $0 = time }
            return try await chain.credentials().accessKeyID
        }
        #expect(try await key(at: 0) == "a")
        #expect(try await key(at: 600) == "a" && source.fetches == 1)
        #expect(try await key(at: 700) == "b" && source.fetches == 2)
        // The place is down: what still is valid will do.
        #expect(try await key(at: 1999) == "b")
        let error = await #expect(throws: BackupError.self) { _ = try await key(at: 2000) }
        #expect(error?.code == .permissionDenied && error?.isRetryable == true)
        #expect(error?.message.contains("role: no answer") == true)
    }

    @Test func whatAStoreRefusesIsFetchedAnew() async throws {
        let now = Mutex<Int64>(0)
        let old = Self.key("a", until: nil)
        let source = Source("file", [.success(old), .success(Self.key("b", until: nil))])
        let chain = CredentialsChain([source], current: old, now: { Timestamp(seconds: now.withLock { $0 }) })
        #expect(try await chain.credentials().accessKeyID == "a" && source.fetches == 0)

        // The file has the same key still: that is asked for once, and again a while later.
        #expect(chain.noteRefusal(of: old.value))
        #expect(try await chain.credentials().accessKeyID == "a" && source.fetches == 1)
        #expect(!chain.noteRefusal(of: old.value))
        #expect(try await chain.credentials().accessKeyID == "a" && source.fetches == 1)

        now.withLock { $0 = 60 }
        #expect(chain.noteRefusal(of: old.value))
        #expect(try await chain.credentials().accessKeyID == "b" && source.fetches == 2)
        // Others had sent requests with the old key.
        #expect(chain.noteRefusal(of: old.value))
        #expect(try await chain.credentials().accessKeyID == "b" && source.fetches == 2)
    }

    @Test func whatCannotBeFetchedAnewStays() async throws {
        let old = Self.key("a", until: nil)
        let source = Source("file", [.failure(BackupError(.configuration, "line 3 is wrong"))])
        let chain = CredentialsChain([source], current: old)
        #expect(chain.noteRefusal(of: old.value))
        #expect(try await chain.credentials().accessKeyID == "a")
        #expect(!chain.noteRefusal(of: old.value))
    }

    @Test func manyWhoWaitAskOnce() async throws {
        let service = FakeCredentialService { _ in HTTPResponse(#"{"access_token":"t","expires_in":3599}"#) }
        let chain = CredentialsChain([GoogleMachineCredentials(http: service, endpoint: "", environment: [:])])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { _ = try await chain.credentials() } }
            try await group.waitForAll()
        }
        #expect(service.requests.count == 1)
    }
}
