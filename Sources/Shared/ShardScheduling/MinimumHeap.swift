/// A binary heap that gives its smallest element first: adding and taking cost O(log n).
struct MinimumHeap<Element: Comparable & Sendable>: Sendable {
    private var storage: [Element] = []

    var first: Element? { storage.first }
    var count: Int { storage.count }

    mutating func insert(_ element: Element) {
        storage.append(element)
        var child = storage.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard storage[child] < storage[parent] else { break }
            storage.swapAt(child, parent)
            child = parent
        }
    }

    mutating func popFirst() -> Element? {
        guard let first = storage.first, let last = storage.popLast() else { return nil }
        guard !storage.isEmpty else { return first }
        storage[0] = last
        var parent = 0
        while true {
            var smallest = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < storage.count && storage[child] < storage[smallest] {
                smallest = child
            }
            guard smallest != parent else { return first }
            storage.swapAt(parent, smallest)
            parent = smallest
        }
    }
}
