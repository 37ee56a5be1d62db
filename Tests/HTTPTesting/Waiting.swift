import Glibc

/// Waits until `condition` holds; false when it does not within half a minute.
package func eventually(_ condition: () async throws -> Bool) async rethrows -> Bool {
    for _ in 0..<3000 {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(10))
    }
    return false
}

/// Bytes that repeat neither with the size of a buffer nor with that of a page.
package func pattern(_ count: Int) -> [UInt8] {
    let block = [UInt8](0..<251)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + block.count)
    while bytes.count < count { bytes += block }
    bytes.removeLast(bytes.count - count)
    return bytes
}

/// For loops on a server's thread.
package func sleepBriefly() { usleep(5000) }
