import Configuration
import Support
import Testing

@testable import Coordinator

/// Requests may name any root in a bucket, and on this host's disk only what its owner has named.
@Suite struct DirectoryRequestTests {
    private func services(_ provider: StorageProvider) throws -> Services {
        var configuration = Configuration()
        configuration.backup.storage.provider = provider
        configuration.backup.storage.rootPath = "/srv/backups"
        configuration.agent.allowedRoots = [BucketRoot("/srv/archive", isDirectory: true)].compactMap { $0 }
        return try Services(configuration, logger: .silent)
    }

    @Test(arguments: ["/srv/backups", "/srv/backups/old", "/srv/archive", "/srv/archive/2023"])
    func directoriesThatWereNamed(_ path: String) throws {
        #expect(try services(.local).replacing(backupRoot: path).backupRoot == path)
    }

    @Test(arguments: ["/etc", "/", "/srv", "/srv/backups-2", "/srv/backups/../x", "srv/backups", "old"])
    func otherDirectories(_ path: String) throws {
        let services = try services(.local)
        #expect { try services.replacing(backupRoot: path) } throws: { error in
            (error as? BackupError)?.code == .permissionDenied
        }
        #expect(try self.services(.minio).replacing(backupRoot: path).backupRoot == path)
    }
}
