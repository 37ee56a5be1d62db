/// A queue in one array: appending and taking the first cost O(1) on average.
package struct FirstInFirstOut<Element> {
    private var storage: [Element?] = []
    private var head = 0

    package init() {}

    package var isEmpty: Bool { head == storage.count }
    package var count: Int { storage.count - head }
    /// What is inside, the first to come first.
    package var elements: [Element] { storage[head...].compactMap { $0 } }

    package mutating func append(_ element: Element) { storage.append(element) }

    package var first: Element? { head < storage.count ? storage[head] : nil }

    /// The element that has waited longest; nil when there is none.
    package mutating func popFirst() -> Element? {
        guard head < storage.count else { return nil }
        let element = storage[head]
        storage[head] = nil
        head += 1
        if head == storage.count {
            storage.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 32 && head * 2 >= storage.count {
            storage.removeFirst(head)
            head = 0
        }
        return element
    }

    /// Takes out the first element that matches. O(n).
    package mutating func removeFirst(where matches: (Element) -> Bool) -> Element? {
        guard let index = storage[head...].firstIndex(where: { $0.map(matches) ?? false }) else { return nil }
        return storage.remove(at: index)
    }
}

extension FirstInFirstOut: Sendable where Element: Sendable {}
