import Testing

@testable import MilvusClient

/// When pauses are renewed and what is given back, as minutes after the beginning.
@Suite struct GarbageCollectionPausesTests {
    private let start = ContinuousClock.now

    private func minute(_ minutes: Double) -> ContinuousClock.Instant { start + .seconds(minutes * 60) }

    @Test func clusterIsRenewedEveryHalfHour() {
        var pauses = GarbageCollectionPauses()
        #expect(pauses.nextRenewal == nil)
        pauses.paused(.cluster, ticket: "", at: minute(0))
        #expect(pauses.due(at: minute(29.9)).isEmpty)
        #expect(pauses.nextRenewal == minute(30))
        #expect(pauses.due(at: minute(30)) == [.cluster])
        pauses.paused(.cluster, ticket: "", at: minute(30))
        #expect(pauses.due(at: minute(59.9)).isEmpty)
        #expect(pauses.due(at: minute(60)) == [.cluster])
        #expect(pauses.end(.cluster, at: minute(61)) == [""])
        #expect(pauses.end(.cluster, at: minute(61)) == [])
        #expect(pauses.nextRenewal == nil && pauses.due(at: minute(1000)).isEmpty)
    }

    @Test func ticketsAreRenewedTenMinutesBeforeTheirEnd() {
        var pauses = GarbageCollectionPauses()
        pauses.paused(.collection(1), ticket: "a", at: minute(0))
        pauses.paused(.collection(2), ticket: "b", at: minute(20))
        #expect(pauses.due(at: minute(49.9)).isEmpty)
        #expect(pauses.due(at: minute(50)) == [.collection(1)])
        pauses.paused(.collection(1), ticket: "c", at: minute(50))
        // The renewed ticket counts from its own beginning.
        #expect(pauses.due(at: minute(69)).isEmpty)
        #expect(pauses.due(at: minute(70)) == [.collection(2)])
        #expect(Set(pauses.due(at: minute(100))) == [.collection(1), .collection(2)])
    }

    @Test func everyTicketInForceIsGivenBack() {
        var pauses = GarbageCollectionPauses()
        pauses.paused(.collection(1), ticket: "a", at: minute(0))
        pauses.paused(.collection(1), ticket: "b", at: minute(50))
        var early = pauses
        #expect(early.end(.collection(1), at: minute(55)) == ["a", "b"])
        // The first one has run out by itself.
        #expect(pauses.end(.collection(1), at: minute(60)) == ["b"])
        #expect(pauses.targets.isEmpty)
    }

    @Test func aServerThatKeepsTheTicketIsUnderstood() {
        var pauses = GarbageCollectionPauses()
        pauses.paused(.collection(1), ticket: "a", at: minute(0))
        pauses.paused(.collection(1), ticket: "a", at: minute(50))
        #expect(pauses.end(.collection(1), at: minute(70)) == ["a"])
    }

    @Test func withoutATicketThereIsNothingToKeep() {
        var pauses = GarbageCollectionPauses()
        pauses.paused(.collection(1), ticket: "", at: minute(0))
        #expect(pauses.targets.isEmpty && pauses.nextRenewal == nil)
    }

    @Test func aFailedRenewalIsTriedAgainBeforeThePauseEnds() {
        for target in [GarbageCollectionPauses.Target.cluster, .collection(1)] {
            var pauses = GarbageCollectionPauses()
            pauses.paused(target, ticket: "a", at: minute(0))
            let due = target == .cluster ? 30.0 : 50
            var tries = 0
            var now = due
            while now < 60 {
                #expect(pauses.due(at: minute(now)) == [target])
                pauses.renewalFailed(target, at: minute(now))
                #expect(pauses.due(at: minute(now + 0.9)).isEmpty)
                now += 1
                tries += 1
            }
            #expect(tries >= 10)
        }
        var pauses = GarbageCollectionPauses()
        pauses.renewalFailed(.cluster, at: minute(0))
        #expect(pauses.targets.isEmpty)
    }
}
