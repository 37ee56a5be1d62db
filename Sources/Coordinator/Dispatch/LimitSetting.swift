import ShardProtocol
import Synchronization

/// What all copies of this process and its agents may use; may be changed while jobs run.
final class LimitSetting: Sendable {
    private let limits: Mutex<TransferLimits>

    init(_ limits: TransferLimits = TransferLimits()) { self.limits = Mutex(limits) }

    var value: TransferLimits { limits.withLock { $0 } }

    /// Dispatchers heed it within a second.
    func change(_ body: (inout TransferLimits) -> Void) { limits.withLock { body(&$0) } }
}
