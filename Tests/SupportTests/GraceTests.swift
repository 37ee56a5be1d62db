import Support
import Testing

@Suite(.timeLimit(.minutes(1))) struct GraceTests {
    @Test func whatEndsSoonComesToItsEndAlthoughItsTaskIsCancelled() async throws {
        let task = Task {
            try await withGrace(.seconds(3600)) {
                try await Task.sleep(for: .milliseconds(20))
                return 1
            }
        }
        task.cancel()
        #expect(try await task.value == 1)
    }

    @Test func whatDoesNotIsCancelledAsWell() async throws {
        let task = Task { try await withGrace(.milliseconds(1)) { try await Task.sleep(for: .seconds(3600)) } }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }
}
