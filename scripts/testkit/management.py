"""Milvus' management port, as far as a backup needs it."""

import http.server
import threading


class Management(http.server.ThreadingHTTPServer):
    """A management port that knows how to pause garbage collection, as Milvus 2.3.6 does and 2.3.5 does not."""

    def __init__(self):
        requests = self.requests = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                requests.append(self.path)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b'{"msg": "OK"}')

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_port}"

    def calls(self):
        """What was asked for, in short: pause or resume."""
        return [path.split("?")[0].rsplit("/", 1)[1] for path in self.requests]
