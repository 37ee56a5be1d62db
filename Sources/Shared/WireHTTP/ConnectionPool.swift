import HTTP
import Support

/// The connections of one loop: few enough for their servers, kept while they are of use.
final class ConnectionPool {
    private struct Entry {
        var idle: [Connection] = []
        /// Connections that exist, idle ones included.
        var open = 0
        /// Without a connection yet, in the order they came.
        var waiting = FirstInFirstOut<Weak>()
        /// Index of the address that worked last.
        var preferredAddress = 0
    }

    private struct Weak {
        weak var exchange: Exchange?
    }

    private struct Name {
        var addresses: [SocketAddress] = []
        var isKnownUntil: ContinuousClock.Instant?
        var waiting: [Weak] = []
    }

    /// Servers close idle connections after some time; those that have nearly come to it are not used any more.
    private static let idleTime = Duration.seconds(20)
    private static let nameTime = Duration.seconds(30)

    private unowned let loop: WireLoop
    private let limit: Int
    private var entries: [Peer: Entry] = [:]
    private var names: [Origin: Name] = [:]

    init(_ loop: WireLoop, limit: Int) {
        self.loop = loop
        self.limit = limit
    }

    var hasIdle: Bool { entries.values.contains { !$0.idle.isEmpty } }

    // MARK: Getting one

    /// Gives the exchange a connection, at once or later.
    func obtain(for exchange: Exchange) {
        let peer = exchange.peer
        if !exchange.wantsNewConnection {
            while let connection = entries[peer]?.idle.popLast() {
                guard connection.isFresh else {
                    discard(connection)
                    continue
                }
                return exchange.use(connection)
            }
        }
        guard entries[peer, default: Entry()].open < limit || exchange.isUrgent else {
            entries[peer]?.waiting.append(Weak(exchange: exchange))
            return
        }
        connect(exchange)
    }

    private func connect(_ exchange: Exchange) {
        entries[exchange.peer, default: Entry()].open += 1
        exchange.hasPlace = true
        let origin = exchange.peer.origin
        var name = names[origin] ?? Name()
        if let end = name.isKnownUntil, end > .now { return dial(exchange, name.addresses) }
        if let addresses = try? SocketAddress.lookUp(origin, isNumeric: true) {
            name.addresses = addresses
            name.isKnownUntil = .now + ConnectionPool.nameTime
            names[origin] = name
            return dial(exchange, addresses)
        }
        name.waiting.append(Weak(exchange: exchange))
        names[origin] = name
        guard name.waiting.count == 1 else { return }
        startThread { [mailbox = loop.mailbox] in
            do throws(BackupError) {
                mailbox.post(.resolved(origin, .success(try SocketAddress.lookUp(origin))))
            } catch {
                mailbox.post(.resolved(origin, .failure(error)))
            }
        }
    }

    /// An answer of the name service.
    func resolved(_ origin: Origin, _ result: Result<[SocketAddress], BackupError>) {
        guard var name = names[origin] else { return }
        let waiting = name.waiting
        name.waiting = []
        if case .success(let addresses) = result {
            name.addresses = addresses
            name.isKnownUntil = .now + ConnectionPool.nameTime
        }
        names[origin] = name
        for exchange in waiting.compactMap(\.exchange) where exchange.hasPlace {
            switch result {
            case .success(let addresses): dial(exchange, addresses)
            case .failure(let error): exchange.fail(WireFailure(error))
            }
        }
    }

    private func dial(_ exchange: Exchange, _ addresses: [SocketAddress]) {
        let first = entries[exchange.peer]?.preferredAddress ?? 0
        exchange.addresses = addresses.indices.map { ($0 + first) % addresses.count }
            .map { (index: $0, address: addresses[$0]) }
        dialNext(exchange, because: SystemError(0))
    }

    /// Tries the next address of the exchange's peer, and fails the exchange when there is none.
    func dialNext(_ exchange: Exchange, because error: SystemError) {
        var error = error
        while let (index, address) = exchange.addresses.first {
            exchange.addresses.removeFirst()
            do {
                let context = exchange.peer.origin.isSecure ? try loop.contexts.context(for: exchange.peer.tls) : nil
                let connection = try loop.connect(exchange.peer, address, context: context)
                entries[exchange.peer]?.preferredAddress = index
                return exchange.use(connection)
            } catch let unsuited as RelayUnsuited {
                return exchange.fail(WireFailure(unsuited))
            } catch let failure {
                if let systemError = failure as? SystemError { error = systemError }
            }
        }
        exchange.fail(
            WireFailure(
                BackupError(
                    .unavailable, "cannot connect to \(exchange.peer.origin): \(error.text)", isRetryable: true)))
    }

    // MARK: Giving it back

    /// The exchange has ended with its answer wholly read.
    func release(_ connection: Connection) {
        connection.user = nil
        connection.setLowWater(1)
        guard connection.isFresh, var entry = entries[connection.peer] else { return discard(connection) }
        connection.isReused = true
        while let next = entry.waiting.popFirst() {
            guard let exchange = next.exchange, exchange.isWaiting else { continue }
            entries[connection.peer] = entry
            return exchange.use(connection)
        }
        connection.idleSince = .now
        entry.idle.append(connection)
        entries[connection.peer] = entry
    }

    /// Closes a connection, whatever state it is in.
    func discard(_ connection: Connection) {
        connection.user = nil
        loop.close(connection)
        leave(connection.peer)
    }

    /// A place that no connection fills any more.
    func leave(_ peer: Peer) {
        guard var entry = entries[peer] else { return }
        entry.open -= 1
        var next: Exchange?
        while next == nil, let waiting = entry.waiting.popFirst() {
            if let exchange = waiting.exchange, exchange.isWaiting { next = exchange }
        }
        entries[peer] = entry
        if let next { connect(next) }
    }

    /// An idle connection has been closed by its peer.
    func forget(_ connection: Connection) {
        guard let index = entries[connection.peer]?.idle.firstIndex(where: { $0 === connection }) else { return }
        entries[connection.peer]?.idle.remove(at: index)
        discard(connection)
    }

    func closeIdle(at now: ContinuousClock.Instant) {
        for (peer, entry) in entries where !entry.idle.isEmpty {
            for connection in entry.idle where now - connection.idleSince >= ConnectionPool.idleTime {
                entries[peer]?.idle.removeAll { $0 === connection }
                discard(connection)
            }
        }
    }
}
