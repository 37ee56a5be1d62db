import Glibc

/// What libFuzzer calls the function it gives its inputs to.
typealias FuzzerCallback = @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt

/// libFuzzer's loop (`FuzzerInterface.h`).
@_silgen_name("LLVMFuzzerRunDriver")
func runFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>, _ callback: FuzzerCallback
) -> CInt

/// `FUZZ_TARGET=NAME fuzzing [OPTIONS OF LIBFUZZER] [CORPUS]`; `scripts/fuzz` runs it.
@main
enum Fuzzing {
    static let target = getenv("FUZZ_TARGET").map { String(cString: $0) }.flatMap(FuzzTarget.init)

    static func main() {
        guard target != nil else {
            // Asked without a target it tells them, a line each.
            print(FuzzTarget.allCases.map(\.rawValue).joined(separator: "\n"))
            return
        }
        var count = CommandLine.argc
        var arguments = CommandLine.unsafeArgv
        exit(runFuzzer(&count, &arguments) { fuzz($0, $1) })
    }
}

/// libFuzzer's own `main` wants it by this name.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzz(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    Fuzzing.target?.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}

/// A reader of bytes that somebody else has written. Whatever the bytes, it must give a value or throw: every trap, endless loop
/// and allocation beyond the limit is a finding, and so is a broken promise of the reader.
enum FuzzTarget: String, CaseIterable {
    case frames, messages, protobuf, xml, answers, requests, yaml, configuration, json, metadata, levels, manifest, zstd
    case records, bodies, names

    func run(_ bytes: [UInt8]) {
        switch self {
        case .frames: fuzzFrames(bytes)
        case .messages: fuzzMessages(bytes)
        case .protobuf: fuzzProtobuf(bytes)
        case .xml: fuzzXML(bytes)
        case .answers: fuzzAnswers(bytes)
        case .requests: fuzzRequests(bytes)
        case .yaml: fuzzYAML(bytes)
        case .configuration: fuzzConfiguration(bytes)
        case .json: fuzzJSON(bytes)
        case .metadata: fuzzMetadata(bytes)
        case .levels: fuzzLevels(bytes)
        case .manifest: fuzzManifest(bytes)
        case .zstd: fuzzCompressed(bytes)
        case .records: fuzzRecords(bytes)
        case .bodies: fuzzBodies(bytes)
        case .names: fuzzNames(bytes)
        }
    }
}

/// Fails like a trap, with a reason. Not `precondition`: that says nothing in optimized programs.
func require(_ condition: @autoclosure () -> Bool, _ promise: StaticString) {
    if !condition() { fatalError("\(promise)") }
}

/// The first byte of an input as a choice, and the rest.
func choice(_ bytes: [UInt8], of count: Int) -> (choice: Int, rest: [UInt8]) {
    (Int(bytes.first ?? 0) % count, Array(bytes.dropFirst()))
}

/// The bytes in pieces whose lengths depend on `seed`.
func pieces(_ bytes: [UInt8], _ seed: Int) -> [ArraySlice<UInt8>] {
    var result: [ArraySlice<UInt8>] = []
    var (start, length) = (0, seed % 7 + 1)
    while start < bytes.count {
        let end = min(bytes.count, start + length)
        result.append(bytes[start..<end])
        (start, length) = (end, length % 13 + seed % 3 + 1)
    }
    return result
}

/// A source as the readers of streams want it, piece by piece.
func source(_ bytes: [UInt8], _ seed: Int) -> () -> [UInt8]? {
    var rest = pieces(bytes, seed)[...]
    return { rest.popFirst().map(Array.init) }
}
