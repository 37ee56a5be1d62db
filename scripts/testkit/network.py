"""Hosts beside this one, for what happens between machines: each is a network namespace with a wire (a veth pair) and an
address of its own. A wire can be cut, mended, and limited to so many bits a second. Needs root and iproute2.

What listens on this machine's loopback interface only is reached through a `Forwarder` on `Network.address`.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

NAMES = "milvus-backup-test"
WIRES = 64 * 256  # As many pairs of addresses as 10.77.0.0/16 has.


class NetworkError(Exception):
    """Namespaces are not to be had here; the message says why."""


def ip(*words):
    return _run("ip", *words)


def _run(*command):
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise NetworkError(f"{command[0]} is missing; scripts/bootstrap installs iproute2") from None
    if done.returncode:
        raise NetworkError(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


class Host:
    """One namespace. `prefix` before a command runs it there; `address` is its own, `gateway` this machine's on its wire."""

    def __init__(self, number):
        self.name = f"{NAMES}-{os.getpid()}-{number}"
        self._rate = None
        self._is_cut = False
        ip("netns", "add", self.name)
        try:
            index = self._lay_wire()
            network = f"10.77.{index // 64}.{index % 64 * 4}".rsplit(".", 1)
            self.gateway, self.address = (f"{network[0]}.{int(network[1]) + last}" for last in (1, 2))
            ip("addr", "add", f"{self.gateway}/30", "dev", self._wire)
            ip("link", "set", self._wire, "up")
            self._inside("ip", "addr", "add", f"{self.address}/30", "dev", "eth0")
            for interface in ["lo", "eth0"]:
                self._inside("ip", "link", "set", interface, "up")
            self._inside("ip", "route", "add", "default", "via", self.gateway)
        except NetworkError:
            self.close()
            raise

    def _lay_wire(self):
        """The number of the first wire that nobody has. To make it is to reserve it."""
        for index in range(WIRES):
            self._wire = f"mbt{index}"
            if Path(f"/sys/class/net/{self._wire}").exists():
                continue
            try:
                ip("link", "add", self._wire, "type", "veth", "peer", "name", "eth0", "netns", self.name)
                return index
            except NetworkError as error:
                if "exists" not in str(error):
                    raise
        raise NetworkError("there is no address left in 10.77.0.0/16")

    @property
    def prefix(self):
        # The process keeps its id, and is signalled by it.
        return ["nsenter", f"--net=/run/netns/{self.name}"]

    def _inside(self, *command):
        return _run(*self.prefix, *command)

    def cut(self):
        """From now on every packet is lost, in both directions; nobody is told."""
        self._is_cut = True
        self._shape()

    def mend(self):
        self._is_cut = False
        self._shape()

    def limit(self, bits_per_second):
        """Limits each direction; None for no limit."""
        self._rate = bits_per_second
        self._shape()

    def _shape(self):
        for place, interface in [(_run, self._wire), (self._inside, "eth0")]:
            if self._is_cut:
                words = ["replace", "dev", interface, "root", "blackhole"]
            elif self._rate:
                # The bucket holds a packet as large as the kernel makes them, the queue a twentieth of a second.
                burst = max(64 * 1024, self._rate // 8 // 100)
                words = ["replace", "dev", interface, "root", "tbf", "rate", f"{self._rate}bit"]
                words += ["burst", burst, "latency", "50ms"]
            else:
                words = ["del", "dev", interface, "root"]
            try:
                place("tc", "qdisc", *words)
            except NetworkError:
                if words[0] != "del":  # There may have been none.
                    raise

    def close(self):
        with contextlib.suppress(NetworkError):
            remove(self.name)


def remove(name):
    """Removes a namespace with the processes in it, and with it the wire to it."""
    for pid in ip("netns", "pids", name).split():
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    # A process that still ends, or a connection that lingers, would keep the other end of the wire, and its address.
    with contextlib.suppress(NetworkError):
        _run("nsenter", f"--net=/run/netns/{name}", "ip", "link", "del", "eth0")
    ip("netns", "del", name)


def remove_abandoned():
    """Removes the namespaces of processes that have ended without doing it."""
    for name in re.findall(rf"^{NAMES}-\d+-\d+", ip("netns", "list"), re.MULTILINE):
        if not Path(f"/proc/{name.split('-')[-2]}").exists():
            with contextlib.suppress(NetworkError):
                remove(name)


class Network:
    """So many hosts, gone at the end. `address` is one of this machine's that all of them reach."""

    def __init__(self, hosts):
        self.hosts = []
        if os.geteuid() != 0:
            raise NetworkError("network namespaces need root")
        remove_abandoned()
        try:
            for number in range(hosts):
                self.hosts.append(Host(number))
        except NetworkError:
            self.close()
            raise
        self.address = self.hosts[0].gateway

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        while self.hosts:
            self.hosts.pop().close()


class Forwarder:
    """Passes on what comes to `address` to a server on the loopback interface; the kernel moves the bytes."""

    CHUNK = 1 << 20

    def __init__(self, address, port, host="127.0.0.1"):
        self._target = (host, port)
        self._listener = socket.create_server((address, 0), backlog=512)
        self.address, self.port = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """No further connection; those that are there end with their clients."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                client.close()
                continue
            for each in [client, server]:
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for ends in [(client, server), (server, client)]:
                threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source, sink):
        outlet, inlet = os.pipe()
        try:
            while count := os.splice(source.fileno(), inlet, self.CHUNK):
                while count:
                    count -= os.splice(outlet, sink.fileno(), count)
        except (OSError, ValueError):  # ValueError: the other direction has ended.
            pass
        finally:
            for each in [outlet, inlet]:
                os.close(each)
            for each in [source, sink]:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


def main():
    """Shows that it works here: what a cut and a limit do to a connection."""
    with Network(1) as network, socket.create_server((network.address, 0)) as server:
        host, port = network.hosts[0], server.getsockname()[1]
        host.limit(20_000_000)
        script = f"import socket; s = socket.create_connection(('{network.address}', {port})); s.sendall(bytes(5_000_000))"
        sender = subprocess.Popen([*host.prefix, "python3", "-c", script])
        connection, client = server.accept()
        began, received = time.monotonic(), 0
        while data := connection.recv(1 << 16):
            received += len(data)
            if 2_000_000 < received < 2_000_000 + (1 << 16):
                host.cut()
                time.sleep(1)
                host.mend()
        print(f"{received} bytes from {client[0]} in {time.monotonic() - began:.2f} s (2 s, and 1 s cut off)")
        sender.wait()


if __name__ == "__main__":
    main()
