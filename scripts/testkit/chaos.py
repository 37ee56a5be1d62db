"""Backups and restores while things break: agents and coordinators are killed, stopped and cut off, stores fail and lie,
disks are full, servers restart. Afterwards every byte and every row is compared. What happens follows from a seed."""

import argparse
import collections
import contextlib
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from functools import partial

from . import data
from .backups import compare_bytes
from .compare import compare
from .faults import FAULTS, FaultyStore
from .layout import HOST, Layout
from .objects import Bucket
from .programs import BINARIES, Installation, configuration, write_configuration
from .server_connection import Connection
from .testbed import Testbed

LEASE = 4
ROOT = "backup"
# Long enough for a dead coordinator's claim to be taken for dead, several times over.
PATIENCE = 240

MAKERS = {
    "photos": partial(data.make_photos, rows=1600, rounds=4),
    "documents": partial(data.make_documents, rows=600),
    "leaflets": partial(data.make_leaflets, rows=200, partitions=20),
}


class Lost(Exception):
    """What must never happen: a backup that is not right, or a job that cannot be brought to its end."""


class Cluster:
    """A coordinator and its agents, and what can be done to them while a job runs."""

    def __init__(self, installation, address, agents, generator, counts):
        self.installation = installation
        self.address = address
        self.generator = generator
        self.counts = counts
        self.agents = [self._new_agent() for _ in range(agents)]
        self.coordinator = None

    def _new_agent(self):
        return self.installation.start_agent(f"agent-{self.generator.randrange(10**6)}", self.address)

    def start(self, *arguments):
        options = ["--listen", self.address] if self.agents else []
        self.coordinator = self.installation.start(*arguments, *options)
        return self.coordinator

    def disturb(self, actions, ended):
        """Does one thing after the other to whoever runs, until all are done or the job has ended."""
        for delay, action in actions:
            if ended.wait(delay):
                return
            done = getattr(self, action)()
            if done:
                self.counts[action] += 1

    def kill_agent(self):
        if not self.agents:
            return False
        victim = self.agents.pop(self.generator.randrange(len(self.agents)))
        victim.kill()
        self.agents.append(self._new_agent())
        return True

    def pause_agent(self):
        return bool(self.agents) and self._pause(self.generator.choice(self.agents), self.generator.uniform(0.5, LEASE * 2))

    def pause_coordinator(self):
        return self._pause(self.coordinator, self.generator.uniform(0.5, LEASE * 2))

    def kill_coordinator(self):
        if not self.coordinator.running:
            return False
        self.coordinator.kill()
        return True

    @staticmethod
    def _pause(program, seconds):
        if not program.running:
            return False
        program.send(signal.SIGSTOP)
        time.sleep(seconds)
        program.send(signal.SIGCONT)
        return True

    def stop(self):
        self.installation.stop()


class Chaos:
    def __init__(self, layout, seed, makers=MAKERS, restarts=True, log=print):
        self.layout = layout
        self.seed = seed
        self.makers = makers
        self.restarts = restarts
        self.log = log
        self.counts = collections.Counter()
        self.directory = layout.directory / "chaos" / str(seed)
        self.milvus = layout.named("milvus-a")
        self.target = layout.named("milvus-b")
        self.store = layout.named("store-b")
        self.database = f"chaos_{seed}"
        self.bucket = Bucket(self.store, f"chaos-{seed}")
        self._rounds = 0

    def __enter__(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        self.bucket.create().erase()
        for milvus in [self.milvus, self.target]:
            self._drop_all(milvus)
        Connection(self.milvus.address, self.database, create_database=True).close()
        with Connection(self.milvus.address, self.database) as connection:
            for name, make in self.makers.items():
                make(connection, name)
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            self.bucket.remove()
            for milvus in [self.milvus, self.target]:
                self._drop_all(milvus)
                bucket = Bucket(milvus.store, milvus.bucket)
                # Of coordinators that were killed: probes, and what the next restore would sweep.
                for prefix in [f"{milvus.root}/milvus_backup_probe_", "restore-temp-"]:
                    bucket.erase(prefix)

    def _drop_all(self, milvus):
        with Connection(milvus.address) as whole:
            if self.database not in whole.databases():
                return
        with Connection(milvus.address, self.database) as connection:
            for name in connection.collections():
                connection.drop(name)
            connection.drop_database()

    # MARK: one round

    def round(self, number):
        """A backup that is made, proved, restored and deleted under whatever the dice say."""
        generator = random.Random(f"{self.seed} {number}")
        name = f"round_{number}"
        rate = generator.choice([0, 0.02, 0.1, 0.25])
        directory = self.directory / name
        with contextlib.ExitStack() as at_the_end:
            stores = [
                at_the_end.enter_context(FaultyStore(service, seed=f"{self.seed} {number} {place}", rate=rate, faults=FAULTS))
                for place, service in enumerate([self.milvus.store, self.store, self.target.store])
            ]
            clusters = [
                Cluster(
                    self._installation(milvus, source, stores[1], directory / milvus.name, generator),
                    f"{HOST}:{self.layout.port_base + 95 + place}", generator.choice([0, 1, 2, 3]), generator, self.counts,
                )
                for place, (milvus, source) in enumerate([(self.milvus, stores[0]), (self.target, stores[2])])
            ]  # fmt: skip
            for cluster in clusters:
                at_the_end.callback(cluster.stop)
            self._create(clusters[0], name, generator)
            self._prove(name)
            self._restore(clusters[1], name, generator)
            for store in stores:
                store.rate = 0
            self._verify(clusters[0], name)
            self._delete(clusters[0], name)
            for store in stores:
                for fault, count in store.counts.items():
                    self.counts[fault] += count
                self.counts["requests"] += store.requests
        self.counts["rounds"] += 1

    def _installation(self, milvus, source, backup, directory, generator):
        values = configuration(milvus, self.store, self.bucket.name, ROOT, log=directory / "tool.log")
        values["milvus"]["storage"]["port"] = source.port
        values["backup"]["storage"]["port"] = backup.port
        values["backup"]["shard"] = {"maxSizeMiB": generator.choice([1, 4, 64]), "maxObjects": generator.choice([10, 100])}
        values["transfer"] = {
            "mode": generator.choice(["auto", "streaming"]),
            "fastPath": generator.choice(["auto", "checksummed", "off"]),
            "concurrency": generator.choice([1, 8, 128]),
            "stallTimeoutSeconds": 10,
        }
        values["coordinator"].update(leaseSeconds=LEASE, heartbeatSeconds=1, maxShardFailures=20)
        return Installation(write_configuration(directory / "backup.yaml", values), directory)

    def _actions(self, generator):
        possible = ["kill_agent", "pause_agent", "pause_coordinator", "kill_coordinator"]
        return [(generator.uniform(0.05, 2), generator.choice(possible)) for _ in range(generator.randrange(4))]

    def _attempt(self, cluster, arguments, actions):
        """Runs a command to its end while things are done to it."""
        cluster.start(*arguments)
        ended = threading.Event()
        disturber = threading.Thread(target=cluster.disturb, args=(actions, ended), daemon=True)
        disturber.start()
        try:
            return cluster.coordinator.wait(PATIENCE)
        finally:
            ended.set()
            disturber.join(30)

    def _create(self, cluster, name, generator):
        arguments = ["create", "-n", name, "--filter", f"{self.database}.*"]
        for number in range(8):
            # What fails must fail cleanly; the last attempts are left in peace.
            actions = self._actions(generator) if number < 3 else []
            result = self._attempt(cluster, arguments, actions)
            self._check_ending(result)
            if result.code == 0:
                self.counts["backups"] += 1
                return
            self.counts["backups that went on"] += 1
            arguments = ["create", "-n", name, "--filter", f"{self.database}.*", "--resume"]
        raise Lost(f"backup {name} did not come to its end:\n{result}")

    def _prove(self, name):
        count, wrong = compare_bytes(Bucket(self.milvus.store, self.milvus.bucket), self.bucket, ROOT, name)
        if wrong or not count:
            raise Lost(f"backup {name}: {len(wrong)} of {count} objects differ from their source, such as {wrong[:3]}")
        self.counts["objects compared"] += count

    def _restore(self, cluster, name, generator):
        for number in range(6):
            self._drop_all(self.target)
            actions = self._actions(generator) if number < 2 else []
            result = self._attempt(cluster, ["restore", "-n", name, "--rebuild_index"], actions)
            self._check_ending(result)
            if result.code == 0:
                break
            self.counts["restores that were repeated"] += 1
        else:
            raise Lost(f"the restore of {name} did not come to its end:\n{result}")
        self.counts["restores"] += 1
        with Connection(self.milvus.address, self.database) as source, Connection(
            self.target.address, self.database
        ) as target:
            for collection in self.makers:
                comparison = compare(source, collection, target)
                if not comparison.same:
                    raise Lost(f"{name}: {collection}: {comparison}")
                self.counts["rows compared"] += comparison.digest.rows
        self._drop_all(self.target)

    def _verify(self, cluster, name):
        """Its own opinion of itself, with the stores in order."""
        result = cluster.installation.run("verify", "-n", name, "--deep")
        if result.code:
            raise Lost(f"verify of {name}:\n{result}")
        self.counts["verified"] += 1

    def _delete(self, cluster, name):
        result = cluster.installation.run("delete", "-n", name)
        left = list(self.bucket.sizes(f"{ROOT}/{name}/"))
        if result.code or left:
            raise Lost(f"delete of {name} left {len(left)} objects, such as {left[:3]}:\n{result}")

    @staticmethod
    def _check_ending(result):
        """By itself a program ends with a word about why, never by a crash."""
        crashed = result.code < 0 and result.code not in [-signal.SIGKILL, -signal.SIGTERM]
        if crashed or "Fatal error" in result.errors or result.code == 2:
            raise Lost(f"a program crashed:\n{result}")

    # MARK: many rounds

    def run(self, seconds, rounds=None):
        """Rounds until the time is over, or so many."""
        began = time.monotonic()
        number = 0
        while time.monotonic() - began < seconds and (rounds is None or number < rounds):
            started = time.monotonic()
            if self.restarts and number % 10 == 9:
                self._restart_servers()
            self.round(number)
            self.log(f"seed {self.seed} round {number}: {time.monotonic() - started:.0f} s")
            number += 1

    def _restart_servers(self):
        """All data stays; whoever is connected notices."""
        subprocess.run([sys.executable, "-m", "testkit.testbed", "down", "--keep", "milvus-b"], check=True)
        subprocess.run([sys.executable, "-m", "testkit.testbed", "up"], check=True)
        self.counts["restarts of a Milvus"] += 1


def report(counts, log=print):
    for name in sorted(counts):
        log(f"{name:32} {counts[name]:>12,}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="the first seed (default: of the clock); then the ones after it")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=10, help="rounds for each seed")
    arguments = parser.parse_args()
    if not (BINARIES / "milvus-backup").exists():
        sys.exit(f"chaos: {BINARIES / 'milvus-backup'} is not there; run `make build` first")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    layout = Layout.with_free_ports()
    testbed = Testbed(layout, log=lambda text: print(text, flush=True))
    was_up = testbed.is_up()
    seed = arguments.seed if arguments.seed is not None else int(time.time()) % 10**6
    first = seed
    counts = collections.Counter()
    until = time.monotonic() + 60 * arguments.minutes
    status = 0
    try:
        testbed.up([])
        while time.monotonic() < until:
            chaos = Chaos(layout, seed, log=lambda text: print(text, flush=True))
            with chaos:
                try:
                    chaos.run(until - time.monotonic(), arguments.rounds)
                finally:
                    counts += chaos.counts
            seed += 1
    except Lost as loss:
        status = 1
        print(f"chaos: LOST with seed {seed}: {loss}", file=sys.stderr)
    finally:
        if not was_up:
            testbed.down([])
    print(f"\nseeds {first} to {seed}, {arguments.minutes:g} minutes")
    report(counts)
    print(f"{'lost':32} {status:>12}")
    sys.exit(status)


if __name__ == "__main__":
    main()
