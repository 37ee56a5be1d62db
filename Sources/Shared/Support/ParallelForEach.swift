/// Runs `body` for every element, at most `limit` at a time. The first error cancels the others and is thrown.
package func forEachInParallel<Elements: Sequence>(
    _ elements: Elements, limit: Int, _ body: @escaping @Sendable (Elements.Element) async throws -> Void
) async throws where Elements.Element: Sendable {
    try await withThrowingTaskGroup(of: Void.self) { group in
        var running = 0
        for element in elements {
            if running >= max(1, limit) {
                try await group.next()
                running -= 1
            }
            group.addTask { try await body(element) }
            running += 1
        }
        // Not waitForAll(), which lets the others run to their ends before it throws.
        while try await group.next() != nil {}
    }
}

/// Like ``forEachInParallel(_:limit:_:)``, with the results in the order of the elements.
package func mapInParallel<Element: Sendable, Result: Sendable>(
    _ elements: [Element], limit: Int, _ body: @escaping @Sendable (Element) async throws -> Result
) async throws -> [Result] {
    try await withThrowingTaskGroup(of: (Int, Result).self) { group in
        var results = [Result?](repeating: nil, count: elements.count)
        var next = 0
        func start() {
            let index = next
            let element = elements[index]
            group.addTask { (index, try await body(element)) }
            next += 1
        }
        while next < min(max(1, limit), elements.count) { start() }
        while let (index, result) = try await group.next() {
            results[index] = result
            if next < elements.count { start() }
        }
        return results.compactMap { $0 }
    }
}
