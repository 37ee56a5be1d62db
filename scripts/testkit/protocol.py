"""The shard protocol, spoken from the outside: an agent that does what a test wants, and a coordinator.

A frame is a 4-byte big-endian length of what follows, a byte kind, a byte flags, and the payload: JSON, compressed by zstd
when the lowest bit of the flags is set. Proofs are those of a connection without a token: empty.
"""

import contextlib
import ctypes
import ctypes.util
import json
import secrets
import socket
import struct
import time

HELLO, PROOF, PROBE_ANSWERS = 1, 2, 3
PULL, HEARTBEAT, COMPLETED, FAILED, RETURNED, GOODBYE = 16, 17, 18, 19, 20, 21
CHALLENGE, PROBES, ACCEPTED, REFUSED = 129, 130, 131, 132
ASSIGNMENT, CANCEL, FINISH = 144, 145, 146
COMPRESSED = 1


class Closed(Exception):
    """The other side has closed the connection."""


def decompress(data):
    library = ctypes.CDLL(ctypes.util.find_library("zstd") or "libzstd.so.1")
    library.ZSTD_getFrameContentSize.restype = ctypes.c_uint64
    library.ZSTD_decompress.restype = ctypes.c_size_t
    size = library.ZSTD_getFrameContentSize(data, ctypes.c_size_t(len(data)))
    assert size < 1 << 24, "a compressed payload that does not name its size, or is too large"
    buffer = ctypes.create_string_buffer(size)
    written = library.ZSTD_decompress(buffer, ctypes.c_size_t(size), data, ctypes.c_size_t(len(data)))
    assert written == size
    return buffer.raw


class Peer:
    """One end of a connection."""

    def __init__(self, connection):
        self.socket = connection

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, kind, message=None):
        payload = b"" if message is None else json.dumps(message).encode()
        self.socket.sendall(struct.pack(">IBB", 2 + len(payload), kind, 0) + payload)

    def receive(self, timeout=30):
        """The next message: its kind and its content. Raises TimeoutError, or Closed at the end."""
        self.socket.settimeout(timeout)
        (length,) = struct.unpack(">I", self._read(4))
        kind, flags = self._read(2)
        payload = self._read(length - 2)
        if flags & COMPRESSED:
            payload = decompress(payload)
        return kind, json.loads(payload) if payload else None

    def expect(self, kind, timeout=30):
        """The next message of that kind; others are passed over."""
        deadline = time.monotonic() + timeout
        while True:
            found, message = self.receive(max(0.01, deadline - time.monotonic()))
            if found == kind:
                return message
            assert found != REFUSED, message

    def _read(self, size):
        data = b""
        while len(data) < size:
            with contextlib.suppress(ConnectionResetError):
                piece = self.socket.recv(size - len(data))
                if piece:
                    data += piece
                    continue
            raise Closed()
        return data


def dial(address):
    """A connection to a coordinator on which nothing was said."""
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=30)


class FakeAgent(Peer):
    """An agent that a coordinator takes for a real one: it has read the probes. It copies nothing by itself."""

    def __init__(self, address, name, values, read, capacity=1):
        """`values` is the configuration, `read(storage, key)` gets the text of an object."""
        super().__init__(dial(address))
        stores = store_descriptions(values)
        self.send(
            HELLO,
            {
                "versions": [1, 2], "name": name, "instance": secrets.token_hex(16), "nonce": secrets.token_hex(32),
                "capacity": capacity, "stores": stores,
            },
        )  # fmt: skip
        assert self.expect(CHALLENGE)["proof"] == "", "the coordinator has a token"
        self.send(PROOF, {"proof": ""})
        probes = self.expect(PROBES)["probes"]
        answers = [{"storage": probe["storage"], "value": read(probe["storage"], probe["key"])} for probe in probes]
        self.send(PROBE_ANSWERS, {"answers": answers})
        self.accepted = self.expect(ACCEPTED)

    def take_shard(self):
        self.send(PULL, {"shards": 1})
        return self.expect(ASSIGNMENT)


def store_descriptions(values):
    """How the two stores of a configuration are told to the other side."""
    return [
        {
            "storage": name,
            "provider": values[name]["storage"]["provider"],
            "bucket": values[name]["storage"]["bucketName"],
            "root": values[name]["storage"]["rootPath"],
        }
        for name in ["milvus", "backup"]
    ]


class FakeCoordinator(Peer):
    """A coordinator for one agent, which has to be started with `address`. It asks for no proof of anything."""

    def __init__(self, values, host="127.0.0.1"):
        self._listener = socket.create_server((host, 0))
        self._listener.settimeout(30)
        self._values = values
        self.address = f"{host}:{self._listener.getsockname()[1]}"
        super().__init__(self._listener)

    def accept(self, probes=()):
        """Waits for the agent, lets it answer these probes and takes it in."""
        self.socket, _ = self._listener.accept()
        self._listener.close()
        hello = self.expect(HELLO)
        self.send(CHALLENGE, {"version": 2, "nonce": secrets.token_hex(32), "proof": ""})
        self.expect(PROOF)
        self.send(PROBES, {"stores": store_descriptions(self._values), "probes": list(probes)})
        self.expect(PROBE_ANSWERS)
        self.send(ACCEPTED, {"heartbeatMilliseconds": 1000, "leaseMilliseconds": 60000})
        return hello

    def assign(self, number, tasks, source="backup", destination="milvus", prefixes=("", ""), backup="big"):
        """Hands a shard out; `tasks` are tuples of source, destination and size."""
        self.send(
            ASSIGNMENT,
            {
                "lease": {"job": "job", "shard": number, "epoch": 1},
                "backupName": backup,
                "shard": {
                    "id": number, "source": source, "destination": destination, "sourcePrefix": prefixes[0],
                    "destinationPrefix": prefixes[1], "mode": "auto",
                    "tasks": [{"source": a, "destination": b, "size": size} for a, b, size in tasks],
                },
            },
        )  # fmt: skip
