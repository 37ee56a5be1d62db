"""A TCP proxy that hands every byte on a fixed time after it came, in both directions, as a long wire does."""

import argparse
import asyncio
import collections
import contextlib
import os
import subprocess
import sys
from pathlib import Path

from .processes import ProcessError, port_answers, wait_until

HOST = "127.0.0.1"
# What may be under way on one connection in one direction: more than 100 ms at 5 GB/s.
WINDOW = 512 << 20


class DelayProxy:
    """Listens on `port` for `service`, in a process of its own."""

    def __init__(self, service, port, seconds):
        self.port = port
        self._process = subprocess.Popen(
            [sys.executable, "-m", "testkit.delay", str(port), str(service.port), str(seconds)],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        )
        if not wait_until(lambda: port_answers(HOST, port), 10):
            raise ProcessError(f"the proxy on port {port} does not answer")

    def close(self):
        self._process.kill()
        self._process.wait()


class Direction(asyncio.Protocol):
    """One direction of a connection: what comes in here goes out at `sink` later."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.source = None
        self.sink = None
        self.pieces = collections.deque()  # Those under way.
        self.early = []  # Those that came out before there was somewhere to send them.
        self.under_way = 0

    def connection_made(self, transport):
        self.source = transport

    def data_received(self, data):
        self.pieces.append(data)
        self.under_way += len(data)
        if self.under_way > WINDOW:
            self.source.pause_reading()
        asyncio.get_running_loop().call_later(self.seconds, self._deliver)

    def _deliver(self):
        data = self.pieces.popleft()
        self.under_way -= len(data)
        if self.under_way <= WINDOW and not self.source.is_closing():
            self.source.resume_reading()
        if self.sink is None:
            self.early.append(data)
        elif not self.sink.is_closing():
            self.sink.write(data)

    def connect(self, sink):
        self.sink = sink
        for data in self.early:
            sink.write(data)
        self.early = []

    def eof_received(self):
        return True  # The other direction may go on.

    def connection_lost(self, _):
        if self.sink is not None:
            asyncio.get_running_loop().call_later(self.seconds, self.sink.close)


async def serve(port, target, seconds):
    loop = asyncio.get_running_loop()

    def accepted():
        forth = Direction(seconds)

        async def dial():
            with contextlib.suppress(OSError):
                sink, back = await loop.create_connection(lambda: Direction(seconds), HOST, target)
                back.connect(forth.source)
                return forth.connect(sink)
            forth.source.close()

        tasks.add(task := loop.create_task(dial()))
        task.add_done_callback(tasks.discard)
        return forth

    tasks = set()
    server = await loop.create_server(accepted, HOST, port, backlog=1024)
    async with server:
        await server.serve_forever()


def main():
    parser = argparse.ArgumentParser(prog="testkit.delay", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("target", type=int)
    parser.add_argument("seconds", type=float)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.target, arguments.seconds))


if __name__ == "__main__":
    main()
