"""The testbed's command line: `up`, `down` and `status` of real Milvus and S3 servers on this machine."""

import argparse
import contextlib
import fcntl
import shutil
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from .layout import Layout, Milvus, Moto, Store, TLSFront
from .processes import ProcessError
from .servers import server_for

# Present while a server was stopped on purpose with its data kept: the next `up` then goes on with that data.
KEPT = "kept"
GRACEFUL_STOP = 15


class Testbed:
    def __init__(self, layout, log=print):
        self.layout = layout
        self.servers = {service.name: server_for(layout, service) for service in layout.all}
        self._log = log
        self._log_lock = threading.Lock()

    def log(self, text):
        with self._log_lock:
            self._log(text)

    @contextlib.contextmanager
    def locked(self):
        """One command at a time changes a testbed; a second one waits."""
        self.layout.directory.mkdir(parents=True, exist_ok=True)
        with open(self.layout.directory / "lock", "w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.log("waiting for another testbed command to finish")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # MARK: up

    def up(self, names):
        """Starts what is not up of the named servers and the stores they need; returns when all of them answer."""
        wanted = self.layout.with_dependencies(names or self.layout.default_names)
        with self.locked():
            missing = [service for service in wanted if not self._is_up(service)]
            missing = self._with_orphans(missing)
            if missing:
                self.layout.record_port_base()
                self._start_all(missing)
                self.layout.write_environment()

    def _is_up(self, service):
        server = self.servers[service.name]
        return server.running and server.is_ready()

    def _with_orphans(self, missing):
        """Adds the running Milvus whose store is about to be made anew: their data goes with it."""
        lost = {service.name for service in missing if isinstance(service, Store) and not self._is_kept(service)}
        orphans = [
            service
            for service in self.layout.milvus
            if service not in missing and service.store_name in lost and self.servers[service.name].running
        ]
        return missing + orphans

    def _is_kept(self, service):
        return (self.layout.service_directory(service) / KEPT).exists()

    def _start_all(self, services):
        futures = {}
        with ThreadPoolExecutor(max_workers=len(services)) as pool:
            for service in services:  # Stores come first, so a Milvus finds its store's future here.
                store = getattr(service, "store", None)
                futures[service.name] = pool.submit(self._start, service, futures.get(store.name) if store else None)
            problems = [error for error in (future.exception() for future in futures.values()) if error]
        for error in problems:
            if not isinstance(error, ProcessError):
                raise error
        if problems:
            raise ProcessError("\n".join(dict.fromkeys(str(error) for error in problems)))

    def _start(self, service, store_started):
        if store_started:
            store_started.result()
        server = self.servers[service.name]
        server.stop()
        began = time.monotonic()
        self.log(f"{service.name}: starting")
        if self._is_kept(service):
            (self.layout.service_directory(service) / KEPT).unlink()
            server.resume()
        else:
            if isinstance(service, Milvus) and service.store:
                # Several components of a Milvus would create its bucket at once, and give up when another was first.
                bucket = self._bucket(service.store, service.bucket).create()
                bucket.erase(f"{service.root}/")  # What an earlier life of this Milvus left.
            server.start()
        if isinstance(service, (Store, Moto)):
            self._bucket(service, "conformance").create()
        self.log(f"{service.name}: ready after {time.monotonic() - began:.1f} s")

    @staticmethod
    def _bucket(service, name):
        from .objects import Bucket  # boto3 is half a second that `status` need not wait for.

        return Bucket(service, name)

    def restart(self, name):
        """Kills one server and starts it again with its data; those that depend on it go on meanwhile."""
        server = self.servers[name]
        with self.locked():
            server.stop()
            server.resume()

    # MARK: down

    def down(self, names, keep=False):
        """Stops the named servers, or all, and removes their data unless it is to be kept."""
        services = [self.layout.named(name) for name in names] if names else self.layout.all
        stores = {service.name for service in services if isinstance(service, Store)}
        services += [s for s in self.layout.milvus if s.store_name in stores and s not in services]
        with self.locked():
            self._stop_all([s for s in services if isinstance(s, Milvus)], keep)
            self._stop_all([s for s in services if not isinstance(s, Milvus)], keep)
            if not names and not keep:
                shutil.rmtree(self.layout.directory / "services", ignore_errors=True)
                self.layout.forget()
                (self.layout.directory / "lock").unlink(missing_ok=True)
        if not names and not keep and not any(self.layout.directory.iterdir()):
            self.layout.directory.rmdir()

    def _stop_all(self, services, keep):
        def stop(service):
            server = self.servers[service.name]
            running = server.running
            # Data that is thrown away needs no orderly end.
            server.stop(GRACEFUL_STOP if keep else 0)
            if running:
                self.log(f"{service.name}: stopped")
            if not keep:
                server.process.erase()
            elif server.directory.exists():
                (server.directory / KEPT).touch()

        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(stop, services))

    # MARK: status

    def status(self, names=()):
        """Prints a table of the servers; true when all that are asked for answer."""
        asked = [self.layout.named(name) for name in names]
        shown = asked or [s for s in self.layout.all if s.name in self.layout.default_names or self._exists(s)]
        rows = [("SERVER", "STATE", "PROCESS", "ADDRESS", "MANAGEMENT", "DATA")]
        healthy = True
        for service in shown:
            server = self.servers[service.name]
            state = "up" if self._is_up(service) else "not ready" if server.running else "down"
            healthy = healthy and state == "up"
            rows.append((service.name, state, str(server.process.pid or "-"), *self._places(service)))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            self.log("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if self.layout.environment_file.exists():
            self.log(f"environment: {self.layout.environment_file}")
        return healthy

    def is_up(self):
        """Whether any server runs."""
        return any(server.running for server in self.servers.values())

    def _exists(self, service):
        return self.layout.service_directory(service).exists()

    def _places(self, service):
        if isinstance(service, Milvus):
            data = f"{service.store.name}/{service.bucket}/{service.root}" if service.store else service.root
            return service.address, service.management, data
        if isinstance(service, TLSFront):
            return service.endpoint, "-", service.store.name
        if isinstance(service, Store):
            return service.endpoint, "-", str(self.layout.service_directory(service) / "objects")
        return service.endpoint, "-", "in memory"


def main():
    parser = argparse.ArgumentParser(
        prog="scripts/testbed",
        description="Runs real Milvus and S3 servers on this machine for tests and demonstrations.",
        epilog="Servers: store-a, store-b, moto, store-a-tls, milvus-a, milvus-b (these by default), milvus-c (beside "
        "milvus-a in its bucket), milvus-d (another bucket of store-a), milvus-e (with user and password). Ports count from TESTBED_PORT_BASE (23500).",
    )
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("server", nargs="*", help="up: the default servers; down: all")
    parser.add_argument("--dir", help="where data, logs and process ids are (default: .testbed)")
    parser.add_argument("--keep", action="store_true", help="down: keep the data, and go on with it at the next up")
    arguments = parser.parse_intermixed_args()

    layout = (Layout.with_free_ports if arguments.command == "up" else Layout)(arguments.dir)
    testbed = Testbed(layout, log=lambda text: print(text, flush=True))
    # An interrupted `up` ends through the exceptions that clean up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if arguments.command == "up":
            testbed.up(arguments.server)
        elif arguments.command == "down":
            testbed.down(arguments.server, arguments.keep)
            return
        sys.exit(0 if testbed.status(arguments.server) else 1)
    except KeyError as error:
        sys.exit(f"testbed: {error.args[0]}")
    except ProcessError as error:
        sys.exit(f"testbed: {error}")


if __name__ == "__main__":
    main()
