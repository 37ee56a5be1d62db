import Configuration
import Support
import Testing

@Suite("Precedence")
struct PrecedenceTests {
    @Test func overrideThenEnvironmentThenFileThenDefault() throws {
        let text = "configVersion: v2\nmilvus: {user: fromFile}\n"
        let environment = ["MILVUS_USER": "fromEnvironment"]
        var loaded = try load("configVersion: v2").configuration
        #expect(loaded.milvus.user == "")
        #expect(loaded.parameter("milvus.user")?.source == .defaultValue)
        loaded = try load(text).configuration
        #expect(loaded.milvus.user == "fromFile")
        #expect(
            loaded.parameter("milvus.user")
                == ResolvedParameter(
                    key: "milvus.user", value: "fromFile", source: .file, sourceKey: "milvus.user", line: 2))
        loaded = try load(text, environment: environment).configuration
        #expect(loaded.milvus.user == "fromEnvironment")
        #expect(
            loaded.parameter("milvus.user")
                == ResolvedParameter(
                    key: "milvus.user", value: "fromEnvironment", source: .environment, sourceKey: "MILVUS_USER"))
        loaded = try load(text, set: ["Milvus.User=fromSet"], environment: environment).configuration
        #expect(loaded.milvus.user == "fromSet")
        #expect(
            loaded.parameter("milvus.user")
                == ResolvedParameter(key: "milvus.user", value: "fromSet", source: .override, sourceKey: "milvus.user"))
    }

    @Test(
        arguments: [
            (["milvus_user=a"], "a"), (["MILVUS_USER=a", "milvus.user=b"], "b"),
            (["milvus.user=b", "MILVUS_USER=a"], "b"),
            (["milvus.user=a", "milvus.user=b"], "b"), (["milvus.user=a=b=c"], "a=b=c"), (["milvus.user="], ""),
        ])
    func overrides(overrides: [String], user: String) throws {
        #expect(try load("configVersion: v2\nmilvus: {user: x}", set: overrides).configuration.milvus.user == user)
    }

    @Test func environmentNamesAreCaseSensitive() throws {
        let loaded = try load("configVersion: v2", environment: ["milvus_user": "a"])
        #expect(loaded.configuration.milvus.user == "")
    }

    @Test func anEmptyVariableCounts() throws {
        let v1 = "minio: {bucketName: b}"
        let loaded = try load(v1, environment: ["MINIO_BUCKET_NAME": ""])
        #expect(loaded.configuration.milvus.storage.bucketName == "")
        #expect(loaded.warnings.contains("environment MINIO_BUCKET_NAME: is empty: no bucket can be used"))
        #expect(problem(v1, environment: ["MINIO_PORT": ""]) == "environment MINIO_PORT: \"\" is not a number")
    }

    @Test func nullLeavesAreIgnored() throws {
        let loaded = try load("configVersion: v2\nmilvus:\n  user: ~\n  grpc:\n    port:\nbackup:\n")
        #expect(loaded.configuration.milvus.grpc.port == 19530)
        #expect(loaded.warnings.isEmpty)
    }

    @Test func theEnvironmentOfV2IsForCredentialsOnly() throws {
        let environment = [
            "MILVUS_PASSWORD": "p1", "MILVUS_STORAGE_AUTH_ACCESS_KEY_ID": "k1",
            "MILVUS_STORAGE_AUTH_SECRET_ACCESS_KEY": "s1", "BACKUP_STORAGE_AUTH_SESSION_TOKEN": "t2",
            "ZILLIZ_CLOUD_API_KEY": "z", "MILVUS_BACKUP_TOKEN": "token", "MILVUS_PORT": "tcp://10.0.0.1:19530",
            "MINIO_ADDRESS": "elsewhere",
        ]
        let configuration = try load("configVersion: v2", environment: environment).configuration
        #expect(configuration.milvus.password.exposed == "p1")
        #expect(
            configuration.milvus.storage.authentication
                == .staticKeys(accessKeyID: "k1", secretAccessKey: Secret("s1"), sessionToken: Secret("")))
        #expect(
            configuration.backup.storage.authentication
                == .staticKeys(accessKeyID: "k1", secretAccessKey: Secret("s1"), sessionToken: Secret("t2")))
        #expect(configuration.zillizCloud.apiKey.exposed == "z")
        #expect(configuration.coordinator.token.exposed == "token")
        #expect(configuration.milvus.grpc.port == 19530)
        #expect(configuration.milvus.storage.address == "localhost")
    }

    @Test func theEnvironmentOfV1() throws {
        let environment = [
            "MILVUS_ADDRESS": "m", "MILVUS_PORT": "1", "MILVUS_TLS_MODE": "1", "MILVUS_TLS_CERTPATH": "/ca",
            "MINIO_ADDRESS": "a", "MINIO_PORT": "2", "MINIO_REGION": "r", "MINIO_ACCESS_KEY": "k",
            "MINIO_SECRET_KEY": "s",
            "MINIO_TOKEN": "t", "MINIO_USE_SSL": "true", "MINIO_BUCKET_NAME": "b", "MINIO_ROOT_PATH": "root",
            "MINIO_BACKUP_ADDRESS": "a2", "MINIO_BACKUP_BUCKET_NAME": "b2", "MINIO_BACKUP_ROOT_PATH": "root2",
            "BACKUP_PARALLELISM_COPYDATA": "7", "BACKUP_GC_PAUSE_ENABLE": "false", "BACKUP_KEEP_TEMP_FILES": "1",
        ]
        let configuration = try load("{}", environment: environment).configuration
        #expect(configuration.milvus.grpc.endpoint == HostPort(host: "m", port: 1))
        #expect(configuration.milvus.grpc.tlsMode == .server)
        #expect(configuration.milvus.grpc.caCertPath == "/ca")
        let storage = configuration.milvus.storage
        #expect(storage.endpoint == HostPort(host: "a", port: 2))
        #expect((storage.region, storage.bucketName, storage.rootPath, storage.useSSL) == ("r", "b", "root", true))
        #expect(
            storage.authentication
                == .staticKeys(accessKeyID: "k", secretAccessKey: Secret("s"), sessionToken: Secret("t")))
        var backup = storage
        backup.address = "a2"
        backup.bucketName = "b2"
        backup.rootPath = "root2"
        #expect(configuration.backup.storage == backup)
        #expect(configuration.transfer.concurrency == 7)
        #expect(!configuration.backup.pauseGC)
        #expect(configuration.restore.keepTempFiles)
    }

    @Test func anOverrideWithoutEqualsIsAUsageErrorThatDoesNotRepeatIt() {
        for text in ["hunter2", "=hunter2"] {
            #expect {
                try load("configVersion: v2", set: ["milvus.user=a", text])
            } throws: { error in
                let error = error as? BackupError
                return error?.code == .usage && error?.description.contains("KEY=VALUE") == true
                    && error?.description.contains("second") == true && error?.description.contains("hunter2") == false
            }
        }
    }

    @Test func lists() throws {
        let text = "configVersion: v2\nmilvus: {etcd: {endpoints: [a:1, 'b:2']}}"
        #expect(try load(text).configuration.milvus.etcd.endpoints == ["a:1", "b:2"])
        let overridden = try load(text, set: ["milvus.etcd.endpoints=c:3, d:4"]).configuration
        #expect(overridden.milvus.etcd.endpoints == ["c:3", "d:4"])
        #expect(overridden.parameter("milvus.etcd.endpoints")?.value == "c:3,d:4")
        #expect(
            problem("configVersion: v2\nmilvus: {etcd: {endpoints: 'a:1'}}")
                == "backup.yaml:2: milvus.etcd.endpoints: must be a list, as in [\"localhost:2379\"]")
        #expect(problem(text, set: ["milvus.etcd.endpoints="]).contains("needs at least one host:port"))
        #expect(
            try load("milvus: {etcd: {endpoints: 'a:1,b:2'}}").configuration.milvus.etcd.endpoints == ["a:1", "b:2"])
    }
}
