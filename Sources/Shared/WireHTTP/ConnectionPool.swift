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
    }

    private struct Weak {
        weak var exchange: Exchange?
    }

    private struct Name {
        var choice = AddressChoice<SocketAddress>()
        var isKnownUntil: ContinuousClock.Instant?
        var waiting: [Weak] = []

        mutating func update(_ addresses: [SocketAddress]) {
            choice.update(addresses)
            isKnownUntil = .now + ConnectionPool.nameTime
        }
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
        if let end = name.isKnownUntil, end > .now { return dial(exchange) }
        if let addresses = try? loop.lookUp(origin, true) {
            name.update(addresses)
            names[origin] = name
            return dial(exchange)
        }
        name.waiting.append(Weak(exchange: exchange))
        names[origin] = name
        guard name.waiting.count == 1 else { return }
        startThread { [mailbox = loop.mailbox, lookUp = loop.lookUp] in
            do throws(BackupError) {
                mailbox.post(.resolved(origin, .success(try lookUp(origin, false))))
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
        if case .success(let addresses) = result { name.update(addresses) }
        names[origin] = name
        for exchange in waiting.compactMap(\.exchange) where exchange.hasPlace {
            switch result {
            case .success: dial(exchange)
            case .failure(let error): exchange.fail(WireFailure(error))
            }
        }
    }

    /// Tries the best address that the exchange has not tried, and fails the exchange when there is none.
    ///
    /// - Parameter failure: why the last address it tried does not do; nil when it has tried none.
    func dial(_ exchange: Exchange, after failure: BackupError? = nil) {
        let origin = exchange.peer.origin
        var failure = failure
        if failure != nil { note(exchange, isConnected: false) }
        while let (address, others) = names[origin]?.choice.next(after: exchange.triedAddresses) {
            exchange.triedAddresses.append(address)
            do {
                let context = origin.isSecure ? try loop.contexts.context(for: exchange.peer.tls) : nil
                let connection = try loop.connect(exchange.peer, address, context: context)
                return exchange.open(connection, others: others)
            } catch let unsuited as RelayUnsuited {
                return exchange.fail(WireFailure(unsuited))
            } catch let error {
                failure = exchange.connectFailure((error as? SystemError)?.text)
                note(exchange, isConnected: false)
            }
        }
        exchange.fail(WireFailure(failure ?? exchange.connectFailure(nil)))
    }

    /// Remembers for the calls to come what has become of the exchange's last attempt.
    func note(_ exchange: Exchange, isConnected: Bool) {
        guard let address = exchange.triedAddresses.last else { return }
        if isConnected {
            names[exchange.peer.origin]?.choice.hasConnected(to: address)
        } else {
            names[exchange.peer.origin]?.choice.hasFailed(address)
        }
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
