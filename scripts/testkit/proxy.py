"""A TCP proxy that makes a connection to a server as slow as a test needs it."""

import contextlib
import re
import socket
import threading
import time

CHUNK = 16 * 1024
WRITING = re.compile(rb"(?:PUT|POST|DELETE) /\S* HTTP/1\.[01]\r\n")


class Proxy:
    """Passes everything on to `service`. After `hold_after(n)` what clients send stops when n more bytes have passed,
    until `release()`: an upload hangs in the middle, and nothing is lost. Requests that begin with `late` arrive
    `lateness` seconds after they were sent, also when their client has gone."""

    def __init__(self, service, host="127.0.0.1"):
        self._target = (host, service.port)
        self._room = None  # Bytes that may pass until the gate closes; None for any number.
        self._sent = 0
        self._change = threading.Condition()
        self._sockets = set()
        self._closed = False
        self.late = None
        self.lateness = 0.2
        self._on_their_way = 0
        self.writes = []  # The first lines of all requests that write, in their order.
        self._listener = socket.create_server((host, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def sent(self):
        """Bytes from clients that have passed."""
        return self._sent

    @property
    def holding(self):
        """Whether bytes wait at the gate now."""
        with self._change:
            return self._room == 0

    def hold_after(self, size):
        with self._change:
            self._room = size
            self._change.notify_all()

    def release(self):
        with self._change:
            self._room = None
            self._change.notify_all()

    @property
    def on_their_way(self):
        """How many requests are late now."""
        return self._on_their_way

    def close(self):
        with self._change:
            self._closed = True
            self._room = None
            self._change.notify_all()
            sockets = list(self._sockets)
        for each in [self._listener, *sockets]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
            except OSError:
                return
            with self._change:
                self._sockets |= {client, server}
            threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source, sink, gated):
        try:
            while data := source.recv(CHUNK):
                if gated and (request := WRITING.match(data)):
                    self.writes.append(request[0].decode().split(" HTTP/")[0])
                if gated and self.late and data.startswith(self.late):
                    self._delay()
                while data:
                    count = self._take(len(data)) if gated else len(data)
                    if self._closed:
                        return
                    sink.sendall(data[:count])
                    data = data[count:]
        except OSError:
            pass
        finally:
            for each in [source, sink]:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _delay(self):
        with self._change:
            self._on_their_way += 1
        time.sleep(self.lateness)
        with self._change:
            self._on_their_way -= 1

    def _take(self, wanted):
        """Waits until bytes may pass; how many of the wanted ones do."""
        with self._change:
            self._change.wait_for(lambda: self._room is None or self._room > 0 or self._closed)
            count = wanted if self._room is None else min(wanted, self._room)
            if self._room is not None:
                self._room -= count
            self._sent += count
            return count
