"""Backups and restores while things break: agents and coordinators are killed, stopped and cut off, stores fail, lie and
restart, Milvus restarts, the log's disk is full. Afterwards every byte and every row is compared. What happens follows
from a seed."""

import argparse
import collections
import contextlib
import random
import re
import shutil
import signal
import sys
import threading
import time
from functools import partial

from . import data
from .backups import compare_bytes
from .compare import compare
from .disk import DiskError, TinyDisk
from .faults import FAULTS, FaultyStore
from .layout import HOST, Layout
from .network import Network, NetworkError
from .objects import Bucket
from .processes import wait_until
from .programs import BINARIES, Installation, configuration, write_configuration
from .server_connection import Connection
from .testbed import Testbed

LEASE = 4
ROOT = "backup"
HOSTS = 3
# Long enough for a dead coordinator's claim to be taken for dead, several times over.
PATIENCE = 240
# After so many seconds without a sign of life a coordinator's claim counts for nothing (JobRecord.patience).
CLAIM = 20
# A Milvus that was killed loads no collection until the sessions of its former life have run out.
MILVUS_SESSION = 65

MAKERS = {
    "photos": partial(data.make_photos, rows=1600, rounds=4),
    "documents": partial(data.make_documents, rows=600),
    "leaflets": partial(data.make_leaflets, rows=120, partitions=8),
}

# How often each is done, in proportion.
ACTIONS = {
    "kill_agent": 4,
    "pause_agent": 3,
    "cut_agent": 5,
    "kill_coordinator": 4,
    "pause_coordinator": 3,
    "fill_disk": 2,
    "restart_store": 2,
    "restart_milvus": 0.5,
}
KILLS = ["kill_agent", "kill_coordinator"]


class Lost(Exception):
    """What must never happen: a backup that is not right, or a job that cannot be brought to its end."""


class Surroundings:
    """What the programs run in: the servers, hosts for the agents, a small disk for the log. What this machine does not
    permit is left out, and said."""

    def __init__(self, testbed, log=print, servers=True):
        self.testbed = testbed
        self.network = self.disk = None
        self.left_out = set() if servers else {"restart_store", "restart_milvus"}
        self._log = log
        self._closing = contextlib.ExitStack()
        self._settled = {}  # By a Milvus' name, when it will be itself again.

    def __enter__(self):
        try:
            self.network = self._closing.enter_context(Network(HOSTS))
        except NetworkError as error:
            self._leave_out("cut_agent", error)
        try:
            self.disk = self._closing.enter_context(TinyDisk(self.testbed.layout.directory / "chaos-log"))
        except DiskError as error:
            self._leave_out("fill_disk", error)
        return self

    def __exit__(self, *_):
        self._closing.close()

    def _leave_out(self, action, error):
        self.left_out.add(action)
        self._log(f"chaos: {action} is left out: {error}")

    @property
    def address(self):
        """Where the stores and the coordinator are reached from every host."""
        return self.network.address if self.network else HOST

    def restart_store(self, service):
        self.testbed.restart(service.name)

    def restart_milvus(self, milvus):
        self.testbed.restart(milvus.name)
        self._settled[milvus.name] = time.monotonic() + MILVUS_SESSION

    def settle(self, milvus):
        """Waits until a Milvus can do everything. True if it had fallen over."""
        server = self.testbed.servers[milvus.name]
        fallen = not wait_until(lambda: not server.running or server.is_ready(), 60) or not server.running
        if fallen:
            self.restart_milvus(milvus)
        time.sleep(max(0, self._settled.get(milvus.name, 0) - time.monotonic()))
        return fallen


class Cluster:
    """A coordinator and its agents, and what can be done to them while a job runs."""

    def __init__(self, installation, surroundings, port, agents, milvus, stores, generator, counts):
        self.installation = installation
        self.surroundings = surroundings
        self.address = f"{surroundings.address}:{port}"
        self.milvus = milvus
        self.stores = stores  # The proxies before the stores.
        self.generator = generator
        self.counts = counts
        self.agents = [self._new_agent() for _ in range(agents)]
        self.coordinator = None

    def _new_agent(self):
        network = self.surroundings.network
        prefix = self.generator.choice(network.hosts).prefix if network else []
        return self.installation.start_agent(f"agent-{self.generator.randrange(10**6)}", self.address, prefix=prefix)

    def start(self, *arguments, alone=False):
        """Starts a command; `alone` without agents, whose port may not be free."""
        options = ["--listen", self.address] if self.agents and not alone else []
        return self.installation.start(*arguments, *options)

    @property
    def requests(self):
        return sum(store.requests for store in self.stores)

    def disturb(self, actions, ended):
        """Does one thing after the other to whoever runs, until all are done or the job has ended. Each comes after so many
        requests to the stores, however fast the machine is, or when nothing happens for some seconds."""
        for requests, action in actions:
            until, latest = self.requests + requests, time.monotonic() + 3
            while self.requests < until and time.monotonic() < latest:
                if ended.wait(0.01):
                    return
            if not ended.is_set() and getattr(self, action)():
                self.counts[action] += 1

    def kill_agent(self):
        if not self.agents:
            return False
        victim = self.agents.pop(self.generator.randrange(len(self.agents)))
        victim.kill()
        self.agents.append(self._new_agent())
        return True

    def pause_agent(self):
        return bool(self.agents) and self._pause(self.generator.choice(self.agents), self._while())

    def cut_agent(self):
        """Cuts a host off, with all agents on it."""
        if not self.agents:
            return False
        hosts = self.surroundings.network.hosts
        agent = self.generator.choice(self.agents)
        host = next(host for host in hosts if host.prefix == agent.command[: len(host.prefix)])
        host.cut()
        try:
            time.sleep(self._while())
        finally:
            host.mend()
        return agent.running

    def pause_coordinator(self):
        return self._pause(self.coordinator, self._while())

    def kill_coordinator(self):
        if not self.coordinator.running:
            return False
        self.coordinator.kill()
        return True

    def fill_disk(self):
        self.surroundings.disk.fill()
        time.sleep(self._while())
        self.surroundings.disk.free()
        return True

    def restart_store(self):
        self.surroundings.restart_store(self.generator.choice(self.stores).service)
        return True

    def restart_milvus(self):
        self.surroundings.restart_milvus(self.milvus)
        return True

    def _while(self):
        """Sometimes longer than a lease, sometimes not."""
        return self.generator.uniform(0.5, LEASE * 2)

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
    def __init__(self, layout, seed, surroundings, makers=MAKERS, log=print):
        self.layout = layout
        self.seed = seed
        self.surroundings = surroundings
        self.makers = makers
        self.log = log
        self.counts = collections.Counter()
        self.directory = layout.directory / "chaos" / str(seed)
        self.milvus = layout.named("milvus-a")
        self.target = layout.named("milvus-b")
        self.store = layout.named("store-b")
        self.database = f"chaos_{seed}"
        self.bucket = Bucket(self.store, f"chaos-{seed}")

    def __enter__(self):
        shutil.rmtree(self.directory, ignore_errors=True)
        self.bucket.create().erase()
        for milvus in [self.milvus, self.target]:
            self._settle(milvus)
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

    def _settle(self, milvus):
        if self.surroundings.settle(milvus):
            self.counts["Milvus fell over by itself"] += 1

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
        with contextlib.ExitStack() as at_the_end:
            stores = [
                at_the_end.enter_context(
                    FaultyStore(
                        service, seed=f"{self.seed} {number} {place}", rate=rate, address=self.surroundings.address
                    )
                )
                for place, service in enumerate([self.milvus.store, self.store, self.target.store])
            ]
            at_the_end.callback(self._count, stores)
            clusters = [
                self._cluster(place, milvus, [source, stores[1]], self.directory / name / milvus.name, generator)
                for place, (milvus, source) in enumerate([(self.milvus, stores[0]), (self.target, stores[2])])
            ]
            for cluster in clusters:
                at_the_end.callback(cluster.stop)
            self._create(clusters[0], name, generator)
            self._prove(name)
            self._restore(clusters[1], name, generator)
            for store in stores:
                store.rate = 0
            self._verify(clusters[0], name)
            self._delete(clusters[0], name)
        self.counts["rounds"] += 1

    def _count(self, stores):
        for store in stores:
            for fault, count in store.counts.items():
                self.counts[fault] += count
            self.counts["requests"] += store.requests

    def _cluster(self, place, milvus, stores, directory, generator):
        disk = self.surroundings.disk
        log = (disk.directory if disk else directory) / f"{milvus.name}.log"
        if disk:
            disk.free()
        values = configuration(milvus, self.store, self.bucket.name, ROOT, log=log)
        for storage, store in [(values["milvus"]["storage"], stores[0]), (values["backup"]["storage"], stores[1])]:
            storage.update(address=store.address, port=store.port)
        values["backup"]["shard"] = {"maxSizeMiB": generator.choice([1, 4, 64]), "maxObjects": generator.choice([10, 100])}
        values["transfer"] = {
            "mode": generator.choice(["auto", "streaming"]),
            "fastPath": generator.choice(["auto", "checksummed", "off"]),
            "concurrency": generator.choice([1, 8, 128]),
            "stallTimeoutSeconds": 10,
        }
        values["coordinator"].update(leaseSeconds=LEASE, heartbeatSeconds=1, maxShardFailures=20)
        values["log"]["console"] = True
        return Cluster(
            Installation(write_configuration(directory / "backup.yaml", values), directory), self.surroundings,
            self.layout.port_base + 95 + place, generator.choice([0, 1, 2, 3]), milvus, stores,
            random.Random(generator.random()), self.counts,
        )  # fmt: skip

    def _actions(self, generator):
        chosen = generator.choices(list(ACTIONS), list(ACTIONS.values()), k=generator.randrange(5))
        actions = [(generator.randrange(1, 200), action) for action in chosen]
        # Thrown away only now: a seed means the same on every machine.
        return [each for each in actions if each[1] not in self.surroundings.left_out]

    def _attempt(self, cluster, arguments, actions, alone=False):
        """Runs a command to its end while things are done to it."""
        self._settle(cluster.milvus)
        cluster.coordinator = cluster.start(*arguments, alone=alone)
        ended = threading.Event()
        failures = []

        def disturb():
            try:
                cluster.disturb(actions, ended)
            except Exception as error:  # noqa: BLE001
                failures.append(error)

        disturber = threading.Thread(target=disturb, daemon=True)
        disturber.start()
        try:
            result = self._end_of(cluster.coordinator)
        finally:
            ended.set()
            disturber.join()
        if failures:
            raise failures[0]
        return result

    def _end_of(self, program):
        try:
            result = program.wait(PATIENCE)
        except TimeoutError as error:
            raise Lost(str(error)) from None
        self._check_ending(result)
        return result

    def _create(self, cluster, name, generator):
        begin = ["create", "-n", name, "--filter", f"{self.database}.*"]
        arguments = begin
        for number in range(8):
            # What fails must fail cleanly; the last attempts are left in peace.
            actions = self._actions(generator) if number < 3 else []
            if number < 2 and generator.random() < 0.15:
                result = self._overtake(cluster, arguments, [*begin, "--resume"], generator)
            else:
                result = self._attempt(cluster, arguments, actions)
            # It may have been killed when the backup was there and nothing left to do but to clean up.
            if result.code == 0 or (arguments != begin and "already exist" in result.errors):
                self.counts["backups"] += 1
                return
            self.counts["backups gone on with"] += 1
            arguments = [*begin, "--resume"]
        raise Lost(f"backup {name} did not come to its end:\n{result}")

    def _overtake(self, cluster, begin, resume, generator):
        """A coordinator is stopped for longer than its claim holds. Another one takes its place, and the first one, which
        wakes up during that or after it, must do no harm."""
        self._settle(cluster.milvus)
        sleeper = cluster.start(*begin)
        until, latest = cluster.requests + generator.randrange(1, 300), time.monotonic() + 3
        while cluster.requests < until and time.monotonic() < latest and sleeper.running:
            time.sleep(0.01)
        sleeper.send(signal.SIGSTOP)
        waking = threading.Timer(
            generator.choice([CLAIM + generator.uniform(0.5, 5), PATIENCE]), sleeper.send, [signal.SIGCONT]
        )
        waking.start()
        try:
            result = self._attempt(cluster, resume, [], alone=True)
        finally:
            waking.cancel()
            sleeper.send(signal.SIGCONT)
        late = self._end_of(sleeper)
        if late.code == 0 and result.code == 0:
            raise Lost(f"two coordinators have made one backup:\n{late}\n{result}")
        self.counts["coordinators stopped past their claim"] += 1
        return late if late.code == 0 else result

    def _prove(self, name):
        count, wrong = compare_bytes(Bucket(self.milvus.store, self.milvus.bucket), self.bucket, ROOT, name)
        if wrong or not count:
            raise Lost(f"backup {name}: {len(wrong)} of {count} objects differ from their source, such as {wrong[:3]}")
        self.counts["objects compared"] += count

    def _restore(self, cluster, name, generator):
        begin = ["restore", "-n", name, "--rebuild_index"]
        killed = None  # The id of a restore that was killed, to be gone on with.
        for number in range(8):
            actions = self._actions(generator) if number < 3 else []
            if killed:
                self.counts["restores gone on with"] += 1
            else:
                self._settle(self.target)
                self._drop_all(self.target)
            result = self._attempt(cluster, [*begin, "--resume", killed] if killed else begin, actions)
            if result.code == 0:
                break
            id = killed or next(iter(re.findall(r"restoring .*\bid=(\S+)", result.errors)), None)
            killed = id if result.code == -signal.SIGKILL and generator.random() < 0.75 else None
            if not killed:
                self.counts["restores begun again"] += 1
        else:
            raise Lost(f"the restore of {name} did not come to its end:\n{result}")
        self.counts["restores"] += 1
        self._compare(name)
        self._drop_all(self.target)

    def _compare(self, name):
        for milvus in [self.milvus, self.target]:
            self._settle(milvus)
        with Connection(self.milvus.address, self.database) as source, Connection(
            self.target.address, self.database
        ) as target:
            for collection in self.makers:
                comparison = compare(source, collection, target)
                if not comparison.same:
                    self._write_down(name)
                    raise Lost(f"{name}: {collection}: {comparison}")
                self.counts["rows compared"] += comparison.digest.rows

    def _write_down(self, name):
        """What was there when something was lost: the stores are gone afterwards."""
        logs = Bucket(self.milvus.store, self.milvus.bucket).sizes(f"{self.milvus.root}/")
        lines = [f"milvus {key} {size}" for key, size in logs.items() if "_log/" in key]
        lines += [f"backup {key} {size}" for key, size in self.bucket.sizes(f"{ROOT}/{name}/").items()]
        (self.directory / "objects").write_text("\n".join(lines) + "\n")

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
            self.round(number)
            self.log(f"seed {self.seed} round {number}: {time.monotonic() - started:.0f} s")
            number += 1

    @property
    def faults(self):
        return sum(self.counts[fault] for fault in FAULTS)

    @property
    def kills(self):
        return sum(self.counts[action] for action in KILLS)


def report(counts, log=print):
    for name in sorted(counts):
        log(f"{name:38} {counts[name]:>12,}")
    log(f"{'faults, all together':38} {sum(counts[fault] for fault in FAULTS):>12,}")


def main():
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="the first seed (default: of the clock); then the ones after it")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=10, help="rounds for each seed")
    arguments = parser.parse_args()
    if not (BINARIES / "milvus-backup").exists():
        sys.exit(f"chaos: {BINARIES / 'milvus-backup'} is not there; run `make build` first")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    def log(text):
        print(text, flush=True)

    layout = Layout.with_free_ports()
    testbed = Testbed(layout, log=log)
    was_up = testbed.is_up()
    seed = arguments.seed if arguments.seed is not None else int(time.time()) % 10**6
    first = seed
    counts = collections.Counter()
    began = time.monotonic()
    until = began + 60 * arguments.minutes
    status = 0
    try:
        testbed.up(["milvus-a", "milvus-b"])
        with Surroundings(testbed, log) as surroundings:
            while time.monotonic() < until:
                chaos = Chaos(layout, seed, surroundings, log=log)
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
    print(f"\nseeds {first} to {seed if status else seed - 1}, {(time.monotonic() - began) / 60:.0f} minutes")
    report(counts)
    print(f"{'lost':38} {status:>12}")
    sys.exit(status)


if __name__ == "__main__":
    main()
