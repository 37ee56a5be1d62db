import MilvusClient
import Testing

@Suite struct ServerVersionTests {
    @Test(arguments: [
        (["v2.3.5-lite"], ServerVersion(2, 3, 5)),
        (["2.6.11"], ServerVersion(2, 6, 11)),
        (["v2.6.0-rc.1+build.5"], ServerVersion(2, 6, 0)),
        (["v2.3.22.6"], ServerVersion(2, 3, 22)),
        // Only a line is known: its newest.
        (["2.6-20260404-31fb3fc"], ServerVersion(2, 6, 9999)),
        (["Vector Database (Compatible with Milvus 2.6)"], ServerVersion(2, 6, 9999)),
        (["milvus-v2.5.3-gpu"], ServerVersion(2, 5, 3)),
        (["MILVUS_ 2.4.7"], ServerVersion(2, 4, 7)),
        // Milvus without a version after it, then with one.
        (["milvus of milvus 2.5"], ServerVersion(2, 5, 9999)),
        // Numbers elsewhere are none of Milvus'.
        (["Database 7.1 for you"], .unknown),
        (["master-20260226-abcdef", "unknown-20260608-7ea6e3526"], .unknown),
        (["", ""], .unknown),
        // A release anywhere counts more than a mention before it.
        (["Compatible with Milvus 2.6", "v2.6.7"], ServerVersion(2, 6, 7)),
        (["master-20260226-abcdef", "2.5-20260404-31fb3fc"], ServerVersion(2, 5, 9999)),
    ])
    func resolves(texts: [String], expected: ServerVersion) {
        #expect(ServerVersion.resolve(texts) == expected)
    }

    @Test(
        arguments: [
            ("2.2.16", []),
            ("2.3.5", []),
            ("2.4.0", [.importJobs]),
            ("2.4.2", [.importJobs]),
            ("2.4.3", [.importJobs, .describeDatabase]),
            ("2.4.3-rc1", [.importJobs, .describeDatabase]),
            ("2.4.9", [.importJobs, .describeDatabase]),
            ("2.4.10", [.importJobs, .describeDatabase, .rbacBackup]),
            ("2.5.0", [.importJobs, .describeDatabase, .rbacBackup, .replicateMessage]),
            ("2.5.7", [.importJobs, .describeDatabase, .rbacBackup, .replicateMessage]),
            ("2.5.8", [.importJobs, .describeDatabase, .rbacBackup, .replicateMessage, .segmentDescription]),
            ("2.5-dev", [.importJobs, .describeDatabase, .rbacBackup, .replicateMessage, .segmentDescription]),
            ("2.6.0-rc1", [.importJobs, .describeDatabase, .rbacBackup, .segmentDescription, .addCollectionField]),
            ("2.6.4", [.importJobs, .describeDatabase, .rbacBackup, .segmentDescription, .addCollectionField]),
            (
                "2.6.5",
                [
                    .importJobs, .describeDatabase, .rbacBackup, .segmentDescription, .addCollectionField,
                    .severalL0PerImportJob,
                ]
            ),
            (
                "2.6.8",
                [
                    .importJobs, .describeDatabase, .rbacBackup, .segmentDescription, .addCollectionField,
                    .severalL0PerImportJob,
                    .collectionGarbageCollectionControl, .functionRuntimeCheck,
                ]
            ),
            (
                "2.6.11",
                [
                    .importJobs, .describeDatabase, .rbacBackup, .segmentDescription, .addCollectionField,
                    .severalL0PerImportJob,
                    .collectionGarbageCollectionControl, .functionRuntimeCheck, .flushAll,
                ]
            ),
            (
                "3.0.0",
                [
                    .importJobs, .describeDatabase, .rbacBackup, .segmentDescription, .addCollectionField,
                    .severalL0PerImportJob,
                    .collectionGarbageCollectionControl, .functionRuntimeCheck, .flushAll, .snapshot,
                ]
            ),
        ] as [(String, ServerFeatures)])
    func features(version: String, expected: ServerFeatures) {
        #expect(ServerFeatures(of: ServerVersion.resolve([version])) == expected)
    }
}
