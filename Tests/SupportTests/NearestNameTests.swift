import Support
import Testing

@Suite("Nearest name")
struct NearestNameTests {
    @Test(
        arguments: [
            ("creat", "create"), ("CREATE", "create"), ("craete", "create"), ("delte", "delete"), ("lst", "list"),
            ("restroe", "restore"), ("x", nil), ("gt", nil), ("completely", nil), ("", nil),
        ])
    func commands(name: String, expected: String?) {
        #expect(nearestName(to: name, among: ["create", "delete", "get", "list", "restore"]) == expected)
    }
}
