import Configuration
import Support
import Testing

@Suite("The v1 format")
struct Version1Tests {
    @Test func everyKeyFindsItsPlace() throws {
        let text = """
            log: {level: warn, console: false, file: {filename: f, maxSize: 1, maxDays: 2, maxBackups: 3}}
            http: {enabled: true, debugMode: true, swaggerBasePath: /s, simpleResponse: true}
            cloud: {address: "https://c", apikey: k}
            milvus:
              {address: m, port: "1", user: u, password: p, tlsMode: 2, caCertPath: ca, serverName: s, mtlsCertPath: mc,
              mtlsKeyPath: mk, rpcChannelName: r, etcd: {endpoints: "a:1,b:2", rootPath: e}}
            minio:
              {storageType: ALI, address: a, port: 2, region: rg, accessKeyID: id, secretAccessKey: sk, token: t,
              useSSL: true, caCertPath: pem, bucketName: b, rootPath: rp, backupStorageType: s3, backupAddress: a2,
              backupPort: 3, backupRegion: rg2, backupAccessKeyID: id2, backupSecretAccessKey: sk2, backupToken: t2,
              backupUseSSL: false, backupCaCertPath: pem2, backupBucketName: b2, backupRootPath: rp2,
              crossStorage: "true", multipartCopyThresholdMiB: 9}
            backup:
              parallelism: {copydata: 4, backupCollection: 5, backupSegment: 6, restoreCollection: 7, importJob: 8}
              keepTempFiles: true
              gcPause: {enable: false, seconds: 7200, address: "http://g:1/"}
              maxSegmentGroupSize: 512M
            """
        let loaded = try load(text)
        #expect(loaded.warnings.count == 1 && loaded.warnings[0].contains("config migrate"))
        let configuration = loaded.configuration
        #expect(configuration.schemaVersion == .v1)
        let log = configuration.log
        #expect((log.level, log.console, log.path) == (.warn, false, "f"))
        #expect((log.maximumFileSize, log.maximumDays, log.maximumBackups) == (1 << 20, 2, 3))
        #expect(configuration.server.debugMode && configuration.server.swaggerBasePath == "/s")
        #expect(configuration.zillizCloud.endpoint == "https://c" && configuration.zillizCloud.apiKey.exposed == "k")
        let milvus = configuration.milvus
        #expect((milvus.user, milvus.password.exposed) == ("u", "p"))
        #expect((milvus.grpc.address, milvus.grpc.port, milvus.grpc.tlsMode) == ("m", 1, .mutual))
        #expect((milvus.grpc.caCertPath, milvus.grpc.serverName) == ("ca", "s"))
        #expect((milvus.grpc.mtlsCertPath, milvus.grpc.mtlsKeyPath) == ("mc", "mk"))
        #expect((milvus.rpcChannelName, milvus.etcd.rootPath, milvus.etcd.endpoints) == ("r", "e", ["a:1", "b:2"]))
        #expect((milvus.restBaseURL, milvus.managementEndpoint) == ("https://m:1", "http://g:1"))
        var storage = StorageSettings()
        storage.provider = .aliyun
        (storage.address, storage.port, storage.region, storage.useSSL) = ("a", 2, "rg", true)
        (storage.bucketName, storage.rootPath, storage.caCertPath) = ("b", "rp", "pem")
        storage.authentication = .staticKeys(
            accessKeyID: "id", secretAccessKey: Secret("sk"), sessionToken: Secret("t"))
        #expect(milvus.storage == storage)
        storage.provider = .s3
        (storage.address, storage.port, storage.region, storage.useSSL) = ("a2", 3, "rg2", false)
        (storage.bucketName, storage.rootPath, storage.caCertPath) = ("b2", "rp2", "pem2")
        storage.authentication = .staticKeys(
            accessKeyID: "id2", secretAccessKey: Secret("sk2"), sessionToken: Secret("t2"))
        #expect(configuration.backup.storage == storage)
        #expect(configuration.transfer.mode == .streaming)
        #expect((configuration.transfer.concurrency, configuration.agent.concurrency) == (4, 4))
        #expect(configuration.transfer.multipartCopyThreshold == 9 << 20)
        #expect((configuration.backup.concurrentCollections, configuration.backup.concurrentSegments) == (5, 6))
        #expect((configuration.restore.concurrentCollections, configuration.restore.concurrentImportJobs) == (7, 8))
        #expect(configuration.restore.keepTempFiles && !configuration.backup.pauseGC)
        #expect(configuration.backup.maximumSegmentGroupSize == 512 << 20)
    }

    @Test func anEmptyFileHasTheDefaultsOfV1() throws {
        let configuration = try load("").configuration
        #expect(configuration.schemaVersion == .v1)
        #expect(configuration.backup.storage.rootPath == "files")
        #expect(configuration.backup.pauseGC)
        #expect(configuration.transfer.mode == .auto)
    }

    @Test(
        arguments: [
            ("{}", "files"), ("minio: {rootPath: ''}", "backup"), ("minio: {rootPath: r}", "r"),
            ("minio: {rootPath: r, backupRootPath: b}", "b"), ("minio: {rootPath: r/}", "r"),
        ])
    func backupRoot(text: String, root: String) throws {
        #expect(try load(text).configuration.backup.storage.rootPath == root)
    }

    @Test func olderSpellings() throws {
        let text = """
            log: {format: text, file: {rootPath: old.log, maxAge: 10}}
            http: {debug_mode: true}
            milvus: {tlsMode: 1, tlsCertPath: /old, authorizationEnabled: true}
            minio: {cloudProvider: gcp}
            """
        let loaded = try load(text)
        #expect(loaded.warnings.count == 1)
        #expect(loaded.configuration.log.path == "old.log" && loaded.configuration.log.maximumDays == 10)
        #expect(loaded.configuration.server.debugMode)
        #expect(loaded.configuration.milvus.grpc.caCertPath == "/old")
        #expect(loaded.configuration.milvus.storage.provider == .gcp)
        let off = try load("milvus: {authorizationEnabled: false, user: u, password: p}")
        #expect(off.configuration.milvus.user == "u")
        #expect(off.warnings.contains { $0.hasPrefix("backup.yaml:1: milvus.authorizationEnabled: has no effect") })
    }

    @Test(
        arguments: [
            ("minio: {useIAM: true, iamEndpoint: e}", StorageAuthentication.iam(endpoint: "e")),
            ("minio: {storageType: azure, accessKeyID: n, secretAccessKey: k}", .sharedKey(accountKey: Secret("k"))),
            ("minio: {storageType: azure, accessKeyID: n, useIAM: true}", .defaultChain),
            (
                "minio: {storageType: gcpnative, gcpCredentialJSON: /f, backupGcpCredentialJSON: /f}",
                .serviceAccount(credentialsFile: "/f")
            ),
            ("minio: {storageType: local}", .none),
        ])
    func authentication(text: String, expected: StorageAuthentication) throws {
        let configuration = try load(text).configuration
        #expect(configuration.milvus.storage.authentication == expected)
        #expect(configuration.backup.storage.authentication == expected)
        if configuration.milvus.storage.provider == .azure { #expect(configuration.milvus.storage.accountName == "n") }
    }

    @Test func problemsNameTheKeysOfV1() {
        #expect(
            problem("minio: {storageType: Ceph}").hasPrefix(
                "backup.yaml:1: minio.storageType: \"Ceph\" is not one of minio"))
        #expect(
            problem("minio:\n  secretAccessKey: ''\n")
                == "backup.yaml:2: minio.secretAccessKey: must not be empty: authentication \"static\" needs it")
        #expect(problem("milvus: {port: 0}").hasPrefix("backup.yaml:1: milvus.port: must be between 1 and 65535"))
    }

    @Test func sourcesNameTheKeysOfV1() throws {
        let configuration = try load("milvus: {port: 1}", environment: ["MINIO_ADDRESS": "a"]).configuration
        #expect(
            configuration.parameter("milvus.grpc.port")
                == ResolvedParameter(
                    key: "milvus.grpc.port", value: "1", source: .file, sourceKey: "milvus.port", line: 1))
        #expect(configuration.parameter("milvus.storage.address")?.sourceKey == "MINIO_ADDRESS")
        #expect(
            configuration.parameter("backup.storage.address")
                == ResolvedParameter(
                    key: "backup.storage.address", value: "a", source: .defaultValue, sourceKey: "minio.address"))
        #expect(configuration.parameter("milvus.grpc.port")?.name == "Milvus.Grpc.Port")
    }

    @Test func additionsAreSpelledAsInV2() throws {
        let text = """
            coordinator: {listen: "127.0.0.1:1", leaseSeconds: 60}
            agent: {name: n, coordinator: "c:1", concurrency: 3, allowedRoots: "a, b/c/"}
            transfer: {stallTimeoutSeconds: 5, minConcurrency: 3, partSizeMiB: 5, multipartStreamThresholdMiB: 6}
            backup: {shard: {maxSizeMiB: 7, maxObjects: 8}}
            """
        let loaded = try load(text)
        #expect(loaded.warnings.count == 1)
        let configuration = loaded.configuration
        #expect(configuration.coordinator.listen?.description == "127.0.0.1:1")
        #expect(configuration.coordinator.lease == .seconds(60))
        #expect((configuration.agent.name, configuration.agent.concurrency) == ("n", 3))
        #expect(configuration.agent.coordinator == HostPort(host: "c", port: 1))
        #expect(configuration.agent.allowedRoots == [BucketRoot("a"), BucketRoot("b/c")])
        #expect(configuration.transfer.stallTimeout == .seconds(5))
        #expect(configuration.transfer.minimumConcurrency == 3)
        #expect(
            (configuration.transfer.partSize, configuration.transfer.multipartStreamThreshold) == (5 << 20, 6 << 20))
        #expect((configuration.backup.shard.maximumSize, configuration.backup.shard.maximumObjects) == (7 << 20, 8))
    }
}
