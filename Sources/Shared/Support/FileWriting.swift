import Glibc

/// Writes all of `text`, going on after interruptions. Failures are ignored: there is nowhere to report them.
package func writeAll(_ text: String, to descriptor: Int32) {
    var text = text
    text.withUTF8 { try? write(UnsafeRawBufferPointer($0).bytes, to: descriptor) }
}

/// Writes all of `bytes`, as the other.
package func writeAll(_ bytes: [UInt8], to descriptor: Int32) {
    try? write(bytes.span.bytes, to: descriptor)
}

/// Writes a file that is there whole or not at all.
///
/// - Parameters:
///   - mode: who may do what with the file, also with one that was there.
///   - replaces: a file that is there is replaced, once the new one is whole. Otherwise that is an error, `EEXIST`.
///     What is no ordinary file, or what its directory lets nobody replace, is written to as it is.
/// - Throws: why it could not be written. What was replaced is as it was.
package func writeWholeFile(_ bytes: [UInt8], to path: String, mode: mode_t, replaces: Bool) throws(SystemError) {
    guard replaces else { return try writeNewFile(bytes, to: path, mode: mode) }
    var status = stat()
    guard lstat(path, &status) == 0 else { return try writeNewFile(bytes, to: path, mode: mode) }
    guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
        return try writeInPlace(bytes, to: path, mode: mode)
    }
    // Of a link, the file that it leads to is replaced.
    guard let resolved = realpath(path, nil) else { throw SystemError() }
    defer { free(resolved) }
    let target = String(cString: resolved)
    let beside = "\(target).\(String(UInt32.random(in: .min ... .max), radix: 16)).partial"
    do throws(SystemError) {
        try writeNewFile(bytes, to: beside, mode: mode)
        // Where we may, it stays its owner's.
        _ = chown(beside, status.st_uid, status.st_gid)
        guard rename(beside, target) == 0 else { throw SystemError() }
    } catch {
        unlink(beside)
        guard [EACCES, EPERM, EBUSY].contains(error.number) else { throw error }
        try writeInPlace(bytes, to: path, mode: mode)
    }
}

private func writeInPlace(_ bytes: [UInt8], to path: String, mode: mode_t) throws(SystemError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw SystemError() }
    defer { close(descriptor) }
    try write(bytes.span.bytes, to: descriptor)
}

private func writeNewFile(_ bytes: [UInt8], to path: String, mode: mode_t) throws(SystemError) {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw SystemError() }
    do throws(SystemError) {
        defer { close(descriptor) }
        // Whatever the mask of the process takes away.
        guard fchmod(descriptor, mode) == 0 else { throw SystemError() }
        try write(bytes.span.bytes, to: descriptor)
        guard fsync(descriptor) == 0 else { throw SystemError() }
    } catch {
        unlink(path)
        throw error
    }
}

private func write(_ bytes: RawSpan, to descriptor: Int32) throws(SystemError) {
    var offset = 0
    while offset < bytes.byteCount {
        let written = bytes.withUnsafeBytes {
            Glibc.write(descriptor, $0.baseAddress?.advanced(by: offset), $0.count - offset)
        }
        if written < 0 && errno == EINTR { continue }
        guard written > 0 else { throw written < 0 ? SystemError() : SystemError(EIO) }
        offset += written
    }
}
