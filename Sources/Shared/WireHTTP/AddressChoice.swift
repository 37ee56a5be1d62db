/// The addresses behind a name, the best first: what one call finds out about them serves all that come after it.
struct AddressChoice<Address: Hashable> {
    /// In front the one that a connection was established to last, at the end the one that has failed last.
    private(set) var order: [Address] = []
    /// Those whose last attempt has failed, and when.
    private var unreachable: [Address: ContinuousClock.Instant] = [:]
    /// After so long one that has failed is like any other again: a node that was restarted is to have its share.
    private static var memory: Duration { .seconds(300) }

    /// Takes a new answer of the name service.
    ///
    /// Its order counts, for it may spread the load, but addresses known to fail stay behind all others.
    mutating func update(_ addresses: [Address], at now: ContinuousClock.Instant = .now) {
        var seen: Set<Address> = []
        let distinct = addresses.filter { seen.insert($0).inserted }
        unreachable = unreachable.filter { seen.contains($0.key) && now - $0.value < Self.memory }
        order = distinct.filter { unreachable[$0] == nil } + order.filter { unreachable[$0] != nil }
    }

    /// A connection to it was established.
    mutating func hasConnected(to address: Address) {
        guard let index = order.firstIndex(of: address) else { return }
        unreachable[address] = nil
        order.remove(at: index)
        order.insert(address, at: 0)
    }

    /// No connection to it came about: it is the last one to be tried from now on, but not given up.
    mutating func hasFailed(_ address: Address, at now: ContinuousClock.Instant = .now) {
        guard let index = order.firstIndex(of: address) else { return }
        unreachable[address] = now
        order.remove(at: index)
        order.append(address)
    }

    /// The best address that was not tried, and how many are left behind it; nil when all were tried.
    func next(after tried: [Address]) -> (address: Address, others: Int)? {
        let left = order.filter { !tried.contains($0) }
        guard let first = left.first else { return nil }
        return (first, left.count - 1)
    }
}
