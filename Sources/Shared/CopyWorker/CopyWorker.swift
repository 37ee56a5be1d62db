import ObjectStorage
import ShardProtocol
import ShardTransport
import Support

/// Pulls shards over a channel, copies their tasks, and reports: what an agent does after its handshake, and what a
/// coordinator without agents does inside itself.
///
/// A shell around ``WorkerState``: one loop owns the state, so that there is nothing to lock; copies, the receiver, the sender
/// and the heartbeat are tasks that talk to the loop through a queue of events.
package final class CopyWorker: Sendable {
    private enum Event: Sendable {
        case received(CoordinatorMessage)
        /// The peer has closed (nil), or the connection broke.
        case disconnected(BackupError?)
        case done(WorkerState.TaskID, Result<TaskOutcome, BackupError>)
        case tick
        case stopRequested
    }

    /// How a task ended, and why the store did not copy although it might have.
    private struct TaskOutcome: Sendable {
        var result: TaskResult
        var fallback: String?
    }

    /// A copy that is under way.
    private struct RunningCopy {
        let task: Task<Void, Never>
        let progress: CopyProgress
    }

    private let channel: AgentChannel
    private let stores: [StorageID: any ObjectStore]
    private let roots: StorageRoots
    private let places: [BackupPlace: any ObjectStore]
    private let limits: WorkerLimits
    private let ownBounds: TransferLimits
    private let heartbeat: Duration
    private let copier: ObjectCopier
    private let clock: any Clock<Duration>
    private let logger: Logger
    private let events: AsyncStream<Event>
    private let queue: AsyncStream<Event>.Continuation

    /// - Parameters:
    ///   - channel: after the handshake. The worker closes it at the end.
    ///   - stores: without retries of their own: the copier retries.
    ///   - roots: below which this host lets itself be sent; see ``KeyRules``.
    ///   - places: where backups may lie when an assignment says where, and the store of each.
    ///   - ownBounds: hold until the coordinator says something else.
    ///   - heartbeat: the interval the coordinator has told.
    ///   - copier: one for the whole process.
    package init(
        channel: AgentChannel, stores: [StorageID: any ObjectStore], roots: StorageRoots,
        places: [BackupPlace: any ObjectStore] = [:], limits: WorkerLimits,
        ownBounds: TransferLimits = TransferLimits(), heartbeat: Duration, copier: ObjectCopier,
        clock: any Clock<Duration> = ContinuousClock(), logger: Logger = .silent
    ) {
        self.channel = channel
        self.stores = stores
        self.roots = roots
        self.places = places
        self.limits = limits
        self.ownBounds = ownBounds
        self.heartbeat = heartbeat
        self.copier = copier
        self.clock = clock
        self.logger = logger
        (events, queue) = AsyncStream.makeStream(of: Event.self)
    }

    /// Gives everything back to the coordinator and ends. May be called at any time, from any thread.
    package func requestStop() { queue.yield(.stopRequested) }

    /// Works until the coordinator has no more work, ``requestStop()`` is called, the connection ends or this task is
    /// cancelled. Nothing of it runs any more when it returns. Call it once.
    package func run() async -> WorkerSummary {
        // What an earlier coordinator has said does not hold for this one.
        copier.limiter.set(ownBounds)
        let outbox = Outbox(channel)
        let receiver = Task { await self.receive() }
        let sender = Task {
            if let error = await outbox.deliver() { self.queue.yield(.disconnected(error)) }
        }
        let ticker = Task { await self.tick() }
        // A task of its own: the loop must outlive a cancellation until the last copy has ended.
        let loop = Task { await self.work(outbox) }
        let summary = await withTaskCancellationHandler {
            await loop.value
        } onCancel: {
            queue.yield(.disconnected(BackupError(.canceled, "canceled")))
        }
        ticker.cancel()
        await end(outbox, sender, summary.ending)
        receiver.cancel()
        await receiver.value
        await ticker.value
        logger.info(
            "worker has ended",
            [
                "why": summary.ending, "shards": summary.totals.shardsCompleted, "failed": summary.totals.shardsFailed,
                "returned": summary.totals.shardsReturned, "objects": summary.totals.objects,
                "size": formattedBytes(summary.totals.bytes),
            ])
        return summary
    }

    // MARK: The loop

    private func work(_ outbox: Outbox) async -> WorkerSummary {
        let milvus = stores[.milvus]?.identity
        let rules = ShardRules(
            roots: roots, storages: Set(stores.keys),
            sharesBucket: milvus != nil && milvus == stores[.backup]?.identity,
            places: places.mapValues { $0.identity == milvus })
        var state = WorkerState(limits: limits, rules: rules)
        var copies: [WorkerState.TaskID: RunningCopy] = [:]
        var ending = perform(state.begin(), state, &copies, outbox)
        var iterator = events.makeAsyncIterator()
        while ending == nil, let event = await iterator.next() {
            switch event {
            case .received(let message): ending = perform(handle(message, &state), state, &copies, outbox)
            case .disconnected(let error):
                ending = perform(state.lost(error.map { WorkerEnding($0) } ?? .closed), state, &copies, outbox)
            case .done(let id, let result):
                copies[id] = nil
                ending = perform(handle(result, of: id, &state), state, &copies, outbox)
            case .tick:
                // A slow peer gets one picture of now instead of many of then.
                guard outbox.isEmpty else { continue }
                outbox.add(.heartbeat(state.heartbeat { copies[$0]?.progress.bytes ?? 0 }))
            case .stopRequested: ending = perform(state.stopRequested(), state, &copies, outbox)
            }
        }
        return WorkerSummary(totals: state.totals, ending: ending ?? .closed)
    }

    private func handle(_ message: CoordinatorMessage, _ state: inout WorkerState) -> [WorkerState.Action] {
        switch message {
        case .assignment(let assignment):
            logger.debug(
                "shard assigned", ["shard": assignment.lease.shard, "epoch": assignment.lease.epoch])
            return state.assigned(assignment)
        case .cancel(let cancellation):
            logger.info("shards canceled", ["shards": cancellation.leases.count, "reason": cancellation.reason])
            return state.canceled(cancellation.leases)
        case .limits(let limits):
            logger.debug(
                "limits", ["bandwidth": limits.bandwidth ?? 0, "requestsPerSecond": limits.requestsPerSecond ?? 0])
            copier.limiter.set(limits)
            return []
        case .finish: return state.finish()
        case .refused(let refusal): return state.lost(.refused(refusal))
        case .challenge, .probes, .accepted:
            let error = BackupError(.protocolViolation, "\(channel.peer) sent a message of the handshake after it")
            return state.lost(WorkerEnding(error))
        }
    }

    private func handle(
        _ result: Result<TaskOutcome, BackupError>, of id: WorkerState.TaskID, _ state: inout WorkerState
    ) -> [WorkerState.Action] {
        switch result {
        case .success(let outcome):
            return state.succeeded(id, outcome.result, fallback: outcome.fallback)
        case .failure(let error):
            if error.code != .canceled {
                logger.warn("task failed", ["shard": id.lease.shard, "error": error.description])
            }
            return state.failed(id, error)
        }
    }

    /// Carries the actions out.
    ///
    /// - Returns: the ending, when that is one of them.
    private func perform(
        _ actions: [WorkerState.Action], _ state: WorkerState, _ copies: inout [WorkerState.TaskID: RunningCopy],
        _ outbox: Outbox
    ) -> WorkerEnding? {
        var ending: WorkerEnding?
        for action in actions {
            switch action {
            case .send(let message): outbox.add(message)
            case .start(let id): copies[id] = state.assignment(of: id.lease).flatMap { start(id, $0) }
            case .stop(let lease):
                for (id, copy) in copies where id.lease == lease { copy.task.cancel() }
            case .end(let reason): ending = reason
            }
        }
        return ending
    }

    private func start(_ id: WorkerState.TaskID, _ assignment: Assignment) -> RunningCopy? {
        let shard = assignment.shard
        // Both are there: the state has checked the assignment.
        guard let source = store(shard.source, assignment), let destination = store(shard.destination, assignment)
        else { return nil }
        let task = shard.tasks[id.index]
        let from = CopySource(store: source, key: shard.sourceKey(of: task), size: task.size, etag: task.etag)
        let to = CopyDestination(store: destination, key: shard.destinationKey(of: task))
        let progress = CopyProgress()
        let working = Task {
            do throws(BackupError) {
                var outcome: TaskOutcome
                if shard.operation == .verify {
                    outcome = TaskOutcome(result: try await verify(id.index, from, progress))
                } else {
                    let mode = CopyMode(of: shard)
                    let copied =
                        if let part = task.part {
                            try await copier.copy(CopyPart(part), of: from, to: to, mode: mode, progress: progress)
                        } else {
                            try await copier.copy(from, to: to, mode: mode, progress: progress)
                        }
                    outcome = TaskOutcome(result: TaskResult(index: id.index, copied), fallback: copied.fallback)
                }
                queue.yield(.done(id, .success(outcome)))
            } catch {
                queue.yield(.done(id, .failure(error)))
            }
        }
        return RunningCopy(task: working, progress: progress)
    }

    /// Reads an object. One that is gone or not whole is no failure: that is what is to be found out.
    private func verify(
        _ index: Int, _ source: CopySource, _ progress: CopyProgress
    ) async throws(BackupError) -> TaskResult {
        do {
            let content = try await copier.digest(source, progress: progress)
            return TaskResult(
                index: index, etag: content.etag, checksum: Checksum(crc32c: content.crc32c), copiedByStore: false)
        } catch  where error.code == .notFound || error.code == .corrupted {
            return TaskResult(index: index, copiedByStore: false, damage: error.message)
        }
    }

    private func store(_ storage: StorageID, _ assignment: Assignment) -> (any ObjectStore)? {
        guard storage == .backup, let place = assignment.backupPlace else { return stores[storage] }
        return places[place]
    }

    // MARK: Around the loop

    private func receive() async {
        do {
            while let message = try await channel.receive() { queue.yield(.received(message)) }
            queue.yield(.disconnected(nil))
        } catch {
            queue.yield(.disconnected(BackupError(wrapping: error)))
        }
    }

    private func tick() async {
        while (try? await clock.sleep(for: heartbeat)) != nil { queue.yield(.tick) }
    }

    /// Lets the last words go out, but does not wait for ever for a peer that does not listen.
    private func end(_ outbox: Outbox, _ sender: Task<Void, Never>, _ ending: WorkerEnding) async {
        outbox.finish()
        switch ending {
        case .finished, .stopped:
            let patience = Task {
                try await clock.sleep(for: .seconds(10))
                channel.close()
            }
            await sender.value
            patience.cancel()
            channel.close()
        case .closed, .lost, .refused:
            channel.close()
            sender.cancel()
            await sender.value
        }
    }
}

extension CopyLimiter {
    fileprivate func set(_ limits: TransferLimits) {
        set(bandwidth: limits.bandwidth, requestsPerSecond: limits.requestsPerSecond)
    }
}

extension CopyMode {
    init(of shard: Shard) {
        switch shard.mode {
        case .auto: self = shard.sameBackend == true ? .directOrStreaming : .auto
        case .direct: self = .direct
        case .streaming: self = .streaming
        }
    }
}

extension CopyPart {
    /// The range is checked by then.
    init(_ part: PartRange) {
        self.init(
            number: part.number, range: part.offset..<part.offset + part.length, uploadID: part.uploadID,
            provenBy: part.count)
    }
}

extension TaskResult {
    init(index: Int, _ outcome: CopyOutcome) {
        self.init(
            index: index, etag: outcome.etag.isEmpty ? nil : outcome.etag,
            checksum: outcome.checksum, copiedByStore: outcome.copiedByStore)
    }
}

extension CopyOutcome {
    /// The one of the bytes that passed, which costs little to compare again; else the one both stores agree on.
    fileprivate var checksum: Checksum? {
        crc32c.map(Checksum.init(crc32c:)) ?? md5.map { Checksum(kind: "md5", value: $0) }
    }
}

extension Checksum {
    package init(crc32c: UInt32) {
        let digits = String(crc32c, radix: 16)
        self.init(kind: "crc32c", value: String(repeating: "0", count: 8 - digits.count) + digits)
    }

    /// nil for one of another kind.
    package var crc32c: UInt32? { kind == "crc32c" && value.utf8.count == 8 ? UInt32(value, radix: 16) : nil }
}
