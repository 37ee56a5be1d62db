"""A fake Google Cloud Storage: gcp-storage-emulator's handlers, and what it lacks.

    python -m testkit.google PORT DIRECTORY

The emulator keeps the objects and makes the documents. Added here are: the exchange of signed requests for tokens (checked with
PyJWT) and the tokens' check, generations as conditions, pages of listings, versions and hashes in downloads, copies that take
two calls, empty objects, errors in JSON, and several requests at a time. It is a fake: what it does is what Google's
documentation says, and has not been compared with Google's servers.

DIRECTORY gets credentials.json, the key of the one service account there is.
"""

import base64
import hashlib
import json
import re
import secrets
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from gcp_storage_emulator import server as emulator
from gcp_storage_emulator.storage import Storage

ACCOUNT = "testbed@fake-project.iam.gserviceaccount.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
LARGE = 1 << 20  # Copies of larger objects take two calls.


class Refusal(Exception):
    def __init__(self, status, reason, message):
        super().__init__(message)
        self.status = status
        self.body = {"error": {"code": status, "message": message, "errors": [{"reason": reason, "message": message}]}}


class Google:
    """The state: buckets and objects, the key, the tokens that were given out."""

    def __init__(self, port, directory):
        self.storage = Storage(use_memory_fs=True)
        self.storage._write_config_to_file = lambda: None  # A file of all objects after every write.
        # Names are no paths: neither a//b nor a/../b means anything else.
        self.storage._object_path = lambda bucket, name: f"{bucket}/{hashlib.sha256(name.encode()).hexdigest()}"
        self.lock = threading.Lock()
        self.tokens = {}
        self.token_url = f"http://127.0.0.1:{port}/token"
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        Path(directory).mkdir(parents=True, exist_ok=True)
        (Path(directory) / "credentials.json").write_text(json.dumps(self._credentials()))

    def _credentials(self):
        text = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": "fake-project",
            "private_key_id": "1",
            "private_key": text.decode(),
            "client_email": ACCOUNT,
            "token_uri": self.token_url,
        }

    def token(self, form):
        if form.get("grant_type") != ["urn:ietf:params:oauth:grant-type:jwt-bearer"]:
            return 400, {"error": "unsupported_grant_type"}
        try:
            claims = jwt.decode(
                form["assertion"][0], self.key.public_key(), algorithms=["RS256"], audience=self.token_url,
                options={"require": ["iss", "scope", "aud", "iat", "exp"]},
            )  # fmt: skip
        except (KeyError, jwt.InvalidTokenError) as error:
            return 400, {"error": "invalid_grant", "error_description": str(error)}
        if claims["iss"] != ACCOUNT or claims["scope"] != SCOPE or claims["exp"] - claims["iat"] > 3600:
            return 400, {"error": "invalid_grant", "error_description": "wrong claims"}
        token = secrets.token_hex(16)
        self.tokens[token] = time.monotonic() + 3600
        return 200, {"access_token": token, "expires_in": 3600, "token_type": "Bearer"}

    def check(self, authorization):
        scheme, _, token = (authorization or "").partition(" ")
        if scheme != "Bearer" or self.tokens.get(token, 0) < time.monotonic():
            raise Refusal(401, "authError", "Invalid Credentials")

    # MARK: objects

    def answer(self, request):
        """The emulator's answer with what it lacks: status, headers, body."""
        response = emulator.Response(None)
        handler = self._handler(request)
        query = {name: values[0] for name, values in request.query.items()}
        params = request.params or {}
        bucket, name = params.get("bucket_name"), params.get("object_id", query.get("name"))
        self._check_bucket(params)
        current = self.storage.objects.get(bucket, {}).get(name)
        self._check_conditions(query, current, request.method)
        is_rewrite = "dest_object_id" in params
        if is_rewrite and current and int(current["size"]) > LARGE and query.get("rewriteToken") != "go-on":
            response.json({"kind": "storage#rewriteResponse", "done": False, "rewriteToken": "go-on"})
        else:
            handler(request, response, self.storage)
        if response.status == 404:
            raise Refusal(404, "notFound", f"No such object: {bucket}/{name}")
        if request.method == "GET" and request.path.endswith("/o"):
            response.json(page(json.loads(response._content), query))
        if query.get("alt") == "media":
            self._finish_download(request, response, current)
        content = response._content
        return int(response.status), response._headers, content.encode() if isinstance(content, str) else content

    @staticmethod
    def _handler(request):
        for pattern, handlers in emulator.HANDLERS:
            match = re.fullmatch(pattern, request.path)
            if match and request.method in handlers:
                request.set_match(match)
                return handlers[request.method]
        raise Refusal(501, "notImplemented", f"{request.method} {request.path}")

    def _check_bucket(self, params):
        for name in [params.get("bucket_name"), params.get("dest_bucket_name")]:
            if name and name not in self.storage.buckets:
                raise Refusal(404, "notFound", "The specified bucket does not exist.")

    @staticmethod
    def _check_conditions(query, current, method):
        generation = current["generation"] if current else "0"
        if query.get("ifGenerationMatch", generation) != generation:
            raise Refusal(412, "conditionNotMet", "At least one of the pre-conditions you specified did not hold.")
        if method == "GET" and query.get("generation", generation) != generation:
            raise Refusal(404, "notFound", "No such object")

    @staticmethod
    def _finish_download(request, response, current):
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", request.get_header("range", ""))
        if wanted and int(wanted[1]) >= int(current["size"]):
            raise Refusal(416, "requestedRangeNotSatisfiable", "Request range not satisfiable")
        response["X-Goog-Generation"] = current["generation"]
        response["X-Goog-Hash"] = f"crc32c={current['crc32c']},md5={current['md5Hash']}"


def page(listing, query):
    """A page of the whole listing that the emulator gives."""
    entries = [(item["name"], item) for item in listing.get("items", [])]
    entries += [(prefix, None) for prefix in listing.get("prefixes", [])]
    entries.sort(key=lambda entry: entry[0].encode())
    if "pageToken" in query:
        after = base64.urlsafe_b64decode(query["pageToken"])
        entries = [entry for entry in entries if entry[0].encode() > after]
    limit = int(query.get("maxResults", 1000))
    result = {"kind": "storage#objects"}
    if len(entries) > limit:
        entries = entries[:limit]
        result["nextPageToken"] = base64.urlsafe_b64encode(entries[-1][0].encode()).decode()
    items = [item for _, item in entries if item]
    prefixes = [name for name, item in entries if not item]
    return result | ({"items": items} if items else {}) | ({"prefixes": prefixes} if prefixes else {})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    google = None

    def do(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        try:
            if path == "/":
                return self.reply(200, {"fake": "Google Cloud Storage"})
            if path == "/token":
                return self.reply(*self.google.token(parse_qs(body.decode())))
            self.google.check(self.headers.get("Authorization"))
            request = emulator.Request(self, self.command)
            is_json = (self.headers.get("Content-Type") or "").startswith("application/json")
            request._data = json.loads(body) if is_json else body
            with self.google.lock:
                status, headers, content = self.google.answer(request)
        except Refusal as refusal:
            return self.reply(refusal.status, refusal.body)
        self.send(status, headers, content)

    do_GET = do_POST = do_DELETE = do_PUT = do

    def reply(self, status, document):
        self.send(status, {"Content-Type": "application/json"}, json.dumps(document).encode())

    def send(self, status, headers, content):
        if self.command == "DELETE" and status == 200:
            status = 204
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], ConnectionError):  # Readers leave early.
            super().handle_error(request, client_address)


def main():
    port, directory = int(sys.argv[1]), sys.argv[2]
    Handler.google = Google(port, directory)
    Server(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
