import CThread
import Glibc

/// Runs `body` on a thread of its own and returns its result, so that work that blocks never holds a thread of Swift's
/// cooperative pool.
package func onDedicatedThread<Result: Sendable>(
    _ body: @escaping @Sendable () throws -> Result
) async throws -> Result {
    try await withCheckedThrowingContinuation { continuation in
        startThread { continuation.resume(with: Swift.Result { try body() }) }
    }
}

/// Starts a detached thread that moves bytes as others send and take them: it waits for its turn when it wakes up, and finds
/// more to do at once, which costs less.
///
/// - Parameter name: for `top` and debuggers; 15 bytes at most.
package func startMovingThread(named name: String, _ body: @escaping @Sendable () -> Void) {
    startThread {
        cthread_name(name)
        cthread_wait_for_turns()
        body()
    }
}

/// Starts a detached thread.
package func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    pthread_attr_setstacksize(&attributes, 1 << 20)
    defer { pthread_attr_destroy(&attributes) }
    var thread = pthread_t()
    let context = Unmanaged.passRetained(Box(body)).toOpaque()
    let status = pthread_create(
        &thread, &attributes,
        { context in
            guard let context else { return nil }
            Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body()
            return nil
        }, context)
    precondition(status == 0, "the system refuses another thread")
}
