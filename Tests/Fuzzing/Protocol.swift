import CopyWorker
import ShardProtocol
import Support

/// The stream between agent and coordinator: however it is cut into pieces, it has the same frames.
func fuzzFrames(_ bytes: [UInt8]) {
    let whole = frames(in: [bytes[...]])
    let cut = frames(in: pieces(bytes, bytes.count))
    require(whole.frames == cut.frames && whole.isViolated == cut.isViolated, "pieces change what is read")
    let written = whole.frames.flatMap(\.bytes)
    require(bytes.starts(with: written), "a frame is written in other bytes than it was read from")
}

private func frames(in pieces: [ArraySlice<UInt8>]) -> (frames: [Frame], isViolated: Bool) {
    var decoder = FrameDecoder(limits: .handshake)
    var frames: [Frame] = []
    for piece in pieces {
        decoder.feed(piece)
        do throws(BackupError) {
            while let frame = try decoder.next() {
                require(frame.payload.count <= FrameLimits.handshake.frameSize, "a frame is larger than its limit")
                frames.append(frame)
            }
        } catch {
            require(error.code == .protocolViolation, "a wrong frame is another error than a violation")
            return (frames, true)
        }
    }
    return (frames, false)
}

/// Messages of all kinds: the first byte is the kind, the second the flags.
func fuzzMessages(_ bytes: [UInt8]) {
    guard bytes.count >= 2 else { return }
    let flags: Frame.Flags = bytes[1] & 1 == 1 ? .compressed : []
    let frame = Frame(kind: bytes[0], flags: flags, payload: Array(bytes[2...]))
    if let message = try? AgentMessage(frame, limits: .handshake) {
        // What was read fits into a frame again, or is too large for one: then it must say so.
        guard let again = try? message.frame(limits: .session) else { return }
        require((try? AgentMessage(again, limits: .session)) == message, "an agent's message reads back as another")
        shakeHands(message)
    }
    if let message = try? CoordinatorMessage(frame, limits: .handshake) {
        guard let again = try? message.frame(limits: .session) else { return }
        require(
            (try? CoordinatorMessage(again, limits: .session)) == message, "a message reads back as another")
        if case .assignment(let assignment) = message { checkRules(assignment) }
    }
}

private let token = Secret("a token that nobody knows")

private func shakeHands(_ message: AgentMessage) {
    let policy = HandshakePolicy(stores: [], heartbeat: .seconds(1), lease: .seconds(10))
    guard
        var handshake = try? CoordinatorHandshake(
            policy: policy, token: token, nonce: String(repeating: "0", count: 2 * HandshakeRules.nonceSize))
    else { return }
    for action in handshake.receive(message) + handshake.receive(message) {
        if case .prepareProbes = action { fatalError("an agent without the token is let in") }
    }
}

/// What a worker agrees to do stays where it may write.
private func checkRules(_ assignment: Assignment) {
    let roots = StorageRoots(milvus: "files", backup: "backup")
    let rules = ShardRules(roots: roots, storages: Set(StorageID.allCases), sharesBucket: true)
    guard rules.refusal(of: assignment) == nil else { return }
    for task in assignment.shard.tasks {
        let key = assignment.shard.destinationKey(of: task)
        let segments = key.utf8.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        require(
            !segments.contains { $0.isEmpty || $0.elementsEqual("..".utf8) || $0.elementsEqual(".".utf8) },
            "a key that is no plain one is accepted")
        if let part = task.part {
            require(
                part.number > 0 && part.length > 0 && part.offset >= 0 && part.length <= task.size
                    && part.offset <= task.size - part.length, "a part outside of its object is accepted")
            let texts = Array(part.uploadID.utf8) + Array((task.etag ?? "").utf8)
            require(!texts.contains { $0 <= 0x20 || $0 >= 0x7f || $0 == 0x22 }, "what breaks a request is accepted")
        }
        switch assignment.shard.destination {
        case .backup: require(key.utf8.starts(with: "backup/".utf8), "a key outside the backups is accepted")
        case .milvus: require(key.utf8.starts(with: "restore-temp-".utf8), "a key of Milvus' data is accepted")
        }
    }
}
