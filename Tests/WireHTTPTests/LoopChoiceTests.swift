import Testing

@testable import WireHTTP

@Suite struct LoopChoiceTests {
    private let choice = LoopChoice(loops: 3)

    /// The loops that so many calls are given.
    private func loops(_ count: Int, bytes: Int64, isBusy: (Int) -> Bool = { _ in false }) -> [Int] {
        (0..<count).map { _ in choice.enter(bytes: bytes, isBusy: isBusy).loop }
    }

    @Test func smallCallsStayTogetherUntilThereAreMany() {
        #expect(loops(102, bytes: 16 << 10).allSatisfy { $0 == 0 })
        #expect(loops(10, bytes: 16 << 10).contains(1))
    }

    @Test func largeBodiesStayTogetherAsLongAsTheLoopHasTime() {
        #expect(loops(32, bytes: 16 << 20).allSatisfy { $0 == 0 })
        #expect(loops(32, bytes: 16 << 20).allSatisfy { $0 == 1 })
    }

    @Test func aBusyLoopSharesWithTheOthers() {
        #expect(loops(6, bytes: 16 << 20, isBusy: { $0 == 0 }) == [0, 1, 1, 1, 1, 1])
        #expect(loops(4, bytes: 16 << 20, isBusy: { _ in true }) == [2, 0, 2, 0])
    }

    @Test func whatHasEndedCountsNoMore() {
        let first = choice.enter(bytes: 16 << 20, isBusy: { _ in true })
        #expect(choice.enter(bytes: 1, isBusy: { _ in true }).loop == 1)
        choice.leave(first.loop, load: first.load)
        #expect(choice.enter(bytes: 1, isBusy: { _ in true }).loop == 0)
    }
}
