import Testing

@testable import WireHTTP

@Suite struct AddressChoiceTests {
    private func choice(_ addresses: [String] = ["a", "b", "c"]) -> AddressChoice<String> {
        var choice = AddressChoice<String>()
        choice.update(addresses)
        return choice
    }

    @Test func allAreTriedOnceInTheirOrder() {
        let choice = choice(["a", "b", "a", "c"])
        #expect(choice.order == ["a", "b", "c"])
        var tried: [String] = []
        var others: [Int] = []
        while let next = choice.next(after: tried), tried.count < 10 {
            tried.append(next.address)
            others.append(next.others)
        }
        #expect(tried == ["a", "b", "c"] && others == [2, 1, 0])
        #expect(self.choice([]).next(after: [])?.address == nil)
    }

    @Test func oneThatHasFailedIsTheLast() {
        var choice = choice()
        choice.hasFailed("a")
        #expect(choice.order == ["b", "c", "a"])
        // A hundred calls that began together find out the same.
        for _ in 0..<100 { choice.hasFailed("a") }
        #expect(choice.order == ["b", "c", "a"])
        choice.hasFailed("b")
        #expect(choice.order == ["c", "a", "b"])
        choice.hasFailed("c")
        #expect(choice.order == ["a", "b", "c"], "the one that was tried longest ago is next")
    }

    /// Whoever still tries one that has failed for others goes on with the best they know of.
    @Test func whatOthersHaveFoundOutCounts() {
        var choice = choice()
        choice.hasFailed("a")
        choice.hasFailed("b")
        #expect(choice.next(after: ["a"])?.address == "c")
        #expect(choice.next(after: ["a"])?.others == 1)
    }

    @Test func oneThatWorksIsTheFirst() {
        var choice = choice()
        choice.hasConnected(to: "c")
        #expect(choice.order == ["c", "a", "b"])
        choice.hasFailed("c")
        #expect(choice.order == ["a", "b", "c"])
    }

    @Test func aNewAnswerOrdersAllButThoseThatFail() {
        var choice = choice()
        choice.hasFailed("a")
        choice.hasConnected(to: "c")
        choice.update(["a", "d", "b", "c"])
        #expect(choice.order == ["d", "b", "c", "a"])
        choice.hasConnected(to: "a")
        choice.update(["a", "d", "b", "c"])
        #expect(choice.order == ["a", "d", "b", "c"])
    }

    @Test func aFailureIsForgottenAfterSomeMinutes() {
        var choice = choice()
        let began = ContinuousClock.now
        choice.hasFailed("a", at: began)
        choice.update(["a", "b", "c"], at: began + .seconds(299))
        #expect(choice.order == ["b", "c", "a"])
        choice.update(["a", "b", "c"], at: began + .seconds(300))
        #expect(choice.order == ["a", "b", "c"])
    }

    @Test func whatTheNameNoLongerHasIsForgotten() {
        var choice = choice()
        choice.hasFailed("a")
        choice.update(["b"])
        choice.hasFailed("a")
        choice.hasConnected(to: "a")
        #expect(choice.order == ["b"])
        choice.update(["a", "b"])
        #expect(choice.order == ["a", "b"])
    }
}

@Suite struct ConnectClockTests {
    private let began = ContinuousClock.now

    private func clock(others: Int) -> ConnectClock {
        var clock = ConnectClock(limit: .seconds(12))
        clock.beginAttempt(others: others, at: began)
        return clock
    }

    @Test(arguments: [(0, 12), (1, 6), (2, 6)]) func theLastOneHasAllOfIt(others: Int, seconds: Int) {
        let clock = clock(others: others)
        #expect(!clock.isOver(at: began + .milliseconds(seconds * 1000 - 1)))
        #expect(clock.isOver(at: began + .seconds(seconds)))
    }

    @Test func itIsNotOverBeforeItBegins() {
        #expect(!ConnectClock(limit: .zero).isOver(at: began))
    }

    @Test func theNextOnesGetWhatIsLeft() {
        var clock = clock(others: 2)
        // Refused at once.
        clock.beginAttempt(others: 1, at: began)
        #expect(!clock.isOver(at: began + .milliseconds(5999)))
        #expect(clock.isOver(at: began + .seconds(6)))
        clock.beginAttempt(others: 0, at: began + .seconds(6))
        #expect(!clock.isOver(at: began + .milliseconds(11_999)))
        #expect(clock.isOver(at: began + .seconds(12)))
    }

    @Test func aLateLookIsNotToTheCostOfTheNext() {
        var clock = clock(others: 1)
        clock.beginAttempt(others: 0, at: began + .seconds(100))
        #expect(!clock.isOver(at: began + .milliseconds(105_999)))
        #expect(clock.isOver(at: began + .seconds(106)))
    }
}
