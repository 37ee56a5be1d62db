// swift-tools-version: 6.0
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// A library module below `Sources/Shared`; its dependencies are the layer rule of docs/architecture.md.
func shared(_ name: String, _ dependencies: [String] = []) -> Target {
    .target(
        name: name,
        dependencies: dependencies.map { .byName(name: $0) },
        path: "Sources/Shared/\(name)",
        swiftSettings: settings)
}

/// The shim of one C library that comes from the system.
func system(_ name: String, pkgConfig: String, package: String) -> Target {
    .systemLibrary(
        name: name,
        path: "Sources/CLibraries/\(name)",
        pkgConfig: pkgConfig,
        providers: [.apt([package])])
}

/// `scripts/fuzz` sets it: then the coordinator is a library, so that its readers can be fuzzed as well.
let isFuzzing = Context.environment["MILVUS_BACKUP_FUZZING"] != nil

func program(_ name: String, _ dependencies: [String], resources: [Resource]? = nil) -> Target {
    if isFuzzing, name == "Coordinator" {
        return .target(
            name: name,
            dependencies: dependencies.map { .byName(name: $0) },
            path: "Sources/\(name)",
            exclude: ["CommandLine/MilvusBackup.swift"],
            resources: resources,
            swiftSettings: settings)
    }
    return .executableTarget(
        name: name,
        dependencies: dependencies.map { .byName(name: $0) },
        path: "Sources/\(name)",
        resources: resources,
        swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [String] = []) -> Target {
    .testTarget(
        name: "\(name)Tests",
        dependencies: ([name] + dependencies).map { .byName(name: $0) },
        path: "Tests/\(name)Tests",
        swiftSettings: settings)
}

let package = Package(
    name: "milvus-backup",
    products: isFuzzing
        ? [.executable(name: "fuzzing", targets: ["Fuzzing"])]
        : [
            .executable(name: "milvus-backup", targets: ["Coordinator"]),
            .executable(name: "milvus-backup-agent", targets: ["Agent"]),
            .executable(name: "copy-benchmark", targets: ["CopyBenchmark"]),
        ],
    targets: [
        // MARK: C libraries
        .systemLibrary(name: "CChecksum", path: "Sources/CLibraries/CChecksum"),
        system("CCrypto", pkgConfig: "libcrypto", package: "libssl-dev"),
        system("CCurl", pkgConfig: "libcurl", package: "libcurl4-openssl-dev"),
        .systemLibrary(name: "CEpoll", path: "Sources/CLibraries/CEpoll"),
        system("CExpat", pkgConfig: "expat", package: "libexpat1-dev"),
        .systemLibrary(name: "CFile", path: "Sources/CLibraries/CFile"),
        .systemLibrary(name: "CHeap", path: "Sources/CLibraries/CHeap"),
        .systemLibrary(name: "CThread", path: "Sources/CLibraries/CThread"),
        system("CMicroHTTPD", pkgConfig: "libmicrohttpd", package: "libmicrohttpd-dev"),
        system("CTLS", pkgConfig: "libssl", package: "libssl-dev"),
        .systemLibrary(name: "CWire", path: "Sources/CLibraries/CWire"),
        system("CYAML", pkgConfig: "yaml-0.1", package: "libyaml-dev"),
        system("CZstd", pkgConfig: "libzstd", package: "libzstd-dev"),

        // MARK: Libraries, lowest layer first
        shared("Support", ["CHeap", "CThread"]),
        shared("JSON", ["Support"]),
        shared("Compression", ["Support", "CZstd"]),
        shared("CommandLineInterface", ["Support"]),
        shared("HTTP", ["Support", "CCurl"]),
        shared("HTTPServer", ["Support", "CMicroHTTPD"]),
        shared("Checksums", ["CChecksum"]),
        shared("TLS", ["Support", "CTLS"]),
        shared("WireHTTP", ["Support", "Checksums", "HTTP", "TLS", "CTLS", "CWire"]),
        shared("ObjectStorage", ["Support", "Checksums", "HTTP", "CCrypto", "CExpat", "CFile"]),
        shared("MilvusClient", ["Support", "HTTP", "JSON"]),
        shared("BackupFormat", ["Support", "JSON", "Compression"]),
        shared("Configuration", ["Support", "CYAML"]),
        shared("ShardProtocol", ["Support", "JSON", "CCrypto", "Compression"]),
        shared("ShardTransport", ["Support", "ShardProtocol", "TLS", "CEpoll"]),
        shared("ShardScheduling", ["Support", "ShardProtocol", "BackupFormat"]),
        shared("CopyWorker", ["Support", "ObjectStorage", "ShardProtocol", "ShardTransport"]),
        shared("ConfiguredStores", ["Support", "Configuration", "HTTP", "ObjectStorage"]),
        shared(
            "ConfiguredWorker",
            [
                "Support", "Configuration", "ConfiguredStores", "CopyWorker", "HTTP", "ObjectStorage", "ShardProtocol",
                "ShardTransport", "WireHTTP",
            ]),

        // MARK: Programs
        program(
            "Coordinator",
            [
                "Support", "JSON", "CommandLineInterface", "HTTP", "HTTPServer", "ObjectStorage", "MilvusClient",
                "BackupFormat", "Configuration", "ShardProtocol", "ShardTransport", "ShardScheduling", "CopyWorker",
                "ConfiguredStores",
                "ConfiguredWorker", "TLS",
            ],
            // A link to docs/openapi.yaml.
            resources: [.embedInCode("REST/openapi.yaml")]),
        program(
            "Agent",
            [
                "Support", "CommandLineInterface", "HTTP", "Configuration", "ShardProtocol", "ShardTransport",
                "CopyWorker",
                "ConfiguredWorker", "TLS",
            ]),

        // MARK: Tests
        .executableTarget(
            name: "CopyBenchmark",
            dependencies: [
                "Support", "CommandLineInterface", "HTTP", "Configuration", "ConfiguredStores", "ConfiguredWorker",
                "CopyWorker", "ObjectStorage", "ShardProtocol", "ShardScheduling", "ShardTransport",
            ],
            path: "Tests/CopyBenchmark",
            swiftSettings: settings),
        .target(
            name: "ObjectStorageTesting",
            dependencies: ["Support", "ObjectStorage", "CCrypto"],
            path: "Tests/ObjectStorageTesting",
            swiftSettings: settings),
        tests("Support"),
        tests("JSON", ["Support"]),
        tests("Compression", ["Support"]),
        tests("CommandLineInterface", ["Support"]),
        .target(
            name: "HTTPTesting",
            dependencies: ["Support"],
            path: "Tests/HTTPTesting",
            swiftSettings: settings),
        tests("HTTP", ["Support", "HTTPTesting"]),
        tests("Checksums", ["CChecksum"]),
        tests("WireHTTP", ["Support", "Checksums", "HTTP", "HTTPTesting"]),
        tests("HTTPServer", ["Support", "HTTP"]),
        tests("ObjectStorage", ["Support", "Checksums", "HTTP", "WireHTTP", "ObjectStorageTesting", "CCrypto"]),
        tests("MilvusClient", ["Support", "HTTP"]),
        tests("BackupFormat", ["Support", "JSON", "Compression"]),
        tests("Configuration", ["Support"]),
        tests("ConfiguredStores", ["Support", "Configuration", "HTTP", "ObjectStorage"]),
        tests("ShardProtocol", ["Support"]),
        tests("TLS", ["Support"]),
        tests("ShardTransport", ["Support", "ShardProtocol", "TLS"]),
        tests("ShardScheduling", ["Support", "ShardProtocol", "BackupFormat"]),
        tests("CopyWorker", ["Support", "ObjectStorage", "ObjectStorageTesting", "ShardProtocol", "ShardTransport"]),
        tests(
            "Coordinator",
            [
                "Support", "JSON", "CommandLineInterface", "HTTP", "ObjectStorage", "ObjectStorageTesting",
                "MilvusClient", "BackupFormat", "Configuration", "ShardProtocol", "ShardTransport", "ShardScheduling",
                "CopyWorker", "ConfiguredStores", "ConfiguredWorker", "TLS",
            ]),
        tests(
            "Agent",
            [
                "Support", "HTTP", "ObjectStorage", "ObjectStorageTesting", "Configuration", "ShardProtocol",
                "ShardTransport", "CopyWorker", "ConfiguredStores", "ConfiguredWorker",
            ]),
        .testTarget(
            name: "DocumentationTests",
            dependencies: ["Configuration"],
            path: "Tests/DocumentationTests",
            swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)

if isFuzzing {
    package.targets.append(
        .executableTarget(
            name: "Fuzzing",
            dependencies: [
                "Support", "JSON", "Compression", "HTTP", "HTTPServer", "WireHTTP", "ObjectStorage", "MilvusClient",
                "BackupFormat", "Configuration", "ShardProtocol", "CopyWorker", "Coordinator",
            ],
            path: "Tests/Fuzzing",
            exclude: ["Seeds"],
            swiftSettings: settings))
}
