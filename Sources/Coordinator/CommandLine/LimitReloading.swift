import Configuration
import ConfiguredWorker
import ShardProtocol
import Support
import Synchronization

/// Reads the limits of the copying from the configuration again when the user asks for it, with SIGUSR1.
final class LimitReloading: Sendable {
    private let action = Mutex<(@Sendable () -> Void)?>(nil)

    /// From now on these services follow the configuration.
    ///
    /// - Parameter known: the limits that it had when it was read first.
    func begin(_ services: Services, known: TransferLimits) {
        let known = Mutex(known)
        action.withLock { action in
            action = {
                do throws(BackupError) {
                    guard let read = try services.configuration.reload?() else { return }
                    let limits = TransferLimits(read.transfer)
                    services.limits.change { current in
                        known.withLock { known in
                            current.follow(limits, since: known)
                            known = limits
                        }
                    }
                    services.logLimits("limits read again")
                } catch {
                    services.logger.warn("limits not read again", ["error": error.description])
                }
            }
        }
    }

    /// The user asks for it.
    func reload() { action.withLock { $0 }?() }
}

extension TransferLimits {
    /// Takes over what has changed in a configuration. The rest may be set by an option or a request, and stays.
    mutating func follow(_ read: TransferLimits, since known: TransferLimits) {
        if read.bandwidth != known.bandwidth { bandwidth = read.bandwidth }
        if read.requestsPerSecond != known.requestsPerSecond { requestsPerSecond = read.requestsPerSecond }
    }
}

extension Services {
    /// - Parameter message: what has become of them.
    func logLimits(_ message: String) {
        let limits = limits.value
        logger.info(
            message, ["bandwidth": limits.bandwidth ?? 0, "requestsPerSecond": limits.requestsPerSecond ?? 0])
    }
}
