"""An S3 server's bad day: an HTTP proxy in front of a real server that injects faults, decided by a seed.

What happens to a request follows from the seed, the request's method and path, and how often that has been asked before:
a retry has a fate of its own, and the same seed gives the same fates whatever the order of the requests. Only the first
fault does not wait for the dice: a run without any would prove nothing.
"""

import asyncio
import collections
import contextlib
import random
import re
import socket
import struct
import threading
import urllib.parse

CHUNK = 64 * 1024
HEAD_LIMIT = 64 * 1024

# Each fault by what a client sees of it.
BEFORE = ["latency", "reset", "internal_error", "slow_down"]  # The server never hears of the request (but for latency).
ANSWERS = ["half_answer", "lost_answer"]
READS = ["flipped_byte"]
WRITES = ["half_request", "wrong_etag"]
LISTINGS = ["stale_listing"]
FAULTS = [*BEFORE, *ANSWERS, *READS, *WRITES, *LISTINGS]

# Another one that looks as good, and one that says nothing.
WRONG_ETAGS = [lambda value: value[::-1], lambda value: value[:1] + value]

NAMES = {500: "InternalError", 503: "SlowDown", 403: "ExpiredToken"}


class Message:
    """The head of a request or an answer."""

    def __init__(self, data):
        lines = data.decode("latin-1").split("\r\n")
        self.first = lines[0]
        self.fields = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:] if line]

    def value(self, name):
        return next((value for key, value in self.fields if key.lower() == name), None)

    @property
    def length(self):
        return int(self.value("content-length") or 0)

    @property
    def chunked(self):
        return (self.value("transfer-encoding") or "").lower() == "chunked"

    def replaced(self, name, change):
        self.fields = [(key, change(value) if key.lower() == name else value) for key, value in self.fields]

    def encoded(self):
        lines = [self.first, *(f"{key}: {value}" for key, value in self.fields)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Injected(Exception):
    """A fault that ends the connection."""


class FaultyStore:
    """Passes requests on to `service`, and spoils `rate` of them (0 to 1) with one of `faults`.

    `matching` restricts the faults to requests whose line (method and path) it finds. `counts` tells what was done.
    It listens on `address`.
    """

    def __init__(self, service, seed=0, rate=0.0, faults=FAULTS, matching="", latency=0.3, address="127.0.0.1"):
        self.service = service
        self.seed = seed
        self.rate = rate
        self.faults = list(faults)
        self.latency = latency
        self.counts = collections.Counter()
        self.requests = 0
        self.rejecting = False  # Every request is answered by 403 ExpiredToken.
        self._matching = re.compile(matching)
        self._asked = collections.Counter()
        self._stale = set()  # Listings that were not answered truthfully since they were stale.
        self._random = random.Random(seed)  # For what need not be the same each time.
        self._target = ("127.0.0.1", service.port)
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server((address, 0), backlog=512)
        self.address, self.port = self._listener.getsockname()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    @property
    def injected(self):
        return sum(self.counts.values())

    def close(self):
        def stop():
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
            self._loop.call_soon(self._loop.stop)

        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(stop)
            self._thread.join(10)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(lambda *_: None)
        self._loop.create_task(asyncio.start_server(self._serve, sock=self._listener, limit=HEAD_LIMIT))
        self._loop.run_forever()

    # MARK: one connection

    async def _serve(self, reader, writer):
        upstream = None
        try:
            upstream = await asyncio.open_connection(*self._target, limit=HEAD_LIMIT)
            while await self._pass(reader, writer, *upstream):
                pass
        except Injected:
            self._reset(writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError, asyncio.LimitOverrunError, ValueError):
            pass
        finally:
            for each in [writer, upstream and upstream[1]]:
                if each:
                    with contextlib.suppress(Exception):
                        each.close()

    @staticmethod
    def _reset(writer):
        """Closing with unsent data thrown away sends RST."""
        with contextlib.suppress(OSError, AttributeError):
            connection = writer.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def _pass(self, reader, writer, server_reader, server_writer):
        """One request and its answer; whether the connection goes on."""
        head = await self._head(reader)
        if head is None:
            return False
        request = Message(head)
        method, path = request.first.split(" ")[:2]
        fault = self._fate(method, path)
        if self.rejecting or fault in ["internal_error", "slow_down"]:
            status = 403 if self.rejecting else 500 if fault == "internal_error" else 503
            self._count("expired" if self.rejecting else fault)
            await self._refuse(request, reader, writer, status)
            return True
        if fault == "reset":
            self._count(fault)
            raise Injected
        if fault == "latency":
            self._count(fault)
            await asyncio.sleep(self.latency * random.Random(f"{self.seed}{path}").uniform(0.3, 1.7))
        server_writer.write(head)
        await self._pass_body(request, reader, server_writer, writer, server_reader, fault)
        if fault == "lost_answer":
            await self._answer_head(server_reader)
            self._count(fault)
            raise Injected
        answer = Message(await self._answer_head(server_reader))
        await self._pass_answer(method, path, answer, server_reader, writer, fault)
        closing = "close" in [(each.value("connection") or "").lower() for each in [request, answer]]
        return not closing

    async def _head(self, reader):
        try:
            return await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            if error.partial:
                raise
            return None

    async def _answer_head(self, server_reader):
        """The head of the final answer: 100 Continue is passed on before."""
        while (head := await server_reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1] == b"100":
            pass
        return head

    async def _pass_body(self, request, reader, server_writer, writer, server_reader, fault):
        if request.chunked:
            raise ValueError("S3 clients tell the length of what they send")
        left = request.length
        if left and (request.value("expect") or "").lower() == "100-continue":
            await server_writer.drain()
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            await writer.drain()
        broken_at = left // 2 if fault == "half_request" and left > 1 else -1
        while left:
            data = await reader.read(min(CHUNK, left))
            if not data:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(data)
            if broken_at >= 0 and left <= broken_at:
                self._count(fault)
                raise Injected
            server_writer.write(data)
            await server_writer.drain()
        await server_writer.drain()

    async def _pass_answer(self, method, path, answer, server_reader, writer, fault):
        has_body = method != "HEAD" and answer.first.split(" ")[1] not in ["204", "304"]
        if is_listing(method, path) and " 200 " in answer.first + " ":
            body = await self._whole_body(answer, server_reader)
            if fault == "stale_listing" and (shorter := without_the_last(body)) != body:
                self._count(fault)
                body = shorter
            answer.fields = [each for each in answer.fields if each[0].lower() != "transfer-encoding"]
            answer.fields = [each for each in answer.fields if each[0].lower() != "content-length"]
            answer.fields.append(("Content-Length", str(len(body))))
            writer.write(answer.encoded() + body)
            await writer.drain()
            return
        if fault == "wrong_etag" and method == "PUT" and answer.value("etag"):
            self._count(fault)
            answer.replaced("etag", self._random.choice(WRONG_ETAGS))
        writer.write(answer.encoded())
        if has_body and answer.chunked:
            body = await self._chunks(server_reader)
            writer.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n")
        elif has_body:
            await self._pass_content(method, answer.length, server_reader, writer, fault)
        await writer.drain()

    async def _pass_content(self, method, length, server_reader, writer, fault):
        left = length
        spoiled = fault if method == "GET" and length > 1 and fault in ["half_answer", "flipped_byte"] else None
        place = self._random.randrange(length) if spoiled == "flipped_byte" else length // 2
        while left:
            data = await server_reader.read(min(CHUNK, left))
            if not data:
                raise asyncio.IncompleteReadError(b"", left)
            begin = length - left
            left -= len(data)
            if spoiled and begin <= place < begin + len(data):
                self._count(spoiled)
                offset = place - begin
                if spoiled == "half_answer":
                    writer.write(data[:offset])
                    await writer.drain()
                    raise Injected
                data = data[:offset] + bytes([data[offset] ^ 1]) + data[offset + 1 :]
            writer.write(data)
            await writer.drain()

    async def _whole_body(self, answer, server_reader):
        return await (self._chunks(server_reader) if answer.chunked else server_reader.readexactly(answer.length))

    async def _chunks(self, server_reader):
        body = bytearray()
        while size := int((await server_reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += await server_reader.readexactly(size)
            await server_reader.readexactly(2)
        while await server_reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return bytes(body)

    async def _refuse(self, request, reader, writer, status):
        left = request.length
        if (request.value("expect") or "").lower() == "100-continue":
            left = 0  # Nothing of it was sent, and nothing will be.
        while left:
            data = await reader.read(min(CHUNK, left))
            if not data:
                return
            left -= len(data)
        body = b"" if request.first.startswith("HEAD ") else error_body(status)
        writer.write(
            f"HTTP/1.1 {status} Fault\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()

    # MARK: fates

    def _fate(self, method, path):
        """The fault for this request, or None."""
        self.requests += 1
        line = f"{method} {path}"
        if self.rate <= 0 or not self._matching.search(line):
            return None
        number = self._asked[line]
        self._asked[line] += 1
        dice = random.Random(f"{self.seed} {number} {line}")
        # In this order: a seed has the same fates as ever.
        is_spoiled = dice.random() < self.rate or not self.injected
        able = [fault for fault in self.faults if fits(fault, method, path)] if is_spoiled else []
        fault = dice.choice(able) if able else None
        # That a store lags is noticed by asking again. Who tells the same untruth twice in a row is believed by anybody.
        if fault == "stale_listing" and line not in self._stale:
            self._stale.add(line)
        elif fault in [None, "latency", "stale_listing"]:
            self._stale.discard(line)
            return fault if fault == "latency" else None
        return fault

    def _count(self, fault):
        self.counts[fault] += 1


def fits(fault, method, path):
    """Whether a fault can happen to such a request."""
    if fault in READS or fault == "half_answer":
        return method == "GET" and not is_listing(method, path)
    if fault in WRITES:
        return method == "PUT"
    if fault in LISTINGS:
        return is_listing(method, path)
    return True


def is_listing(method, path):
    query = urllib.parse.urlsplit(path).query
    return method == "GET" and "list-type=2" in query


def without_the_last(body):
    """A listing as it was before its last object was written."""
    begin, end = body.rfind(b"<Contents>"), body.rfind(b"</Contents>")
    return body if begin < 0 else body[:begin] + body[end + len(b"</Contents>") :]


def error_body(status):
    return (
        f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{NAMES[status]}</Code>"
        f"<Message>injected by the test</Message><Resource>/</Resource><RequestId>0</RequestId></Error>"
    ).encode()

