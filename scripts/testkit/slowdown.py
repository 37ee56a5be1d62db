"""An HTTP proxy that answers every few uploads of objects with 503 SlowDown instead of passing them on."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

REFUSAL = b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>'
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}


class SlowDownProxy:
    """Passes requests on to `service`, but for every `every`th upload below `/binlogs/`, the first one included."""

    def __init__(self, service, every, host="127.0.0.1"):
        self.refused = 0
        lock = threading.Lock()
        seen = 0
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def is_refused(self):
                nonlocal seen
                if self.command != "PUT" or "/binlogs/" not in self.path:
                    return False
                with lock:
                    seen += 1
                    proxy.refused += seen % every == 1
                    return seen % every == 1

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.is_refused():
                    return self.answer(503, [("Content-Type", "application/xml")], REFUSAL)
                # The signature is of the Host that the client has sent.
                headers = {key: value for key, value in self.headers.items() if key.lower() not in HOP_BY_HOP}
                connection = http.client.HTTPConnection(host, service.port, timeout=60)
                connection.request(self.command, self.path, body or None, headers)
                answer = connection.getresponse()
                content = answer.read()
                connection.close()
                length = answer.headers.get("Content-Length") if self.command == "HEAD" else None
                self.answer(answer.status, answer.headers.items(), content, length)

            def answer(self, status, headers, content, length=None):
                self.send_response(status)
                for key, value in headers:
                    if key.lower() not in HOP_BY_HOP | {"date", "server"}:
                        self.send_header(key, value)
                self.send_header("Content-Length", length or str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
