import Configuration
import Glibc
import HTTPServer
import JSON
import Support

/// `/api/v1/docs`: the description of the interface (docs/openapi.yaml, which is part of the program), and Swagger UI to read it
/// and to try it out, where its files are installed.
struct APIDocumentation: Sendable {
    private static let root = "/api/v1/docs"
    /// As docs/openapi.yaml has it.
    private static let defaultBasePath = "/api/v1"

    /// Where Swagger UI's files are; nil when they are not installed.
    private let directory: String?
    /// The description as JSON.
    private let description: [UInt8]

    /// - Parameter basePath: where clients find the interface, for instance behind a proxy; empty for where it is here.
    init(basePath: String, directories: [String] = SwaggerFiles.directories(), logger: Logger) {
        directory = directories.first { access("\($0)/swagger-ui-bundle.js", R_OK) == 0 }
        if directory == nil { logger.info("Swagger UI is not installed: the pages of /docs are plain") }
        do {
            let document = try OpenAPIDocument.json(PackageResources.openapi_yaml, basePath: basePath)
            description = try JSONWriter.bytes { try $0.value(document) }
        } catch {
            logger.error("the description of the interface cannot be read", ["error": BackupError(wrapping: error)])
            description = []
        }
    }

    /// Whether a path is one of these pages.
    static func isAbout(_ path: String) -> Bool { path == root || path.hasPrefix("\(root)/") }

    func response(to path: String) async -> HTTPServerResponse {
        switch path.dropFirst(Self.root.count + 1) {
        case "":
            // Relative: a proxy may have put something in front.
            return HTTPServerResponse(
                status: 302, headers: [("Location", path.hasSuffix("/") ? "index.html" : "docs/index.html")])
        case "index.html": return page
        case "doc.json": return .json(description)
        case "openapi.yaml": return reply(PackageResources.openapi_yaml, "application/yaml; charset=utf-8")
        case "initializer.js": return reply(Array(SwaggerFiles.initializer.utf8), "text/javascript; charset=utf-8")
        case let name:
            guard let directory, let type = SwaggerFiles.contentType(of: String(name)),
                let bytes = try? await onDedicatedThread({
                    try ConfigurationFile.read("\(directory)/\(name)", limit: 8 << 20)
                })
            else { return .text("404 page not found", status: 404) }
            return reply(bytes, type)
        }
    }

    private var page: HTTPServerResponse {
        guard directory != nil else {
            let text = String(decoding: PackageResources.openapi_yaml, as: UTF8.self)
            return reply(Array(SwaggerFiles.plainPage(text).utf8), "text/html; charset=utf-8")
        }
        return reply(Array(SwaggerFiles.page.utf8), "text/html; charset=utf-8")
    }

    private func reply(_ body: [UInt8], _ type: String) -> HTTPServerResponse {
        HTTPServerResponse(
            status: 200,
            headers: [
                ("Content-Type", type), ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", "DENY"),
                (
                    "Content-Security-Policy",
                    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"
                ),
            ], body: body)
    }
}

/// The files of Swagger UI, and the pages around them.
enum SwaggerFiles {
    /// Where they may be: beside a program that was built here, and where `make install` puts them.
    static func directories() -> [String] {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        var places = ["/usr/local/share/milvus-backup/swagger-ui", "/usr/share/milvus-backup/swagger-ui"]
        if count > 0 {
            let program = String(decoding: buffer.prefix(count), as: UTF8.self)
            let folder = program.split(separator: "/").dropLast().map { "/\($0)" }.joined()
            // .build/<triple>/release/milvus-backup, and PREFIX/bin/milvus-backup.
            places = ["\(folder)/../../swagger-ui", "\(folder)/../share/milvus-backup/swagger-ui"] + places
        }
        return places
    }

    /// Nil for a name that is no plain file name of a known type.
    static func contentType(of name: String) -> String? {
        let parts = name.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count > 1, parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(isFileNameByte) }) else {
            return nil
        }
        return switch parts.last {
        case "js": "text/javascript; charset=utf-8"
        case "css": "text/css; charset=utf-8"
        case "png": "image/png"
        default: nil
        }
    }

    private static func isFileNameByte(_ byte: UInt8) -> Bool {
        let letter = byte | 0x20
        return (0x61...0x7a).contains(letter) || (0x30...0x39).contains(byte) || byte == 0x2d || byte == 0x5f
    }

    static let page = """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <title>milvus-backup</title>
        <link rel="stylesheet" href="swagger-ui.css">
        <link rel="icon" type="image/png" href="favicon-32x32.png" sizes="32x32">
        </head>
        <body>
        <div id="swagger-ui"></div>
        <script src="swagger-ui-bundle.js"></script>
        <script src="initializer.js"></script>
        </body>
        </html>

        """

    static let initializer = """
        window.ui = SwaggerUIBundle({
            url: "doc.json",
            dom_id: "#swagger-ui",
            deepLinking: true,
            validatorUrl: null,
            presets: [SwaggerUIBundle.presets.apis]
        });

        """

    /// The page when the files are not there.
    static func plainPage(_ description: String) -> String {
        let text = description.replacing("&", with: "&amp;").replacing("<", with: "&lt;")
        return """
            <!DOCTYPE html>
            <html lang="en">
            <head><meta charset="utf-8"><title>milvus-backup</title></head>
            <body>
            <h1>milvus-backup</h1>
            <p>Swagger UI is not installed here: this is the description itself, also as <a href="doc.json">JSON</a>.</p>
            <pre>\(text)</pre>
            </body>
            </html>

            """
    }
}

/// docs/openapi.yaml as JSON.
enum OpenAPIDocument {
    /// - Parameter basePath: replaces the one of `servers`; empty to keep it.
    static func json(_ yaml: [UInt8], basePath: String) throws -> JSONValue {
        guard let root = try YAMLReader.read(yaml).root, case .object(var members) = value(root) else {
            throw BackupError(.internalError, "the description of the interface is no object")
        }
        if !basePath.isEmpty {
            members.removeAll { $0.key == "servers" }
            members.append(.init("servers", .array([["url": .string(basePath)]])))
        }
        return .object(members)
    }

    private static func value(_ node: YAMLNode) -> JSONValue {
        switch node.content {
        case .sequence(let nodes): .array(nodes.map(value))
        case .mapping(let entries): .object(entries.map { .init($0.key, value($0.value)) })
        case .scalar(let text, isPlain: true): plain(text, isNull: node.isNull)
        case .scalar(let text, isPlain: false): .string(text)
        }
    }

    private static func plain(_ text: String, isNull: Bool) -> JSONValue {
        if isNull { return .null }
        if text == "true" || text == "false" { return .bool(text == "true") }
        return Int64(text).map(JSONValue.int64) ?? .string(text)
    }
}
