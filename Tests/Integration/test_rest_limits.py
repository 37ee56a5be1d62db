"""The REST server itself: who is let in, what is too large, TLS, long requests, many clients at once."""

import socket
import subprocess
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests
from testkit import data
from testkit.layout import HOST
from testkit.processes import wait_until
from testkit.rest import DONE
from testkit.server_connection import Connection

TOKEN = "a-token-for-this-test"


# MARK: who is let in


@pytest.fixture(scope="module")
def guarded(site):
    """A server with a token."""
    return site.start(change=lambda values: values.update(server={"token": TOKEN, "listen": HOST}))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer größe".encode()},
    ],
)
def test_requests_without_the_token(guarded, headers):
    client = guarded.client(headers=headers)
    for method, path in [
        ("POST", "/create"),
        ("GET", "/list"),
        ("GET", "/get_backup"),
        ("DELETE", "/delete"),
        ("POST", "/restore"),
        ("POST", "/restore_secondary"),
        ("GET", "/get_restore"),
        ("GET", "/check"),
        ("POST", "/cancel"),
        ("GET", "/none"),
    ]:
        answer = client.call(method, path, json={})
        assert answer.status == 401, f"{method} {path}: {answer}"
        assert answer.headers["WWW-Authenticate"] == "Bearer" and "token" in answer.json["error"]
    assert client.get("/hello").status == 200


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_requests_with_the_token(guarded, scheme):
    guarded.client(headers={"Authorization": f"{scheme} {TOKEN}"}).get("/list").succeeded()
    assert TOKEN not in guarded.log


def test_the_token_of_the_environment(site):
    server = site.start("-p", 0, environment={"MILVUS_BACKUP_API_TOKEN": TOKEN, "MILVUS_BACKUP_LISTEN": HOST})
    assert server.client().get("/list").status == 401
    server.client(headers={"Authorization": f"Bearer {TOKEN}"}).get("/list").succeeded()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:{port}"}, 200),
        ({"Host": "127.0.0.1:{port}"}, 200),
        ({"Host": "LOCALHOST"}, 200),
        # A name that somebody else's DNS leads here.
        ({"Host": "evil.example:{port}"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "localhost.evil.example"}, 403),
        # A page of another site.
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Host": "localhost:{port}", "Origin": "http://localhost:{port}"}, 200),
    ],
)
def test_other_peoples_pages(site, api, headers, status):
    headers = {key: value.format(port=site.server.port) for key, value in headers.items()}
    answer = api.call("GET", "/list", headers=headers)
    assert answer.status == status, str(answer)
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_where_it_listens(site, layout):
    """This machine alone, unless something else is asked for, which is a warning without a token."""
    assert site.server.url.startswith(f"http://{HOST}:")
    port = layout.port_base + 92
    server = site.start("-p", port, environment={"SERVER_PORT": "1"})
    assert server.port == port
    server.program.stop()
    everywhere = site.start("-p", 0, environment={"MILVUS_BACKUP_LISTEN": "0.0.0.0"})
    assert "can be reached by others" in everywhere.log and "0.0.0.0" in everywhere.url
    assert requests.get(f"http://{HOST}:{everywhere.port}/api/v1/list", timeout=60).status_code == 200
    again = site.installation().run("server", "-p", everywhere.port, environment={"MILVUS_BACKUP_LISTEN": "0.0.0.0"})
    assert again.code == 1 and str(everywhere.port) in again.errors


def test_port_of_the_environment(site, layout):
    port = layout.port_base + 93
    installation = site.installation()
    program = installation.start("server", environment={"SERVER_PORT": str(port)})
    assert wait_until(lambda: f":{port}/api/v1" in program.errors, 60), program.errors
    program.stop()
    refused = installation.run("server", environment={"SERVER_PORT": "many"})
    assert refused.code != 0 and "SERVER_PORT" in refused.errors


def test_tls(site, tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=localhost", "-addext", f"subjectAltName=DNS:localhost,IP:{HOST}"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    tls = {"certPath": str(certificate), "keyPath": str(key)}
    server = site.start(change=lambda values: values.update(server={"tls": tls}))
    assert server.url.startswith("https://")
    server.client(verify=str(certificate)).get("/list").succeeded()
    with pytest.raises(requests.exceptions.SSLError):
        server.client().get("/list")
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(server.url.replace("https", "http"), timeout=60)


# MARK: what is too large


def test_limits(api, notes_backup):
    large = '{"backup_name":"' + "x" * (1 << 20) + '"}'
    for path in ["/create", "/restore", "/cancel"]:
        assert api.call("POST", path, data=large).status == 413
    assert api.call("GET", "/list", headers={"X": "x" * (17 << 10)}).status == 431
    assert api.call("GET", "/list?" + "x" * (40 << 10)).status in (414, 431)
    api.call("POST", "/restore", data='{"backup_name":"b"}' + " " * (1 << 19)).refused(400, "not found")
    nested = "[" * 100_000
    api.call("POST", "/create", data='{"filter":' + nested).malformed("invalid request body")
    assert notes_backup in api.names()


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/get_backup?backup_name=%zz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /api/v1/get_backup?backup_name=%ff HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /api/v1/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        "POST /api/v1/create HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        "nonsense\r\n\r\n",
    ],
)
def test_malformed_requests(site, api, text):
    with socket.create_connection((HOST, site.server.port), timeout=60) as connection:
        connection.sendall(text.encode("latin-1"))
        answer = connection.recv(100)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 400"), answer
    api.get("/list").succeeded()


# MARK: long requests


def through(gate):
    """A change of the configuration that leads to the backup store by way of a proxy."""
    return lambda values: values["backup"]["storage"].update(port=gate.port)


@pytest.mark.long
def test_no_time_out_cuts_a_long_request(site, archive, proxy, name):
    """The store takes more than a minute, which is how long a connection may be idle elsewhere."""
    gate = proxy(site.bucket.service)
    api = site.start(change=through(gate)).client()
    began = time.monotonic()
    done = threading.Event()

    def trickle():
        while not done.wait(0.5):
            gate.hold_after(32 * 1024 if time.monotonic() < began + 75 else 1 << 30)

    gate.hold_after(32 * 1024)
    threading.Thread(target=trickle, daemon=True).start()
    try:
        answer = api.create(name, filter={archive.database: {"colls": ["*"]}}).succeeded()
    finally:
        done.set()
    assert answer.data["state_code"] == DONE
    assert time.monotonic() - began > 65


def test_a_client_that_leaves_stops_nothing(site, archive, proxy, name):
    gate = proxy(site.bucket.service)
    slow = site.start(change=through(gate)).client()
    gate.hold_after(256 * 1024)
    body = {"backup_name": name, "filter": {archive.database: {"colls": ["*"]}}}

    def ask_and_leave():
        with pytest.raises(requests.exceptions.ReadTimeout):
            slow.call("POST", "/create", json=body, timeout=(60, 2))

    ask_and_leave()
    assert wait_until(lambda: gate.holding, 60)
    assert slow.backup(name).succeeded().data["state_code"] == 1
    gate.release()
    assert slow.wait_for_backup(name)["state_code"] == DONE


# MARK: many at once


def rounds(api, milvus, source, count, who):
    """What one client does: everything, again and again, with names of its own."""
    for number in range(count):
        name = f"{who}_{number}"
        api.create(name, collection_names=[source], **{"async": number % 2 == 1}).succeeded()
        assert api.wait_for_backup(name)["state_code"] == DONE
        assert name in api.names()
        view = api.restore(name, id=f"r_{name}", collection_suffix=f"_{name}", **{"async": True}).succeeded().data
        assert view["id"] == f"r_{name}"
        view = api.wait_for_restore(f"r_{name}")
        assert view["state_code"] == DONE, view
        (task,) = view["collection_restore_tasks"]
        assert task["target_collection_name"] == f"{source}_{name}"
        api.delete(name).succeeded()
        api.backup(name).refused(404)
        with Connection(milvus.address) as connection:
            assert connection.has(f"{source}_{name}")
            connection.drop(f"{source}_{name}")


@pytest.mark.parametrize("count", [2, pytest.param(10, marks=pytest.mark.long)])
def test_four_clients_in_parallel(site, api, milvus_a, collection_of, name, count):
    collection_of(milvus_a, data.make_documents, name, rows=20)
    clients = [f"c{number}_{uuid.uuid4().hex[:6]}" for number in range(4)]
    before = set(api.names())
    with ThreadPoolExecutor(max_workers=4) as pool:
        for future in [pool.submit(rounds, api, milvus_a, name, count, client) for client in clients]:
            future.result()
    assert set(api.names()) == before
    assert not [key for key in site.bucket.sizes("backup/") if any(client in key for client in clients)]
