import CYAML

/// Reads the first document of a YAML text into a tree, with bounds on what a hostile text can cost.
package struct YAMLReader {
    /// Bytes of a text, at most.
    package static let maximumSize = 1 << 20
    /// Levels of nesting, at most.
    static let maximumDepth = 32
    /// Nodes, at most, aliases counted as often as they are used.
    static let maximumNodes = 20_000

    private var events: YAMLEvents
    private var anchors: [String: YAMLNode] = [:]
    private var problems: [YAMLProblem] = []

    /// - Throws: the first thing that makes the text unreadable.
    package static func read(_ text: [UInt8]) throws(YAMLProblem) -> YAMLDocument {
        guard text.count <= maximumSize else {
            throw YAMLProblem(line: 1, message: "the file has more than \(maximumSize >> 20) MiB")
        }
        let events = YAMLEvents(text)
        var reader = YAMLReader(events: events)
        return try reader.document()
    }

    private mutating func document() throws(YAMLProblem) -> YAMLDocument {
        var document = YAMLDocument()
        while true {
            let event = try events.next()
            switch event.kind {
            case .documentStart where document.root != nil:
                document.hasMore = true
                return document
            case .streamEnd: return document
            case .other, .documentStart: continue
            default:
                document.root = try node(event, level: 1)
                document.problems = problems
            }
        }
    }

    private mutating func node(_ event: YAMLEvent, level: Int) throws(YAMLProblem) -> YAMLNode {
        guard level <= YAMLReader.maximumDepth else { throw tooDeep(event.line) }
        var node: YAMLNode
        switch event.kind {
        case .scalar(let text, let isPlain):
            node = YAMLNode(content: .scalar(text, isPlain: isPlain), line: event.line)
        case .alias(let name):
            guard let known = anchors[name] else {
                throw YAMLProblem(line: event.line, message: "the anchor \"\(name)\" is not defined before this line")
            }
            guard level + known.depth - 1 <= YAMLReader.maximumDepth else { throw tooDeep(event.line) }
            return known
        case .sequenceStart: node = try sequence(line: event.line, level: level)
        case .mappingStart: node = try mapping(line: event.line, level: level)
        default: throw YAMLProblem(line: event.line, message: "a value was expected")
        }
        if let anchor = event.anchor { anchors[anchor] = node }
        return node
    }

    private mutating func sequence(line: Int, level: Int) throws(YAMLProblem) -> YAMLNode {
        var elements: [YAMLNode] = []
        var result = YAMLNode(content: .sequence([]), line: line)
        while true {
            let event = try events.next()
            if event.kind == .sequenceEnd { break }
            let element = try node(event, level: level + 1)
            try result.account(for: element)
            elements.append(element)
        }
        result.content = .sequence(elements)
        return result
    }

    private mutating func mapping(line: Int, level: Int) throws(YAMLProblem) -> YAMLNode {
        var entries: [YAMLNode.Entry] = []
        var lines: [String: Int] = [:]
        var merged: [YAMLNode] = []
        var result = YAMLNode(content: .mapping([]), line: line)
        while true {
            let event = try events.next()
            if event.kind == .mappingEnd { break }
            guard case .scalar(let key, let isPlain) = event.kind else {
                throw YAMLProblem(line: event.line, message: "a key must be a plain text")
            }
            let value = try node(try events.next(), level: level + 1)
            try result.account(for: value)
            if key == "<<", isPlain {
                merged.append(value)
                continue
            }
            if let first = lines.updateValue(event.line, forKey: key.lowercased()) {
                let message = "the key \"\(key)\" is already there in line \(first)"
                problems.append(YAMLProblem(line: event.line, message: message))
                continue
            }
            entries.append(YAMLNode.Entry(key: key, line: event.line, value: value))
        }
        for source in merged { try merge(source, into: &entries, keys: &lines) }
        result.content = .mapping(entries)
        return result
    }

    /// The merge key `<<`: takes over the entries of other mappings that are not written out here.
    private func merge(
        _ source: YAMLNode, into entries: inout [YAMLNode.Entry], keys: inout [String: Int]
    ) throws(YAMLProblem) {
        switch source.content {
        case .mapping(let others):
            for entry in others where keys[entry.key.lowercased()] == nil {
                keys[entry.key.lowercased()] = entry.line
                entries.append(entry)
            }
        case .sequence(let sources) where sources.allSatisfy({ if case .mapping = $0.content { true } else { false } }):
            for source in sources { try merge(source, into: &entries, keys: &keys) }
        default: throw YAMLProblem(line: source.line, message: "\"<<\" needs a mapping or a list of mappings")
        }
    }

    private func tooDeep(_ line: Int) -> YAMLProblem {
        YAMLProblem(line: line, message: "values are nested more than \(YAMLReader.maximumDepth) levels deep")
    }
}

extension YAMLNode {
    /// Counts a child in.
    fileprivate mutating func account(for child: YAMLNode) throws(YAMLProblem) {
        weight += child.weight
        depth = max(depth, child.depth + 1)
        guard weight <= YAMLReader.maximumNodes else {
            throw YAMLProblem(line: child.line, message: "there are more than \(YAMLReader.maximumNodes) values")
        }
    }
}
