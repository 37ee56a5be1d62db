import Configuration
import Support
import Testing

/// The cases in which the original's configuration surprises.
@Suite("Edge cases")
struct EdgeCaseTests {
    private static let v2 = "configVersion: v2\n"

    /// What becomes of a file: a problem that contains a text, or values of the table.
    struct Case: Sendable, CustomTestStringConvertible {
        var testDescription: String
        var text: String
        var overrides: [String] = []
        var environment: [String: String] = [:]
        var problem: String?
        var values: [String: String] = [:]
    }

    private static let cases: [Case] = [
        Case(
            testDescription: "another provider inherits an authentication it does not know",
            text: v2 + "backup: {storage: {provider: azure, accountName: n}}",
            problem: "backup.storage.auth.type (inherited from milvus.storage.auth.type): \"static\" does not go with "
                + "provider azure; set backup.storage.auth.type to sharedKey or default"),
        Case(
            testDescription: "another provider with an authentication of its own",
            text: v2 + "milvus: {storage: {address: a, bucketName: b}}\nbackup: {storage: {provider: azure, "
                + "accountName: n, auth: {type: sharedKey, accountKey: k}}}",
            values: [
                "backup.storage.address": "a", "backup.storage.port": "9000", "backup.storage.bucketName": "b",
                "backup.storage.auth.type": "sharedKey",
            ]),
        Case(
            testDescription: "local Milvus, backup inherits the provider",
            text: v2 + "milvus: {storage: {provider: local, rootPath: /m, accountName: nobody, port: 0}}",
            values: ["backup.storage.provider": "local", "backup.storage.rootPath": "backup"]),
        Case(
            testDescription: "local Milvus, backup on minio with the unused defaults",
            text: v2 + "milvus: {storage: {provider: local, rootPath: /m}}\nbackup: {storage: {provider: minio}}",
            values: [
                "backup.storage.provider": "minio", "backup.storage.address": "localhost",
                "backup.storage.port": "9000",
                "backup.storage.auth.accessKeyID": "minioadmin",
            ]),
        Case(
            testDescription: "v1 backups beside Milvus' data", text: "minio: {rootPath: files}",
            values: ["backup.storage.rootPath": "files"]),
        Case(
            testDescription: "v1 port in quotes", text: "milvus: {port: '29530'}",
            values: ["milvus.grpc.port": "29530"]),
        Case(
            testDescription: "v1 key in an override of v2", text: v2, overrides: ["minio.address=x"],
            values: ["milvus.storage.address": "localhost"]),
        Case(
            testDescription: "environment name in an override of v2", text: v2, overrides: ["MILVUS_USER=root"],
            values: ["milvus.user": "root"]),
        Case(
            testDescription: "key in an override of v2", text: v2, overrides: ["milvus.grpc.port=29530"],
            values: ["milvus.grpc.port": "29530"]),
        Case(
            testDescription: "equals sign in a password", text: v2, overrides: ["milvus.user=a=b"],
            values: ["milvus.user": "a=b"]),
        Case(
            testDescription: "empty variable in v1", text: "minio: {bucketName: b}",
            environment: ["MINIO_BUCKET_NAME": ""],
            values: ["milvus.storage.bucketName": ""]),
        Case(
            testDescription: "unknown provider in v2", text: v2 + "milvus: {storage: {provider: floppy}}",
            problem: "\"floppy\" is not one of minio, s3, aws"),
        Case(
            testDescription: "unknown provider in v1", text: "minio: {storageType: Floppy}",
            problem: "\"Floppy\" is not one of minio, s3, aws"),
        Case(
            testDescription: "explicit false in v1", text: "minio: {useSSL: true, backupUseSSL: false}",
            values: ["milvus.storage.useSSL": "true", "backup.storage.useSSL": "false"]),
        Case(
            testDescription: "unset in v1", text: "minio: {useSSL: true, useIAM: true}",
            values: ["backup.storage.useSSL": "true", "backup.storage.auth.type": "iam"]),
        Case(
            testDescription: "explicit false for IAM in v1", text: "minio: {useIAM: true, backupUseIAM: false}",
            values: ["milvus.storage.auth.type": "iam", "backup.storage.auth.type": "static"]),
        Case(
            testDescription: "a number as a password", text: v2 + "milvus: {password: 0123456789}",
            values: ["milvus.password": "01****89"]),
        Case(
            testDescription: "an inherited credential does not count as set",
            text: v2
                + "milvus: {storage: {auth: {accessKeyID: k, secretAccessKey: s}}}\nbackup: {storage: {auth: {type: iam}}}",
            values: ["backup.storage.auth.type": "iam"]),
        Case(
            testDescription: "a session token goes with the inherited key",
            text: v2 + "milvus: {storage: {auth: {accessKeyID: k, secretAccessKey: s, sessionToken: token123}}}",
            values: ["backup.storage.auth.sessionToken": "to****23"]),
        Case(
            testDescription: "a session token does not go with another key",
            text: v2
                + "milvus: {storage: {auth: {sessionToken: token123}}}\nbackup: {storage: {auth: {accessKeyID: x}}}",
            values: ["backup.storage.auth.sessionToken": ""]),
    ]

    @Test(arguments: cases)
    func outcome(_ one: Case) throws {
        if let expected = one.problem {
            let message = problem(one.text, set: one.overrides, environment: one.environment)
            #expect(message.contains(expected), "\(message)")
            #expect(!message.contains("\n"), "\(message)")
            return
        }
        let configuration = try load(one.text, set: one.overrides, environment: one.environment).configuration
        for (key, value) in one.values { #expect(configuration.parameter(key)?.value == value, "\(key)") }
    }
}
