import ShardProtocol
import Testing

@testable import Coordinator

@Suite struct LimitReloadingTests {
    @Test func whatHasChangedInTheFileHolds() {
        var limits = TransferLimits(bandwidth: 10, requestsPerSecond: 5)
        limits.follow(
            TransferLimits(bandwidth: 20), since: TransferLimits(bandwidth: 10, requestsPerSecond: 5))
        #expect(limits == TransferLimits(bandwidth: 20))
    }

    /// An option of the command line has set it, or a request.
    @Test func whatHasNotChangedStays() {
        var limits = TransferLimits(bandwidth: 99, requestsPerSecond: 5)
        let file = TransferLimits(bandwidth: 10)
        limits.follow(file, since: file)
        #expect(limits == TransferLimits(bandwidth: 99, requestsPerSecond: 5))
        limits.follow(TransferLimits(bandwidth: 10, requestsPerSecond: 7), since: file)
        #expect(limits == TransferLimits(bandwidth: 99, requestsPerSecond: 7))
    }

    /// Nothing has begun yet, or the command copies nothing.
    @Test func nobodyToTellIsNoError() { LimitReloading().reload() }
}
