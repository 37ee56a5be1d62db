"""A fake of Azure Blob Storage, because neither Azure nor Microsoft's emulator can run in the testbed.

It keeps its blobs in memory and does what milvus-backup asks of the real one: containers, listings by pages, reads of
ranges, conditional writes, blocks and lists of blocks, and copies by URL. What would make such a fake worthless is a mistake
made on both sides, so:

- every Shared Key signature and every SAS is computed again by Microsoft's own client (azure-storage-blob) and compared;
- a test drives the fake with that client (test_azure.py), so that it is no easier to please than the real service there.

Over TLS only, with an authority of its own. The account is the first part of the path, as with the emulator.

    python -m testkit.azure DIRECTORY PORT     serves until it is killed; DIRECTORY/authority.pem is to be trusted
"""

import base64
import hashlib
import json
import ssl
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree
from xml.sax.saxutils import escape

HOST = "127.0.0.1"
ACCOUNT = "testbedaccount"
# Of a server that lives on this machine's loopback interface for the length of a test run.
KEY = base64.b64encode(hashlib.sha512(b"testbed").digest()).decode()
TOKEN = "testbed-entra-token"
TOKEN_SECRET = "testbed-entra-secret"


class Refusal(Exception):
    def __init__(self, status, code, message="In words."):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


class Blob:
    def __init__(self, data, blocks=None, content_type=""):
        self.data, self.content_type = data, content_type
        self.blocks = blocks or {}
        # No digest of anything, like the real one.
        self.etag = f'"0x{uuid.uuid4().hex[:15].upper()}"'
        self.modified = formatdate(usegmt=True)


class Account:
    """What is stored, and who may do what with it."""

    def __init__(self, name=ACCOUNT, key=KEY):
        self.name, self.key = name, key
        self.lock = threading.RLock()
        self.containers = {}
        self.uncommitted = {}
        self.refusals = []
        # Blobs and blocks that were copied here by themselves.
        self.copies = 0

    def container(self, name):
        if name not in self.containers:
            raise Refusal(404, "ContainerNotFound", "The specified container does not exist.")
        return self.containers[name]

    def blob(self, container, key):
        blobs = self.container(container)
        if key not in blobs:
            raise Refusal(404, "BlobNotFound", "The specified blob does not exist.")
        return blobs[key]

    # MARK: Who may do it

    def authorize(self, method, url, headers):
        given = headers.get("authorization", "")
        if given.startswith("Bearer "):
            if given != f"Bearer {TOKEN}":
                raise Refusal(401, "InvalidAuthenticationInfo", "Server failed to authenticate the request.")
            return
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        if not given and "sig" in query:
            return self.check_signature_of_url(method, url, query)
        if not given:
            raise Refusal(401, "NoAuthenticationInformation", "Server failed to authenticate the request.")
        date = headers.get("x-ms-date")
        if not date or abs(parsedate_to_datetime(date).timestamp() - time.time()) > 900:
            raise Refusal(403, "AuthenticationFailed", f"Request date header too old: '{date}'")
        expected = shared_key(self, method, url, headers)
        if given != expected:
            raise Refusal(
                403, "AuthenticationFailed",
                f"Server failed to authenticate the request. The MAC signature found in the HTTP request '{given}' is not "
                "the same as any computed signature.",
            )  # fmt: skip

    def check_signature_of_url(self, method, url, query):
        container, key = split_path(self, urllib.parse.urlsplit(url).path)
        expires = time.strptime(query["se"], "%Y-%m-%dT%H:%M:%SZ")
        if query["sig"] != blob_sas(self, container, key, query) or time.mktime(expires) - time.timezone < time.time():
            raise Refusal(403, "AuthenticationFailed", "Signature did not match.")
        if method not in ("GET", "HEAD") or query["sp"] != "r" or query["sr"] != "b":
            raise Refusal(403, "AuthorizationPermissionMismatch")

    def source(self, headers):
        """The bytes of the blob that a request tells to copy, if it proves the right to read it."""
        url = headers["x-ms-copy-source"]
        authorization = headers.get("x-ms-copy-source-authorization")
        try:
            self.authorize("GET", url, {"authorization": authorization} if authorization else {})
            container, key = split_path(self, urllib.parse.urlsplit(url).path)
            data = self.blob(container, key).data
        except Refusal as refusal:
            raise Refusal(refusal.status, "CannotVerifyCopySource", refusal.message) from None
        if wanted := headers.get("x-ms-source-range"):
            first, last = parse_range(wanted, len(data))
            data = data[first : last + 1]
        self.copies += 1
        return data


def shared_key(account, method, url, headers):
    """The Authorization field that Microsoft's client would send with this request."""
    from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy

    query = {name: value for name, value in urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query, True)}
    request = SimpleNamespace(
        context=SimpleNamespace(transport=None),
        # It reads the values of a query as they are in the URL.
        http_request=SimpleNamespace(
            method=method, url=url, headers=dict(headers),
            query={name: urllib.parse.quote(value, safe="") for name, value in query.items()},
        ),
    )  # fmt: skip
    request.http_request.headers.pop("authorization", None)
    SharedKeyCredentialPolicy(account.name, account.key).on_request(request)
    return request.http_request.headers["Authorization"]


def blob_sas(account, container, key, query):
    """The signature that Microsoft's client would give for these parameters."""
    from azure.storage.blob._shared_access_signature import BlobSharedAccessSignature

    signer = BlobSharedAccessSignature(account.name, account.key)
    signer.x_ms_version = query["sv"]
    token = signer.generate_blob(
        container, key, permission=query["sp"], expiry=query["se"], start=query.get("st"), protocol=query.get("spr")
    )
    return dict(urllib.parse.parse_qsl(token))["sig"]


def split_path(account, path):
    parts = path.split("/", 3)
    if len(parts) < 3 or parts[1] != account.name:
        raise Refusal(404, "ResourceNotFound", "The specified resource does not exist.")
    return urllib.parse.unquote(parts[2]), urllib.parse.unquote(parts[3]) if len(parts) > 3 else ""


def parse_range(text, size):
    first, last = text.removeprefix("bytes=").split("-")
    if int(first) >= size:
        raise Refusal(416, "InvalidRange", "The range specified is invalid for the current size of the resource.")
    return int(first), min(int(last) if last else size - 1, size - 1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query, True))
        account = self.server.account
        try:
            # The whole body first: half of one leaves nothing behind.
            body = self._read_body(headers)
        except OSError:
            self.close_connection = True
            return
        try:
            if url.path.endswith("/oauth2/v2.0/token"):
                return self._give_token(body)
            container, key = split_path(account, url.path)
            account.authorize(self.command, f"https://{HOST}{self.path}", headers)
            if "x-ms-version" not in headers:
                raise Refusal(400, "MissingRequiredHeader")
            with account.lock:
                operation = self._operation(bool(key), query, headers)
                operation(container, key, query, headers, body)
        except Refusal as refusal:
            account.refusals.append(refusal.code)
            document = (
                '\ufeff<?xml version="1.0" encoding="utf-8"?><Error><Code>'
                f"{refusal.code}</Code><Message>{escape(refusal.message)}\nRequestId:{uuid.uuid4()}\nTime:now</Message></Error>"
            )
            self._answer(refusal.status, document.encode(), {"x-ms-error-code": refusal.code})

    do_GET = do_HEAD = do_PUT = do_DELETE = do_POST = do

    def _operation(self, has_key, query, headers):
        comp = query.get("comp", "")
        if not has_key and query.get("restype") == "container":
            operations = {("GET", "list"): self._list, ("PUT", ""): self._create, ("DELETE", ""): self._drop,
                          ("GET", ""): self._look}  # fmt: skip
        else:
            operations = {("GET", ""): self._get, ("HEAD", ""): self._get, ("PUT", ""): self._put, ("DELETE", ""): self._delete,
                          ("PUT", "block"): self._put_block, ("PUT", "blocklist"): self._put_block_list}  # fmt: skip
        if (self.command, comp) not in operations:
            raise Refusal(405, "UnsupportedHttpVerb")
        return operations[self.command, comp]

    # MARK: Containers

    def _create(self, container, key, query, headers, body):
        if container in self.server.account.containers:
            raise Refusal(409, "ContainerAlreadyExists", "The specified container already exists.")
        self.server.account.containers[container] = {}
        self._answer(201)

    def _look(self, container, key, query, headers, body):
        self.server.account.container(container)
        self._answer(200)

    def _drop(self, container, key, query, headers, body):
        self.server.account.container(container)
        del self.server.account.containers[container]
        self._answer(202)

    def _list(self, container, key, query, headers, body):
        blobs = self.server.account.container(container)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        marker = base64.b64decode(query["marker"]).decode() if query.get("marker") else ""
        limit = int(query.get("maxresults", 5000))
        entries = {}
        for name in sorted((name for name in blobs if name.startswith(prefix)), key=str.encode):
            end = name.find(delimiter, len(prefix)) if delimiter else -1
            entries.setdefault(name if end < 0 else name[: end + len(delimiter)], end >= 0)
        rest = [(name, is_prefix) for name, is_prefix in entries.items() if name.encode() >= marker.encode()]
        page, rest = rest[:limit], rest[limit:]
        following = base64.b64encode(rest[0][0].encode()).decode() if rest else ""
        text = "".join(
            f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>"
            if is_prefix
            else f"<Blob><Name>{escape(name)}</Name><Properties><Last-Modified>{blobs[name].modified}</Last-Modified>"
            f"<Etag>{blobs[name].etag[1:-1]}</Etag><Content-Length>{len(blobs[name].data)}</Content-Length>"
            "<BlobType>BlockBlob</BlobType></Properties></Blob>"
            for name, is_prefix in page
        )
        document = (
            f'\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="{container}">'
            f"<Prefix>{escape(prefix)}</Prefix><Blobs>{text}</Blobs><NextMarker>{following}</NextMarker></EnumerationResults>"
        )
        self._answer(200, document.encode(), {"Content-Type": "application/xml"})

    # MARK: Blobs

    def _get(self, container, key, query, headers, body):
        blob = self.server.account.blob(container, key)
        if headers.get("if-match") not in (None, "*", blob.etag):
            raise Refusal(412, "ConditionNotMet", "The condition specified using HTTP conditional header(s) is not met.")
        fields = {"ETag": blob.etag, "x-ms-blob-type": "BlockBlob", "Last-Modified": blob.modified}
        fields["Content-Type"] = blob.content_type or "application/octet-stream"
        data, status = blob.data, 200
        if wanted := headers.get("x-ms-range") or headers.get("range"):
            first, last = parse_range(wanted, len(data))
            fields["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
            data, status = data[first : last + 1], 206
        self._answer(status, data, fields)

    def _put(self, container, key, query, headers, body):
        if headers.get("x-ms-blob-type") != "BlockBlob":
            raise Refusal(400, "MissingRequiredHeader")
        if "x-ms-copy-source" in headers:
            body = self.server.account.source(headers)
        self._store(container, key, headers, Blob(body, content_type=headers.get("content-type", "")))

    def _store(self, container, key, headers, blob):
        """A refused one leaves everything as it was; an accepted one drops all blocks that are in no list."""
        blobs = self.server.account.container(container)
        if any(part.endswith(".") for part in key.split("/")) or key.endswith("/") or "\\" in key:
            raise Refusal(400, "InvalidUri", "The fake does not guess what Azure makes of this name.")
        if headers.get("if-none-match") == "*" and key in blobs:
            raise Refusal(409, "BlobAlreadyExists", "The specified blob already exists.")
        if wanted := headers.get("if-match"):
            if key not in blobs or wanted not in ("*", blobs[key].etag):
                raise Refusal(412, "ConditionNotMet", "The condition specified is not met.")
        blobs[key] = blob
        self.server.account.uncommitted.pop((container, key), None)
        self._answer(201, fields={"ETag": blob.etag, "Last-Modified": blob.modified})

    def _delete(self, container, key, query, headers, body):
        self.server.account.blob(container, key)
        del self.server.account.containers[container][key]
        self._answer(202)

    def _put_block(self, container, key, query, headers, body):
        account = self.server.account
        account.container(container)
        if "x-ms-copy-source" in headers:
            body = account.source(headers)
        if not body:
            raise Refusal(400, "InvalidHeaderValue", "A block cannot be empty.")
        blocks = account.uncommitted.setdefault((container, key), {})
        number = base64.b64decode(query["blockid"], validate=True)
        if any(len(other) != len(number) for other in blocks):
            raise Refusal(400, "InvalidBlobOrBlock", "The specified blob or block content is invalid.")
        blocks[number] = body
        self._answer(201, fields={"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()})

    def _put_block_list(self, container, key, query, headers, body):
        account = self.server.account
        uncommitted = account.uncommitted.get((container, key), {})
        there = account.container(container).get(key)
        committed = there.blocks if there else {}
        blocks = {}
        for element in ElementTree.fromstring(body):
            number = base64.b64decode(element.text, validate=True)
            places = {"Latest": [uncommitted, committed], "Uncommitted": [uncommitted], "Committed": [committed]}[element.tag]
            found = next((place[number] for place in places if number in place), None)
            if found is None:
                raise Refusal(400, "InvalidBlockList", "The specified block list is invalid.")
            blocks[number] = found
        content_type = headers.get("x-ms-blob-content-type", "")
        self._store(container, key, headers, Blob(b"".join(blocks.values()), blocks, content_type))

    # MARK: Tokens

    def _give_token(self, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        if form.get("client_secret") != TOKEN_SECRET or form.get("scope") != "https://storage.azure.com/.default":
            return self._answer(401, json.dumps({"error": "invalid_client"}).encode())
        document = {"token_type": "Bearer", "expires_in": 3600, "access_token": TOKEN}
        return self._answer(200, json.dumps(document).encode(), {"Content-Type": "application/json"})

    # MARK: HTTP

    def _read_body(self, headers):
        length = int(headers.get("content-length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise OSError("the body ended early")
        return body

    def _answer(self, status, body=b"", fields=None):
        self.send_response(status)
        for name, value in (fields or {}).items():
            self.send_header(name, value)
        self.send_header("x-ms-version", "2020-12-06")
        self.send_header("x-ms-request-id", str(uuid.uuid4()))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class AzureServer(ThreadingHTTPServer):
    """The fake at work: `with AzureServer(directory) as server:`."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, directory, port=0):
        self.account = Account()
        directory = Path(directory)
        make_certificates(directory)
        self.authority = directory / "authority.pem"
        super().__init__((HOST, port), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "server.pem", directory / "server.key")
        # The handshake is for the thread of the connection, not for the one that accepts.
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server_address[1]
        self.url = f"https://{HOST}:{self.port}/{ACCOUNT}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Clients that leave early, or do not trust us, are no news."""

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def client(self, **options):
        """Microsoft's own client."""
        from azure.storage.blob import BlobServiceClient

        return BlobServiceClient(self.url, credential=KEY, connection_verify=str(self.authority), **options)


def make_certificates(directory):
    """An authority of its own, and a certificate by it for this machine."""

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, capture_output=True, check=True)

    directory.mkdir(parents=True, exist_ok=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "authority.key", "-out", "authority.pem", "-days", "30", "-subj", "/CN=fake")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=fake blob storage")
    (directory / "names").write_text(f"subjectAltName = IP:{HOST}, DNS:localhost\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial",
            "-out", "server.pem", "-days", "30", "-extfile", "names")  # fmt: skip


if __name__ == "__main__":
    server = AzureServer(sys.argv[1], int(sys.argv[2]))
    threading.Event().wait()
