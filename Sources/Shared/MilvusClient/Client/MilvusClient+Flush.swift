import Support

/// What the flush of a collection has brought to the object store, and up to where.
package struct FlushedCollection: Sendable, Hashable {
    /// Segments sealed by this flush; all of them are in the object store now.
    package var sealedSegmentIDs: [Int64] = []
    /// Segments that were there before.
    package var flushedSegmentIDs: [Int64] = []
    /// Hybrid timestamp of the flush; 0 before 2.3.1.
    package var flushTimestamp: UInt64 = 0
    /// Unix seconds; 0 when the server does not say.
    package var sealTime: Int64 = 0
    /// By virtual channel; empty before 2.4.2.
    package var channelCheckpoints: [String: ChannelCheckpoint] = [:]

    package init() {}

    /// The latest of all checkpoints; 0 without any.
    package var latestCheckpoint: UInt64 { channelCheckpoints.values.map(\.timestamp).max() ?? 0 }
}

/// A position up to which a channel's data is in the object store.
package struct ChannelCheckpoint: Sendable, Hashable {
    /// The serialized position, as it came.
    package var position: [UInt8]
    /// Hybrid timestamp within it.
    package var timestamp: UInt64

    package init(position: [UInt8], timestamp: UInt64) {
        self.position = position
        self.timestamp = timestamp
    }
}

/// What a flush of the whole server has told of itself.
package struct FlushedServer: Sendable, Hashable {
    /// The serialized message of each physical channel, as it came.
    package var messages: [String: [UInt8]] = [:]
    /// Hybrid timestamp of each channel's message.
    package var timestamps: [String: UInt64] = [:]
    package var controlChannel = ""
    package var physicalChannels: [String] = []

    package init() {}
}

extension MilvusClient {
    /// Brings all data of a collection to the object store and waits until it is there.
    ///
    /// - Throws: ``BackupError/Code/notFound`` when there is no such collection.
    package func flushAndWait(_ collection: String, database: String) async throws -> FlushedCollection {
        var request = Milvus.FlushRequest()
        request.collections = [collection]
        let operation = Self.operation("Flush", database, collection)
        let response = try await persistently(.standard) {
            try await self.pacedCall(
                request, operation, database: database, limiter: .flush, deadline: .seconds(300), retry: .once)
        }
        var flushed = FlushedCollection()
        flushed.flushedSegmentIDs = response.flushedSegments[collection]?.ids ?? []
        flushed.flushTimestamp = response.flushTimestamps[collection] ?? 0
        flushed.sealTime = response.sealTimes[collection] ?? 0
        flushed.channelCheckpoints = try response.channelCheckpoints.mapValues { position throws(BackupError) in
            let timestamp = try Milvus.MessagePosition(serialized: position).timestamp
            return ChannelCheckpoint(position: position, timestamp: timestamp)
        }
        // Without an entry the server has nothing to wait for.
        guard let sealed = response.sealedSegments[collection] else { return flushed }
        flushed.sealedSegmentIDs = sealed.ids

        var question = Milvus.GetFlushStateRequest()
        question.segmentIDs = sealed.ids
        question.flushTimestamp = flushed.flushTimestamp
        question.collection = collection
        try await wait(for: operation) {
            let operation = Self.operation("GetFlushState", database, collection)
            return try await self.call(question, operation, database: database, retry: .once).isFlushed
        }
        return flushed
    }

    /// Brings all data of the server to the object store and waits until it is there.
    ///
    /// Needs ``ServerFeatures/flushAll``.
    package func flushAllAndWait() async throws -> FlushedServer {
        let response = try await persistently(.standard) {
            try await self.call(Milvus.FlushAllRequest(), "FlushAll", deadline: .seconds(600), retry: .once)
        }
        var flushed = FlushedServer()
        flushed.messages = response.messages
        flushed.controlChannel = response.cluster.controlChannel
        flushed.physicalChannels = response.cluster.physicalChannels
        for (channel, message) in response.messages {
            flushed.timestamps[channel] = try Self.timestamp(ofMessage: message, channel: channel)
        }
        var question = Milvus.GetFlushAllStateRequest()
        question.timestamp = response.timestamp
        question.timestamps = flushed.timestamps
        try await wait(for: "FlushAll") {
            try await self.call(question, "GetFlushAllState", retry: .once).isFlushed
        }
        return flushed
    }

    /// The property `_tt` of a message of the streaming log: a hybrid timestamp in base 36.
    static func timestamp(ofMessage message: [UInt8], channel: String) throws(BackupError) -> UInt64 {
        let properties = try Milvus.ImmutableMessage(serialized: message).properties
        guard let text = properties["_tt"], let timestamp = UInt64(text, radix: 36) else {
            throw BackupError(.protocolViolation, "FlushAll: the message of channel \(channel) has no timestamp")
        }
        return timestamp
    }

    /// Asks until the answer is yes, for as long as the server answers at all.
    private func wait(for operation: String, isDone: () async throws -> Bool) async throws {
        var waiting = FlushWait(at: clock.now)
        while true {
            let step: FlushWait.Step
            do {
                if try await isDone() { return }
                step = waiting.notYet(at: clock.now)
            } catch {
                let failure = BackupError(wrapping: error)
                guard Self.mayPass(failure) else { throw failure }
                step = waiting.failed(at: clock.now)
                if case .giveUp = step { throw failure }
                logger.debug("the state of a flush is not known", ["error": failure.description])
            }
            switch step {
            case .ask(let pause): try await clock.sleep(for: pause)
            case .warn(let pause):
                logger.warn(
                    "\(operation) is not done after \(Int(waiting.waited(at: clock.now).seconds) / 60) minutes: look at Milvus"
                )
                try await clock.sleep(for: pause)
            case .giveUp: return
            }
        }
    }
}
