/// The shortest path that means the same, by the rules of Go's `path.Clean`: `//` becomes `/`, `.` and `a/..` go, a
/// slash at the end goes, a slash at the beginning stays. Empty stays empty.
package func cleanPath(_ path: String) -> String {
    let isRooted = path.utf8.first == UInt8(ascii: "/")
    var elements: [Substring] = []
    for element in path.split(separator: "/") where element != "." {
        if element != ".." {
            elements.append(element)
        } else if let last = elements.last, last != ".." {
            elements.removeLast()
        } else if !isRooted {
            elements.append(element)
        }
    }
    return (isRooted ? "/" : "") + elements.joined(separator: "/")
}

/// The elements that are not empty with slashes between them, cleaned: Go's `path.Join`.
package func joinPath(_ elements: String...) -> String {
    cleanPath(elements.filter { !$0.isEmpty }.joined(separator: "/"))
}

/// The clean form of `path` as the prefix of the keys below it: with a slash at its end, or empty.
func directoryPrefix(_ path: String) -> String {
    let path = cleanPath(path)
    return path.isEmpty || path == "/" ? path : path + "/"
}
