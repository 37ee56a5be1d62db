/// The kind byte of every message. Fixed for ever: a number is never given to another message.
///
/// | agent says | | coordinator says | |
/// |---|---|---|---|
/// | hello | 1 | challenge | 129 |
/// | proof | 2 | probes | 130 |
/// | probeAnswers | 3 | accepted | 131 |
/// | pull | 16 | refused | 132 |
/// | heartbeat | 17 | assignment | 144 |
/// | completed | 18 | cancel | 145 |
/// | failed | 19 | finish | 146 |
/// | returned | 20 | limits | 147 |
/// | goodbye | 21 | | |
///
/// Kinds below 128 are the agent's, the others the coordinator's: a frame that goes the wrong way is a violation. A kind of
/// the right side that is not in the table comes from a later version and is skipped.
package enum MessageKind: UInt8, Sendable, CaseIterable {
    case hello = 1
    case proof = 2
    case probeAnswers = 3
    case pull = 16
    case heartbeat = 17
    case completed = 18
    case failed = 19
    case returned = 20
    case goodbye = 21
    case challenge = 129
    case probes = 130
    case accepted = 131
    case refused = 132
    case assignment = 144
    case cancel = 145
    case finish = 146
    case limits = 147

    /// Whether a kind is the coordinator's.
    static func isCoordinators(_ kind: UInt8) -> Bool { kind >= 128 }
}

extension AgentMessage {
    package var kind: MessageKind {
        switch self {
        case .hello: .hello
        case .proof: .proof
        case .probeAnswers: .probeAnswers
        case .pull: .pull
        case .heartbeat: .heartbeat
        case .completed: .completed
        case .failed: .failed
        case .returned: .returned
        case .goodbye: .goodbye
        }
    }
}

extension CoordinatorMessage {
    package var kind: MessageKind {
        switch self {
        case .challenge: .challenge
        case .probes: .probes
        case .accepted: .accepted
        case .refused: .refused
        case .assignment: .assignment
        case .cancel: .cancel
        case .finish: .finish
        case .limits: .limits
        }
    }
}
