import Glibc
import HTTPTesting
import Support
import Testing

@testable import HTTP

/// The error `operation` throws, which must be a ``BackupError``.
func failure(_ operation: () async throws -> Void) async -> BackupError? {
    do {
        try await operation()
        Issue.record("no error was thrown")
    } catch let error as BackupError {
        return error
    } catch {
        Issue.record("not a BackupError: \(error)")
    }
    return nil
}

extension BytePipe {
    /// A pipe that holds `bytes` and has ended.
    static func holding(_ bytes: [UInt8]) throws -> BytePipe {
        let pipe = BytePipe(capacity: max(1, bytes.count))
        _ = try bytes.withUnsafeBytes { bytes throws(BackupError) in try pipe.tryWrite(bytes) }
        pipe.finish()
        return pipe
    }

    /// Whether the consumer has left.
    var isCanceled: Bool {
        do {
            _ = try tryWrite(UnsafeRawBufferPointer(start: nil, count: 0))
            return false
        } catch {
            return true
        }
    }
}

extension CurlHTTPClient {
    /// One loop, and nothing from the environment of the test.
    static func forTests(loops: Int = 1, maximumConnectionsPerHost: Int = 256, _ variables: [String: String] = [:])
        -> CurlHTTPClient
    {
        CurlHTTPClient(
            loops: loops, maximumConnectionsPerHost: maximumConnectionsPerHost, environment: { variables[$0] })
    }
}
