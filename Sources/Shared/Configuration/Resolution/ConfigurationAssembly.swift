import Support

extension Configuration {
    /// Puts resolved values into their places.
    init(_ values: ResolvedValues, file: String?, version: SchemaVersion) {
        self.init()
        self.file = file
        schemaVersion = version
        log = LogSettings(values)
        server.debugMode = values.boolean("server.debugMode")
        server.swaggerBasePath = values.text("server.swaggerBasePath")
        server.listen = values.text("server.listen")
        server.token = values.secret("server.token")
        server.tlsCertificatePath = values.text("server.tls.certPath")
        server.tlsKeyPath = values.text("server.tls.keyPath")
        milvus = MilvusSettings(values)
        backup = BackupSettings(values)
        restore.concurrentCollections = values.integer("restore.concurrency.collections")
        restore.concurrentImportJobs = values.integer("restore.concurrency.importJobs")
        restore.maximumSegmentsPerImportJob = values.integer("restore.maxSegmentsPerImportJob")
        restore.keepTempFiles = values.boolean("restore.keepTempFiles")
        transfer = TransferSettings(values)
        zillizCloud.endpoint = values.text("zillizCloud.endpoint")
        zillizCloud.apiKey = values.secret("zillizCloud.apiKey")
        coordinator = CoordinatorSettings(values)
        agent.name = values.text("agent.name")
        agent.concurrency = values.integer("agent.concurrency")
        agent.coordinator = HostPort(values.text("agent.coordinator"))
        agent.tls = PeerTLSSettings(values, section: "agent.tls")
        agent.tlsServerName = values.text("agent.tls.serverName")
        let areDirectories = values.choice("backup.storage.provider", default: StorageProvider.minio) == .local
        agent.allowedRoots = values.list("agent.allowedRoots").compactMap {
            BucketRoot($0, isDirectory: areDirectories)
        }
        parameters = Schema.version2.parameters.compactMap { parameter in
            values.values[parameter.name].map { ResolvedParameter(parameter.name, $0) }
        }
    }
}

extension ResolvedParameter {
    fileprivate init(_ key: String, _ resolved: Resolved) {
        let origin = resolved.origin
        let sourceKey =
            switch origin.source {
            case .override, .file: origin.spelling.lowercased()
            case .environment: origin.spelling
            case .defaultValue: origin.inheritedFrom?.lowercased() ?? ""
            }
        self.init(
            key: key, value: resolved.value.shown, source: origin.source, sourceKey: sourceKey, line: origin.line)
    }
}

extension LogSettings {
    fileprivate init(_ values: ResolvedValues) {
        level = LogLevel(name: values.text("log.level")) ?? .info
        console = values.boolean("log.console")
        path = values.text("log.file.path")
        maximumFileSize = values.mebibytes("log.file.maxSizeMiB")
        maximumDays = values.integer("log.file.maxDays")
        maximumBackups = values.integer("log.file.maxBackups")
    }
}

extension MilvusSettings {
    fileprivate init(_ values: ResolvedValues) {
        user = values.text("milvus.user")
        password = values.secret("milvus.password")
        grpc.address = values.text("milvus.grpc.address")
        grpc.port = values.integer("milvus.grpc.port")
        grpc.tlsMode = values.choice("milvus.grpc.tlsMode", default: .disabled)
        grpc.caCertPath = values.text("milvus.grpc.caCertPath")
        grpc.serverName = values.text("milvus.grpc.serverName")
        grpc.mtlsCertPath = values.text("milvus.grpc.mtlsCertPath")
        grpc.mtlsKeyPath = values.text("milvus.grpc.mtlsKeyPath")
        restEndpoint = values.text("milvus.rest.endpoint")
        managementEndpoint = values.text("milvus.management.endpoint").trimmingTrailingSlashes
        rpcChannelName = values.text("milvus.replicate.rpcChannelName")
        etcd.endpoints = values.list("milvus.etcd.endpoints")
        etcd.rootPath = values.text("milvus.etcd.rootPath")
        storage = StorageSettings(values, section: "milvus.storage")
    }
}

extension StorageSettings {
    fileprivate init(_ values: ResolvedValues, section: String) {
        provider = values.choice("\(section).provider", default: .minio)
        address = values.text("\(section).address")
        port = values.integer("\(section).port")
        region = values.text("\(section).region")
        useSSL = values.boolean("\(section).useSSL")
        accountName = provider == .azure ? values.text("\(section).accountName") : ""
        bucketName = values.text("\(section).bucketName")
        rootPath = values.text("\(section).rootPath").trimmingTrailingSlashes
        localPath = values.text("\(section).localPath")
        milvusAddress = values.text("\(section).milvusAddress")
        milvusPort = values.integer("\(section).milvusPort")
        caCertPath = values.text("\(section).caCertPath")
        authentication = provider == .local ? .none : StorageAuthentication(values, section: "\(section).auth")
    }
}

extension StorageAuthentication {
    fileprivate init(_ values: ResolvedValues, section: String) {
        switch values.choice("\(section).type", default: AuthenticationType.staticKeys) {
        case .staticKeys:
            self = .staticKeys(
                accessKeyID: values.text("\(section).accessKeyID"),
                secretAccessKey: values.secret("\(section).secretAccessKey"),
                sessionToken: values.secret("\(section).sessionToken"))
        case .iam: self = .iam(endpoint: values.text("\(section).endpoint"))
        case .defaultChain: self = .defaultChain
        case .sharedKey: self = .sharedKey(accountKey: values.secret("\(section).accountKey"))
        case .serviceAccount: self = .serviceAccount(credentialsFile: values.text("\(section).credentialsFile"))
        }
    }
}

extension BackupSettings {
    fileprivate init(_ values: ResolvedValues) {
        storage = StorageSettings(values, section: "backup.storage")
        concurrentCollections = values.integer("backup.concurrency.collections")
        concurrentSegments = values.integer("backup.concurrency.segments")
        pauseGC = values.boolean("backup.pauseGC")
        requireGCPause = values.boolean("backup.requireGCPause")
        maximumSegmentGroupSize = Int64(values.integer("backup.maxSegmentGroupSize"))
        shard.maximumSize = values.mebibytes("backup.shard.maxSizeMiB")
        shard.maximumObjects = values.integer("backup.shard.maxObjects")
    }
}

extension TransferSettings {
    fileprivate init(_ values: ResolvedValues) {
        mode = values.choice("transfer.mode", default: .auto)
        fastPath = values.choice("transfer.fastPath", default: .auto)
        concurrency = values.integer("transfer.concurrency")
        minimumConcurrency = values.integer("transfer.minConcurrency")
        multipartCopyThreshold = values.mebibytes("transfer.multipartCopyThresholdMiB")
        multipartStreamThreshold = values.mebibytes("transfer.multipartStreamThresholdMiB")
        partSize = values.mebibytes("transfer.partSizeMiB")
        let largeObject = values.mebibytes("transfer.largeObjectThresholdMiB")
        largeObjectThreshold = largeObject > 0 ? largeObject : nil
        stallTimeout = values.seconds("transfer.stallTimeoutSeconds")
        let (bandwidth, requests) = (
            values.integer("transfer.bandwidth"), values.integer("transfer.requestsPerSecond")
        )
        self.bandwidth = bandwidth > 0 ? Int64(bandwidth) : nil
        requestsPerSecond = requests > 0 ? requests : nil
    }
}

extension CoordinatorSettings {
    fileprivate init(_ values: ResolvedValues) {
        listen = HostPort(values.text("coordinator.listen"))
        token = values.secret("coordinator.token")
        lease = values.seconds("coordinator.leaseSeconds")
        heartbeat = values.seconds("coordinator.heartbeatSeconds")
        maximumShardFailures = values.integer("coordinator.maxShardFailures")
        tls = PeerTLSSettings(values, section: "coordinator.tls")
        allowedAgents = values.list("coordinator.tls.allowedAgents")
    }
}

extension PeerTLSSettings {
    fileprivate init(_ values: ResolvedValues, section: String) {
        certificatePath = values.text("\(section).certPath")
        keyPath = values.text("\(section).keyPath")
        authorityPath = values.text("\(section).caPath")
    }
}
