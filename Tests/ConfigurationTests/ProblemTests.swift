import Configuration
import Support
import Testing

@Suite("Problems and warnings")
struct ProblemTests {
    @Test func allProblemsAreReportedTogether() {
        let text = """
            configVersion: v2
            milvus:
              grpc:
                port: abc
                tlsMode: 2
              management: {endpoint: "localhost:9091"}
              user: [a]
            transfer:
              concurrency: 0
              mode: fast
            """
        #expect(
            problems(text) == [
                "backup.yaml:7: milvus.user: must be a text, not a list",
                "backup.yaml:4: milvus.grpc.port: \"abc\" is not a number",
                "backup.yaml:5: milvus.grpc.tlsMode: \"2\" is not one of disabled, server, mutual; 2 is now mutual",
                "backup.yaml:10: transfer.mode: \"fast\" is not one of auto, direct, streaming",
                "backup.yaml:9: transfer.concurrency: must be greater than 0, not 0",
                "backup.yaml:6: milvus.management.endpoint: \"localhost:9091\" is not a URL such as http://localhost:9091",
            ])
    }

    @Test(
        arguments: [
            (
                "milvus: {grpc: {tlsMode: mutual, mtlsCertPath: /c}}",
                "milvus.grpc.mtlsKeyPath: must not be empty when tlsMode is mutual"
            ),
            ("agent: {allowedRoots: [a/b, a//b]}", "agent.allowedRoots: \"a//b\" is not of the form BUCKET/ROOT"),
            ("agent: {allowedRoots: [a/../b]}", "agent.allowedRoots: \"a/../b\" is not of the form BUCKET/ROOT"),
            ("agent: {allowedRoots: [/a]}", "agent.allowedRoots: \"/a\" is not of the form BUCKET/ROOT"),
            (
                "agent: {allowedRoots: [/a, b]}\nmilvus: {storage: {provider: local}}",
                "agent.allowedRoots: \"b\" is not an absolute path"
            ),
            (
                "agent: {allowedRoots: [/a/../b]}\nmilvus: {storage: {provider: local}}",
                "agent.allowedRoots: \"/a/../b\" is not an absolute path"
            ),
            ("milvus: {rest: {endpoint: 'ftp://x'}}", "backup.yaml:2: milvus.rest.endpoint: \"ftp://x\" is not a URL"),
            (
                "milvus: {rest: {endpoint: 'http://u:secret@x'}}",
                "backup.yaml:2: milvus.rest.endpoint: must not contain a user name"
            ),
            ("milvus: {grpc: {address: 'http://x'}}", "backup.yaml:2: milvus.grpc.address: \"http://x\" is not a host"),
            (
                "milvus: {storage: {address: 'x:9000'}}",
                "backup.yaml:2: milvus.storage.address: \"x:9000\" is not a host"
            ),
            (
                "milvus: {storage: {provider: ceph}}",
                "is not one of minio, s3, aws, aliyun, tencent, hwc, gcp, gcpnative"
            ),
            ("milvus: {storage: {accountName: x}}", "milvus.storage.accountName: applies to provider azure only"),
            ("milvus: {storage: {milvusPort: 1}}", "milvus.storage.milvusPort: needs milvus.storage.milvusAddress"),
            (
                "milvus: {storage: {auth: {type: iam, accessKeyID: x}}}",
                "milvus.storage.auth.accessKeyID: does not apply when milvus.storage.auth.type is \"iam\""
            ),
            ("milvus: {storage: {auth: {type: sharedKey}}}", "\"sharedKey\" does not go with provider minio"),
            (
                "milvus: {storage: {auth: {secretAccessKey: ''}}}",
                "backup.yaml:2: milvus.storage.auth.secretAccessKey: must not be empty: authentication \"static\" needs it"
            ),
            (
                "milvus: {storage: {provider: azure, auth: {type: default}}}",
                "milvus.storage.accountName: must not be empty with provider azure"
            ),
            ("coordinator: {listen: '0.0.0.0:9200'}", "needs a token: set coordinator.token"),
            ("coordinator: {listen: ':9200'}", "needs a token"),
            ("coordinator: {listen: 'x'}", "backup.yaml:2: coordinator.listen: \"x\" is not of the form HOST:PORT"),
            ("coordinator: {leaseSeconds: 9}", "coordinator.leaseSeconds: must be at least twice"),
            (
                "coordinator: {tls: {certPath: /c}}",
                "coordinator.tls.keyPath: must be set as well: TLS needs both coordinator.tls.certPath"
            ),
            (
                "coordinator: {tls: {caPath: /a}}",
                "coordinator.tls.certPath: must be set as well: without it coordinator"
            ),
            (
                "coordinator: {tls: {certPath: /c, keyPath: /k, allowedAgents: [n1]}}",
                "coordinator.tls.caPath: must be set as well: without it coordinator.tls.allowedAgents has no effect"
            ),
            ("agent: {tls: {serverName: x}}", "agent.tls.caPath: must be set as well: without it agent.tls.serverName"),
            ("agent: {coordinator: 'x:0'}", "backup.yaml:2: agent.coordinator: the port must be between 1 and 65535"),
            ("transfer: {partSizeMiB: 4}", "transfer.partSizeMiB: must be between 5 and 5120, not 4"),
            ("log: {level: loud}", "log.level: \"loud\" is not one of debug"),
            ("milvus: 5", "backup.yaml:2: milvus: this is a section"),
            ("milvus: {user: {a: 1}}", "milvus.user: must be a text, not a section"),
            ("milvus: {user: a}\nmilvus.user: b", "backup.yaml:3: the key \"milvus.user\" is already there in line 2"),
            ("milvus: {user: a}\nMilvus: {}", "backup.yaml:3: the key \"Milvus\" is already there in line 2"),
        ])
    func validation(text: String, message: String) {
        let all = problem("configVersion: v2\n\(text)")
        #expect(all.contains(message), "\(all)")
        #expect(!all.contains("\n"), "only one problem is expected: \(all)")
    }

    @Test func badYAMLIsOneLine() {
        #expect(
            problem("milvus:\n  user: a\n   password: b\n")
                == "backup.yaml:3: mapping values are not allowed in this context; check the indentation, and quote values "
                + "that contain \": \"")
        #expect(problem("- a\n- b\n") == "backup.yaml:1: a configuration is a list of \"key: value\" lines")
    }

    @Test func versions() {
        #expect(problem("configVersion: v3") == "backup.yaml:1: configVersion: \"v3\" is not known; write v1 or v2")
        #expect(problem("\nconfigVersion: 2").hasPrefix("backup.yaml:2: configVersion: \"2\" is not known"))
        #expect(problem("configVersion: V2") == "")
    }

    @Test(
        arguments: [
            ("milvus: {grcp: {port: 1}}", "unknown key \"milvus.grcp\", ignoring it; did you mean \"milvus.grpc\"?"),
            (
                "milvus: {grpc: {prot: 1}}",
                "unknown key \"milvus.grpc.prot\", ignoring it; did you mean \"milvus.grpc.port\"?"
            ),
            ("completely: {different: 1}", "unknown key \"completely\", ignoring it"),
            (
                "milvus: {port: 1}",
                "unknown key \"milvus.port\", ignoring it; it is a key of the v1 format, now \"milvus.grpc.port\""
            ),
            ("minio: {address: x}", "unknown key \"minio\", ignoring it; it belongs to the v1 format"),
            ("http: {simpleResponse: true}", "unknown key \"http\", ignoring it; it belongs to the v1 format"),
        ])
    func unknownKeysAreWarnings(text: String, warning: String) throws {
        #expect(try load("configVersion: v2\n\(text)").warnings == ["backup.yaml:2: \(warning)"])
    }

    @Test func unknownOverridesAreWarnings() throws {
        let loaded = try load("configVersion: v2", set: ["minio.address=x", "milvus.grpc.prot=1"])
        #expect(
            loaded.warnings == [
                "--set: unknown key \"minio.address\", ignoring it; it is a key of the v1 format, now "
                    + "\"milvus.storage.address\"",
                "--set: unknown key \"milvus.grpc.prot\", ignoring it; did you mean \"milvus.grpc.port\"?",
            ])
        #expect(loaded.configuration.milvus.storage.address == "localhost")
    }

    @Test func v2KeysInAFileWithoutVersion() throws {
        let warnings = try load("milvus: {grpc: {port: 1}}").warnings
        #expect(warnings.contains { $0.contains("\"milvus.grpc\"") && $0.contains("configVersion: v2") })
    }

    @Test func secretsAreInNoMessageAndNoTable() throws {
        let text = """
            configVersion: v2
            milvus: {password: hunter2hunter2}
            milvus.password: hunter2hunter2
            coordinator: {token: [hunter2hunter2]}
            transfer: {mode: x}
            """
        #expect(!problem(text).contains("hunter2"))
        let configuration = try load("configVersion: v2\nmilvus: {password: hunter2hunter2, user: u}").configuration
        #expect(configuration.parameter("milvus.password")?.value == "hu****r2")
        #expect(!String(describing: configuration).contains("hunter2hunter2"))
        let short = try load("configVersion: v2\nmilvus: {password: pass}").configuration
        #expect(short.parameter("milvus.password")?.value == "****")
    }

    @Test func kubernetesPort() {
        #expect(
            problem("{}", environment: ["MILVUS_PORT": "tcp://10.0.0.1:19530"])
                == "environment MILVUS_PORT: \"tcp://10.0.0.1:19530\" is not a number; Kubernetes sets it for a service "
                + "named milvus: set enableServiceLinks: false for the pod")
    }

    @Test func aTokenAllowsEveryAddress() throws {
        let text = "configVersion: v2\ncoordinator: {listen: '0.0.0.0:9200'}"
        let configuration = try load(text, environment: ["MILVUS_BACKUP_TOKEN": "t"]).configuration
        #expect(configuration.coordinator.listen == HostPort(host: "0.0.0.0", port: 9200))
        #expect(
            try load("configVersion: v2\ncoordinator: {listen: 'localhost:0'}").configuration.coordinator.listen != nil)
    }
}
