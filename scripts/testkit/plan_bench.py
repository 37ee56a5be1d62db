"""`make bench-plan`: what a backup of very many objects costs the coordinator: planning, dispatch, the metadata, the manifest,
and reading all of it for a restore. Milvus, the store and the agents are simulated, in this process; what is measured is the
real coordinator's own processor time and memory, apart from everybody else's.
"""

import argparse
import contextlib
import os
import sys
import threading
from pathlib import Path

from . import protocol
from .costs import peak_until_end
from .layout import ACCESS_KEY, HOST, REPOSITORY, SECRET_KEY, Layout
from .pages import machine, write_section
from .processes import wait_until
from .programs import Installation, write_configuration
from .simulated import SIZE, Milvus, Population, Simulation, Store, etag

NAME = "plan"
HEADING = "Very many objects"
POPULATIONS = {
    "10 thousand": Population(10, 50),
    "100 thousand": Population(10, 500),
    "1 million": Population(10, 5000),
    "200 thousand, in 10 thousand collections": Population(10_000, 1),
}


class SwiftAgent(threading.Thread):
    """An agent for which every copy is done the moment it hears of it."""

    def __init__(self, address, name, values, simulation):
        super().__init__(daemon=True)
        self.address, self.name, self.values, self.simulation = address, name, values, simulation
        self.failure = None

    def run(self):
        try:
            self._work()
        except (protocol.Closed, ConnectionError):
            pass
        except Exception as error:  # What else it is, the report shows.
            self.failure = error

    def _work(self):
        assert wait_until(self._is_listening, 600)
        read = lambda _, key: self.simulation.objects[key].decode()  # noqa: E731
        with protocol.FakeAgent(self.address, self.name, self.values, read, capacity=4) as agent:
            agent.send(protocol.PULL, {"shards": 4})
            while True:
                kind, message = agent.receive(600)
                if kind == protocol.FINISH:
                    return
                if kind != protocol.ASSIGNMENT:
                    continue
                self.simulation.backup.shown = True
                tasks = message["shard"]["tasks"]
                results = [
                    {"index": index, "etag": etag(task["source"]), "copiedByStore": False,
                     "checksum": {"kind": "crc32c", "value": f"{index:08x}"}}
                    for index, task in enumerate(tasks)
                ]  # fmt: skip
                agent.send(
                    protocol.COMPLETED, {"lease": message["lease"], "results": results, "bytes": len(tasks) * SIZE})
                agent.send(protocol.PULL, {"shards": 1})

    def _is_listening(self):
        try:
            protocol.dial(self.address).close()
            return True
        except OSError:
            return False


def configuration(port, milvus_port):
    def storage(bucket, root):
        return {
            "provider": "minio", "address": HOST, "port": port, "bucketName": bucket, "rootPath": root,
            "auth": {"type": "static", "accessKeyID": ACCESS_KEY, "secretAccessKey": SECRET_KEY},
        }  # fmt: skip

    return {
        "configVersion": "v2",
        "log": {"console": False, "file": {"path": ""}},
        "milvus": {
            "grpc": {"address": HOST, "port": milvus_port},
            "management": {"endpoint": f"http://{HOST}:{port}"},
            "storage": storage("simulated", "files"),
        },
        "backup": {"storage": storage("simulated", "backup"), "pauseGC": False},
        "transfer": {"mode": "streaming"},
    }


def measured(program, timeout=3600):
    """Waits for the good end of a program: processor seconds, and the most bytes it had resident."""
    resident = peak_until_end(program.pid, timeout)
    if resident is None:
        program.kill()
        sys.exit(f"bench-plan: {program.name} did not end within {timeout} s")
    # Nobody has waited for it yet, so what it has used is still to be read.
    fields = Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split()
    result = program.wait(10)
    if result.code:
        sys.exit(f"bench-plan: it failed:\n{result}")
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), resident


@contextlib.contextmanager
def simulated(population, layout, directory):
    """The servers and two agents: the programs to run, and the options of a `create` that waits for these agents."""
    base = layout.port_base + 160
    simulation = Simulation(population, "files/insert_log/", f"backup/{NAME}/binlogs/insert_log/")
    store, milvus = Store(simulation, HOST, base), Milvus(population, HOST, base + 1)
    values = configuration(base, base + 1)
    installation = Installation(write_configuration(directory / "backup.yaml", values), directory)
    address = f"{HOST}:{base + 2}"
    agents = [SwiftAgent(address, f"agent-{number}", values, simulation) for number in range(2)]
    try:
        for agent in agents:
            agent.start()
        yield installation, ["--listen", address, "--min-agents", len(agents)]
        for agent in agents:
            if agent.failure:
                raise agent.failure
    finally:
        store.stop()
        milvus.stop()
        installation.stop()


def plan(title, population, layout):
    """One backup and one dry run of its restore."""
    directory = layout.directory / "bench-plan" / str(population.objects)
    with simulated(population, layout, directory) as (installation, options):
        costs = [measured(installation.start("create", "-n", NAME, *options))]
        costs.append(measured(installation.start("restore", "-n", NAME, "--dry-run", "-s", "_again")))
    print(f"{title}: {costs}", flush=True)
    return costs


def report(results):
    lines = [
        "`make bench-plan`: the real coordinator plans and dispatches a backup, checks it, writes its metadata and its manifest,",
        "and reads all of it for a restore (`restore --dry-run`, which compares the manifest with a listing). Milvus, the store and",
        "two agents that copy in no time are simulated, by another process. Figures are those of the coordinator alone.",
        "", machine(), "",
        "| objects | create: CPU, s | µs per object | resident, MiB | restore's reading: CPU, s | µs per object | resident, MiB |",
        "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for title, population, costs in results:
        cells = []
        for seconds, resident in costs:
            cells += [f"{seconds:.1f}", f"{1e6 * seconds / population.objects:.0f}", f"{resident / (1 << 20):.0f}"]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    lines += ["", "Ten thousand collections cost their calls: about a dozen requests each."]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench-plan", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=list(POPULATIONS), help="only this row; may be given again")
    parser.add_argument("--output", default=str(REPOSITORY / "docs" / "benchmarks.md"), help="the page to put it into")
    arguments = parser.parse_args()
    layout = Layout.with_free_ports()
    results = [
        (title, population, plan(title, population, layout))
        for title, population in POPULATIONS.items()
        if not arguments.only or title in arguments.only
    ]
    text = report(results)
    print(text)
    write_section(arguments.output, HEADING, text)


if __name__ == "__main__":
    main()
