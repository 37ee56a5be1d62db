"""`make bench-scale`: what more agents bring. Every agent is a host of its own, behind a wire of the same bandwidth, and
the coordinator, the stores and Milvus are real. The wires are so slow that all agents together ask little of this machine.

The objects are hand-made: they lie beside the logs of a small collection, where Milvus would have put them.
"""

import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from . import data
from .layout import REPOSITORY, Layout
from .network import Forwarder, Network, NetworkError
from .objects import Bucket
from .pages import machine, write_section
from .programs import BINARIES, Installation, configuration, write_configuration
from .server_connection import Connection
from .testbed import Testbed

HEADING = "More agents"
DATABASE = "scale"
STREAMS = 16  # Objects in flight for each agent.
SHARD = 2  # MiB; an agent holds two of them.
MIB = 1 << 20
AGENTS = [1, 2, 4, 8]


class Scale:
    def __init__(self, layout, network, rate, sizes, object_size, log):
        self.layout = layout
        self.network = network
        self.rate = rate
        self.sizes = sizes  # Bytes by collection.
        self.object_size = object_size
        self.log = log
        self.milvus = layout.named("milvus-a")
        self.store = layout.named("store-b")
        self.source = Bucket(self.milvus.store, self.milvus.bucket)
        self.target = Bucket(self.store, "bench-scale")
        self.directory = layout.directory / "bench-scale"
        self._closing = contextlib.ExitStack()
        self._prefixes = []

    def __enter__(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        self._closing.callback(self._clean)
        for host in self.network.hosts:
            host.limit(self.rate)
        self.forwarders = [
            self._closing.enter_context(Forwarder(self.network.address, service.port))
            for service in [self.milvus.store, self.store]
        ]
        self.target.create().erase()
        Connection(self.milvus.address, DATABASE, create_database=True).close()
        with Connection(self.milvus.address, DATABASE) as connection:
            for name, size in self.sizes.items():
                connection.drop(name)
                self._fill(connection, name, size)
        return self

    def __exit__(self, *_):
        self._closing.close()

    def _clean(self):
        with Connection(self.milvus.address) as whole:
            if DATABASE in whole.databases():
                with Connection(self.milvus.address, DATABASE) as connection:
                    connection.drop_database()
        for prefix in self._prefixes:
            self._erase(self.source, prefix)
        self._erase(self.target)
        self.target.remove()

    @staticmethod
    def _erase(bucket, prefix=""):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(bucket.delete, bucket.sizes(prefix)))

    def _fill(self, connection, name, size):
        """A collection of some rows, and beside its logs objects of the size that is wanted: one, or many that are small.
        Every field has as many logs as the others, as a backup expects it."""
        data.make_photos(connection, name, rows=8, rounds=1)
        prefix = f"{self.milvus.root}/insert_log/{connection.describe(name).collectionID}/"
        self._prefixes.append(prefix)
        fields = sorted(key.rpartition("/")[0] for key in self.source.sizes(prefix) if not key.endswith("/"))
        if name == "large":
            bodies = {f"{field}/1": size if field == fields[0] else 1 for field in fields}
        else:
            count = size // self.object_size // len(fields)
            bodies = {f"{field}/{log}": self.object_size for field in fields for log in range(1, count + 1)}
        content = os.urandom(max(bodies.values()))

        def put(entry):
            number, (key, length) = entry
            # No two are equal.
            self.source.put(key, (content[number:] + content[:number])[:length] if length > 1 else b"x")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(put, enumerate(bodies.items())))

    # MARK: one run

    def run(self, agents, collections, **transfer):
        """Backs collections up with so many agents; bytes and seconds of the copying."""
        name = f"agents_{agents}_{'_'.join(collections)}"
        values = configuration(self.milvus, self.store, self.target.name, log="")
        values["log"]["level"] = "warn"
        values["transfer"] = {"mode": "streaming", **transfer}
        values["backup"]["shard"]["maxSizeMiB"] = SHARD
        directory = self.directory / name
        installation = Installation(write_configuration(directory / "coordinator.yaml", values), directory)
        for storage, forwarder in zip([values["milvus"]["storage"], values["backup"]["storage"]], self.forwarders, strict=True):
            storage.update(address=forwarder.address, port=forwarder.port)
        file = write_configuration(directory / "agent.yaml", values)
        address = f"{self.network.address}:{self.layout.port_base + 97}"
        try:
            for number, host in enumerate(self.network.hosts[:agents], start=1):
                installation.start_agent(
                    f"agent-{number}", address, "--concurrency", STREAMS, configuration_file=file, prefix=host.prefix)
            result = installation.run(
                "create", "-n", name, "--filter", ",".join(f"{DATABASE}.{each}" for each in collections),
                "--listen", address, "--min-agents", agents, "--json", timeout=1200)  # fmt: skip
        finally:
            installation.stop()
        if result.code:
            sys.exit(f"bench-scale: {result}")
        self._erase(self.target)
        summary = json.loads(result.output)
        shares = [agent["bytes"] for agent in summary["agents"]]
        run = Run(agents, sum(shares), summary["phases"]["copy"], result.seconds, shares)
        self.log(f"{name}: {run}")
        return run


class Run:
    def __init__(self, agents, size, seconds, wall, shares):
        self.agents, self.size, self.seconds, self.wall, self.shares = agents, size, seconds, wall, shares

    @property
    def throughput(self):
        return self.size / self.seconds

    def __str__(self):
        return (
            f"{self.size / MIB:.0f} MiB in {self.seconds:.2f} s ({self.throughput / MIB:.2f} MiB/s, {self.wall:.1f} s with "
            f"everything); shares in MiB: {', '.join(f'{share / MIB:.0f}' for share in self.shares)}"
        )


def page(runs, large, rate, sizes, object_size):
    """The section of the page."""
    first = runs[0]
    words = " ".join(["scripts/bench-scale", *sys.argv[1:]])
    lines = [
        f"`{words if sys.argv[1:] else 'make bench-scale'}` gives every agent a host of its own:",
        f"a network namespace whose wire lets {rate / 1e6:.0f} Mbit/s pass in each direction. Coordinator, agents, stores and Milvus",
        "are the real ones; throughput is that of the phase \"copy\" of `create`. Ratios are of one run.", "",
        f"{machine()} Data: {sizes['small'] // MIB} MiB in objects of {object_size // 1024} KiB, {STREAMS} in flight for each",
        f"agent, shards of {SHARD} MiB.", "",
        "| agents | seconds | MiB/s | of the wires | times one agent |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for run in runs:
        share = run.throughput * 8 / (rate * run.agents)
        lines.append(
            f"| {run.agents} | {run.seconds:.2f} | {run.throughput / MIB:.2f} | {share:.0%} "
            f"| {run.throughput / first.throughput:.2f} |"
        )
    if large:
        one, four, skew, balanced = large
        lines += [
            "", f"One object of {sizes['large'] // MIB} MiB on four agents: {four.seconds:.2f} s, {four.seconds / one.seconds:.2f} of "
            f"the {one.seconds:.2f} s on one.",
            f"The same object among the small ones on four agents: {skew.seconds:.2f} s, {skew.seconds / balanced:.2f} of the time "
            "that so many bytes of small objects take.",
        ]  # fmt: skip
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench-scale", description=__doc__.split("\n\n")[0])
    parser.add_argument("--mbit", type=int, default=48, help="what each wire lets pass, in Mbit/s (48)")
    parser.add_argument("--mib", type=int, default=480, help="small objects, all together, in MiB (480)")
    parser.add_argument("--object-kib", type=int, default=256, help="size of a small object (256)")
    parser.add_argument("--large-mib", type=int, default=1024, help="size of the large object (1024)")
    parser.add_argument("--part-mib", type=int, default=8, help="size of the parts of the large object (8)")
    parser.add_argument("--large", action=argparse.BooleanOptionalAction, default=True, help="measure the large object, too")
    parser.add_argument("--runs", type=int, default=1, help="runs of everything, of which the medians count (1)")
    parser.add_argument("--output", default=str(REPOSITORY / "docs" / "benchmarks.md"), help="the page with the section")
    arguments = parser.parse_args()
    if not (BINARIES / "milvus-backup").exists():
        sys.exit(f"bench-scale: {BINARIES / 'milvus-backup'} is not there; run `make build` first")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    log = partial(print, flush=True)
    layout = Layout.with_free_ports()
    testbed = Testbed(layout, log=log)
    was_up = testbed.is_up()
    sizes = {"small": arguments.mib * MIB}
    if arguments.large:
        sizes["large"] = arguments.large_mib * MIB
    rate = arguments.mbit * 1_000_000
    try:
        testbed.up(["milvus-a", "store-b"])
        with Network(max(AGENTS)) as network:
            with Scale(layout, network, rate, sizes, arguments.object_kib * 1024, log) as scale:

                def median(*words, **transfer):
                    runs = [scale.run(*words, **transfer) for _ in range(arguments.runs)]
                    return next(r for r in runs if r.seconds == statistics.median_low(r.seconds for r in runs))

                runs = [median(count, ["small"]) for count in AGENTS]
                large = None
                if arguments.large:
                    parts = {
                        "largeObjectThresholdMiB": min(64, arguments.large_mib),
                        "multipartStreamThresholdMiB": min(64, arguments.large_mib),
                        "partSizeMiB": arguments.part_mib,
                    }
                    one, four = (median(count, ["large"], **parts) for count in [1, 4])
                    skew = median(4, ["small", "large"], **parts)
                    large = one, four, skew, skew.size / next(r for r in runs if r.agents == 4).throughput
        text = page(runs, large, rate, sizes, arguments.object_kib * 1024)
        write_section(arguments.output, HEADING, text)
        print(text)
    except NetworkError as error:
        sys.exit(f"bench-scale: {error}")
    finally:
        if not was_up:
            testbed.down([])


if __name__ == "__main__":
    main()
