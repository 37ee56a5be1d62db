"""docs/openapi.yaml says what the server does, and the server shows it: as JSON, as a page, and in a browser."""

import re
import shutil
import uuid

import pytest
import requests
import yaml
from openapi_schema_validator import OAS30Validator
from openapi_spec_validator import validate
from testkit import browser, programs
from testkit.layout import REPOSITORY
from testkit.programs import Program
from testkit.rest import Server

SOURCES = REPOSITORY / "Sources" / "Coordinator" / "REST"
DESCRIPTION = yaml.safe_load((REPOSITORY / "docs" / "openapi.yaml").read_text())
OPERATIONS = {
    (method.upper(), path): operation for path, item in DESCRIPTION["paths"].items() for method, operation in item.items()
}


def source(name):
    return (SOURCES / name).read_text()


# MARK: the description and the sources


def test_the_description_is_valid():
    validate(DESCRIPTION)


def test_every_route_is_described():
    routes = re.findall(r'case "(/\w+)": \[(.*)\]', source("APIService.swift"))
    assert len(routes) > 7
    served = {(method, path) for path, handlers in routes for method in re.findall(r'"(\w+)": \w+', handlers)}
    assert served | {("GET", "/hello"), ("GET", "/check")} == set(OPERATIONS)


TYPES = {"string": "string", "text": "string", "bool": "boolean", "int64": "integer", "strings": "array"}
TYPES |= {"object": "object", "stringMap": "object", "chosen": None}


def keys_of(text):
    """Key to type of all that a piece of source reads of a body."""
    found = {}
    for reader, key in re.findall(r'(?:body|skipped|\$0|\btry|=)[ .](?:self\.)?(\w+)\("(\w+)"\)', text):
        if reader in TYPES:
            found[key] = TYPES[reader]
    for keys, reader in re.findall(r"for key in \[(.*?)\] where try body\.(\w+)\(key\)", text):
        found |= dict.fromkeys(re.findall(r'"(\w+)"', keys), TYPES[reader])
    for keys in re.findall(r"for \(key, name\) in \[(.*?)\]\n", text):
        found |= dict.fromkeys(re.findall(r'\("(\w+)",', keys), "string")
    return found


@pytest.mark.parametrize(
    ("structure", "schema", "shared"),
    [
        ("CreateBody", "CreateBackupRequest", True),
        ("RestoreBody", "RestoreBackupRequest", True),
        ("RestoreSecondaryBody", "RestoreSecondaryRequest", False),
        ("CancelBody", "CancelRequest", False),
        ("VerifyBody", "VerifyRequest", False),
    ],
)
def test_every_key_is_described(structure, schema, shared):
    text = source("APIBodies.swift")
    body = re.search(rf"^struct {structure}:.*?^}}", text, re.DOTALL | re.MULTILINE)[0]
    selectors = re.search(r"func sourceFilter.*?\n    }", text, re.DOTALL)[0] if shared else ""
    read = keys_of(body) | keys_of(selectors)
    schemas = DESCRIPTION["components"]["schemas"]
    described = dict(schemas[schema]["properties"])
    if structure == "RestoreBody":
        described |= schemas["SkipParams"]["properties"]
    assert set(read) == set(described)
    for key, kind in read.items():
        value = described[key]
        if "$ref" in value:
            value = schemas[value["$ref"].rpartition("/")[2]]
        assert kind in (None, value.get("type")), key


def test_every_parameter_is_described():
    text = source("APIService+Stored.swift")
    for function, path in [
        ("getRestore", "/get_restore"),
        ("getBackup", "/get_backup"),
        ("list", "/list"),
        ("delete", "/delete"),
        ("getVerification", "/verify"),
    ]:
        body = re.search(rf"^    func {function}\(.*?^    }}", text, re.DOTALL | re.MULTILINE)[0]
        read = set(re.findall(r'request\.parameter\("(\w+)"\)', body))
        (operation,) = [value for (_, route), value in OPERATIONS.items() if route == path and "requestBody" not in value]
        described = {each["name"] for each in operation["parameters"] if each.get("in") == "query"}
        assert read == described, path


def resolved(reference):
    value = DESCRIPTION
    for step in reference.removeprefix("#/").split("/"):
        value = value[step]
    return value


def check(value, schema):
    """Checks a value against a schema of the description."""
    OAS30Validator({**schema, "components": DESCRIPTION["components"]}).validate(value)


def test_the_examples_are_right():
    count = 0
    for operation in OPERATIONS.values():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            for example in content.get("examples", {}).values():
                check(example["value"], content["schema"])
                assert set(example["value"]) <= set(resolved(content["schema"]["$ref"])["properties"])
                count += 1
    for schema in DESCRIPTION["components"]["schemas"].values():
        for part in [schema, *schema.get("properties", {}).values()]:
            if "example" in part:
                check(part["example"], part)
                count += 1
    assert count > 10


def test_answers_are_as_described(api, note, notes_backup, drop_later, milvus_a, name):
    drop_later(milvus_a, f"notes{name}", note.database)

    def answer(method, path, **options):
        reply = api.call(method, path, **options)
        schema = OPERATIONS[method, path]["responses"]["200"]["content"]["application/json"]["schema"]
        check(reply.json, schema)
        known = set(resolved(schema["$ref"])["properties"])
        assert set(reply.json) <= known
        return reply

    schemas = DESCRIPTION["components"]["schemas"]
    data = answer("GET", "/get_backup", params={"backup_name": notes_backup}).data
    assert set(data) <= set(schemas["BackupInfoBrief"]["properties"])
    assert set(data["collection_backups"][0]) <= set(schemas["CollectionBackup"]["properties"])
    answer("GET", "/get_backup", params={"backup_name": name})
    answer("GET", "/get_backup")
    answer("GET", "/list")
    answer("GET", "/list", params={"all": "true"})
    answer("POST", "/create", json={})
    answer("POST", "/cancel", json={})
    answer("DELETE", "/delete", params={"backup_name": name})
    keys = {"backup_name": notes_backup, "metaOnly": True, "collection_suffix": name, "dropExistCollection": True}
    view = answer("POST", "/restore", json=keys).succeeded().data
    assert set(view) <= set(schemas["RestoreTask"]["properties"])
    (task,) = view["collection_restore_tasks"]
    assert set(task) <= set(schemas["CollectionRestoreTask"]["properties"])
    answer("GET", "/get_restore", params={"id": view["id"]})
    answer("GET", "/get_restore")
    view = answer("POST", "/verify", json={"backup_name": notes_backup, "deep": True}).succeeded().data
    assert set(view) <= set(schemas["Verification"]["properties"])
    assert set(view["report"]) == set(schemas["VerificationReport"]["properties"])
    answer("GET", "/verify", params={"id": view["id"]})
    answer("POST", "/verify", json={"backup_name": name})
    answer("GET", "/verify")


# MARK: the pages


def test_the_description_is_served(api):
    answer = api.get("/docs/doc.json")
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json == DESCRIPTION
    text = api.get("/docs/openapi.yaml").text
    assert yaml.safe_load(text) == DESCRIPTION


def test_the_base_path_of_a_proxy(site):
    server = site.start(change=lambda values: values.update(server={"swaggerBasePath": "/milvus/api/v1"}))
    described = server.client().get("/docs/doc.json").json
    assert described.pop("servers") == [{"url": "/milvus/api/v1"}]
    assert described == {key: value for key, value in DESCRIPTION.items() if key != "servers"}
    server.client().get("/list").succeeded()  # Where the routes are does not change.


def test_the_files_of_the_page(api):
    for path, place in [("/docs", "docs/index.html"), ("/docs/", "index.html")]:
        answer = api.get(path)
        assert (answer.status, answer.headers["Location"]) == (302, place)
    page = api.get("/docs/index.html")
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    names = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(names) == 4
    kinds = {"js": "text/javascript", "css": "text/css", "png": "image/png"}
    for name in names:
        answer = requests.get(f"{api.url}/api/v1/docs/{name}", timeout=60)
        assert answer.status_code == 200 and len(answer.content) > 100, name
        assert answer.headers["Content-Type"].startswith(kinds[name.rpartition(".")[2]])
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert api.call("POST", "/docs/index.html").status == 405


@pytest.mark.parametrize(
    "path",
    [
        "PACKAGE", "LICENSE", "none.js", ".js", "%2e%2e/swagger-ui/swagger-ui.css", "..%2fswagger-ui%2fswagger-ui.css",
        "%2fetc%2fpasswd", "/etc/passwd", "x/swagger-ui.css", "swagger-ui.css/", "swagger-ui.css%00", "swagger-ui",
    ],
)  # fmt: skip
def test_no_other_file_is_served(api, path):
    answer = requests.get(f"{api.url}/api/v1/docs/{path}", timeout=60)
    assert answer.status_code in (400, 404), path


def test_the_pages_need_no_token(site):
    server = site.start(change=lambda values: values.update(server={"token": "x" * 20, "listen": "127.0.0.1"}))
    assert server.client().get("/docs/index.html").status == 200
    assert server.client().get("/docs/doc.json").status == 200
    assert server.client().get("/list").status == 401
    assert server.client().call("GET", "/docs/doc.json", headers={"Origin": "http://evil.example"}).status == 403


class Elsewhere:
    """The program in another directory, as it is when it is copied without the files of Swagger UI, or installed."""

    def __init__(self, site, directory):
        (directory / "bin").mkdir()
        self.program = directory / "bin" / "milvus-backup"
        shutil.copy(programs.BINARIES / "milvus-backup", self.program)
        self.installation = site.installation()

    def start(self, *arguments, environment=None):
        file = self.installation.configuration_file
        started = Program(
            self.program, [*arguments, "--config", file], self.installation.directory, uuid.uuid4().hex, environment
        )
        self.installation.programs.append(started)
        return started


@pytest.mark.parametrize("installed", [False, True])
def test_where_the_files_are_found(site, tmp_path, installed):
    elsewhere = Elsewhere(site, tmp_path)
    if installed:
        shutil.copytree(REPOSITORY / ".build" / "swagger-ui", tmp_path / "share" / "milvus-backup" / "swagger-ui")
    api = Server(elsewhere).client()
    page = api.get("/docs/index.html")
    assert page.status == 200 and page.headers["Content-Type"].startswith("text/html")
    assert api.get("/docs/doc.json").json == DESCRIPTION
    if installed:
        assert "swagger-ui-bundle.js" in page.text
    else:
        assert "/get_backup:" in page.text and "Swagger UI is not installed" in page.text
        assert api.get("/docs/swagger-ui-bundle.js").status == 404


# MARK: in a browser


@pytest.fixture
def page(tmp_path):
    if not browser.PROGRAM:
        pytest.skip("chromium is not installed (scripts/bootstrap installs it where apt-get is)")
    page = browser.Page(tmp_path)
    yield page
    page.close()


def test_swagger_ui_in_a_browser(api, page, notes_backup):
    page.open(f"{api.url}/api/v1/docs/index.html")
    page.wait_for("document.querySelectorAll('.opblock').length > 0")
    shown = page.evaluate(
        "[...document.querySelectorAll('.opblock')].map(each => [each.querySelector('.opblock-summary-method').innerText,"
        " each.querySelector('[data-path]').dataset.path])"
    )
    assert {tuple(each) for each in shown} == set(OPERATIONS)
    block = "#operations-backup-listBackups"
    page.click(f"{block} .opblock-summary-control")
    page.click(f"{block} .try-out__btn")
    page.click(f"{block} .execute")
    answer = page.wait_for(
        f"(document.querySelector('{block} .live-responses-table .highlight-code') || {{}}).innerText"
    )
    assert notes_backup in answer and '"msg": "success"' in answer
