"""The demonstration: a real Milvus is backed up by two agents into another object store, restored by two agents into
another Milvus, and compared with it to the last row."""

import argparse
import contextlib
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from .compare import Comparison, compare
from .data import COLLECTIONS, make_all
from .layout import HOST, Layout
from .objects import Bucket
from .processes import ProcessError
from .programs import BINARIES, Installation, configuration, shares, write_configuration
from .server_connection import Connection
from .testbed import Testbed

BACKUP = "demo"
BUCKET = "demo-backup"
AGENTS = 2
LEAST_SHARE = 0.25
# 160 MB are copied in half a second, most of them by whoever woke up first. At a set pace both agents have their turns,
# however busy the machine is. Only what passes through agents has a pace, so the target's own store, which could make the
# copies of a restore, is not asked to.
PACE = ["--bandwidth", "32MiB", "--set", "transfer.mode=streaming"]


class Checks:
    """What was to hold and whether it did, printed as a table at the end."""

    def __init__(self):
        self.rows = []

    def add(self, subject, expectation, passed, detail=""):
        self.rows.append((subject, expectation, bool(passed), detail))

    @property
    def passed(self):
        return bool(self.rows) and all(row[2] for row in self.rows)

    def print(self):
        cells = [("SUBJECT", "CHECK", "RESULT", "")]
        cells += [(subject, what, "ok" if passed else "FAILED", detail) for subject, what, passed, detail in self.rows]
        widths = [max(len(row[column]) for row in cells) for column in range(3)]
        for row in cells:
            print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip())


class Demo:
    def __init__(self, layout):
        self.layout = layout
        self.directory = layout.directory / "demo"
        self.source = layout.named("milvus-a")
        self.target = layout.named("milvus-b")
        self.backup_store = layout.named("store-b")
        self.address = f"{HOST}:{layout.port_base + 90}"
        self.checks = Checks()
        self._began = time.monotonic()
        self._installations = []

    def step(self, text):
        print(f"[{time.monotonic() - self._began:6.1f} s] {text}", flush=True)

    def run(self):
        """Everything but starting and stopping the servers; true when all checks passed."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self._clear_target()
        self.step(f"fill {self.source.name} with collections")
        make_all(self.source.address, log=lambda text: print(f"           {text}", flush=True))
        if self._carry_out(self.source, "create") and self._carry_out(self.target, "restore"):
            self.step("compare every collection, row by row")
            self._compare_collections()
        self.step("done")
        print()
        self.checks.print()
        return self.checks.passed

    def stop(self):
        for installation in self._installations:
            installation.stop()

    def _clear_target(self):
        """An earlier demonstration may have left its backup and its collections."""
        Bucket(self.backup_store, BUCKET).create().erase()
        for database in ["default", "shop"]:
            with Connection(self.target.address) as connection:
                if database not in connection.databases():
                    continue
            with Connection(self.target.address, database) as connection:
                for name in [name for home, name, _ in COLLECTIONS if home == database]:
                    connection.drop(name)
                if database != "default" and not connection.collections():
                    connection.drop_database()

    def _carry_out(self, milvus, command):
        """Runs `create` or `restore` with its agents."""
        file = write_configuration(
            self.directory / f"{command}.yaml",
            configuration(milvus, self.backup_store, BUCKET, log=self.directory / f"{command}.log"),
        )
        installation = Installation(file, self.directory / command)
        self._installations.append(installation)
        self.step(f"milvus-backup {command} with {AGENTS} agents")
        options = ["--rebuild_index"] if command == "restore" else []
        coordinator = installation.start(
            *[command, "-n", BACKUP, *options, "--listen", self.address, "--min-agents", AGENTS, *PACE],
            name=command,
        )
        # Few objects at a time: so little data would else be taken by who asks first.
        agents = installation.start_agents(AGENTS, self.address, "--concurrency", 8)
        result = coordinator.wait(timeout=300)
        for agent in agents:
            agent.stop()
        print("".join(f"           {line}\n" for line in result.output.splitlines()), end="", flush=True)
        self.checks.add(command, "ends with status 0", result.code == 0, f"{result.seconds:.1f} s")
        if result.code != 0:
            print(result, file=sys.stderr)
            return False
        self._check_shares(command, shares(result))
        return True

    def _check_shares(self, command, copied):
        total = sum(share.size for share in copied.values())
        self.checks.add(command, f"{AGENTS} agents copied", len(copied) == AGENTS, ", ".join(copied))
        for name, share in sorted(copied.items()):
            part = share.size / total if total else 0
            self.checks.add(
                f"{command} {name}",
                f"copied at least {LEAST_SHARE:.0%} of the bytes",
                part >= LEAST_SHARE,
                f"{share.objects} objects, {share.size:,} bytes, {part:.0%}",
            )

    def _compare_collections(self):
        with ThreadPoolExecutor(max_workers=3) as pool:  # Mostly waiting for collections to be loaded.
            comparisons = list(pool.map(lambda entry: self._compare(*entry[:2]), COLLECTIONS))
        for (database, name, _), comparison in zip(COLLECTIONS, comparisons, strict=True):
            for aspect, differences in comparison.differences.items():
                detail = "; ".join(differences) or (str(comparison.digest) if aspect == "rows" else "")
                self.checks.add(f"{database}.{name}", f"same {aspect}", not differences, detail)

    def _compare(self, database, name):
        with Connection(self.target.address) as default:
            if database not in default.databases():
                return Comparison({"schema": [f"there is no database {database}"]})
        with Connection(self.source.address, database) as source, Connection(self.target.address, database) as target:
            return compare(source, name, target)


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave the servers running, with the data in them")
    parser.add_argument("--dir", help="the testbed's directory (default: .testbed)")
    arguments = parser.parse_args()
    for program in ["milvus-backup", "milvus-backup-agent"]:
        if not (BINARIES / program).exists():
            sys.exit(f"demo: {BINARIES / program} is not there; run `make build` first")

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    layout = Layout.with_free_ports(arguments.dir)
    testbed = Testbed(layout, log=lambda text: print(f"           {text}", flush=True))
    was_up = testbed.is_up()
    demo = Demo(layout)
    passed = False
    with contextlib.ExitStack() as at_the_end:
        if not was_up and not arguments.keep:
            at_the_end.callback(testbed.down, [])
        at_the_end.callback(demo.stop)
        try:
            demo.step("start the servers")
            testbed.up([])
            passed = demo.run()
        except (ProcessError, TimeoutError) as error:
            print(f"demo: {error}", file=sys.stderr)
        except KeyboardInterrupt:
            print("demo: interrupted", file=sys.stderr)
    print(f"\ndemo: {'all checks passed' if passed else 'FAILED; see ' + str(demo.directory)}")
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
