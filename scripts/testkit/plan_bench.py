"""`make bench-plan`: what a backup of very many objects costs the coordinator: planning, dispatch, the metadata, the manifest,
and reading all of it for a restore. Milvus, the store and the agents are simulated, in this process; what is measured is the
real coordinator's own processor time and memory, apart from everybody else's.
"""

import argparse
import datetime
import json
import os
import platform
import sys
import threading
from pathlib import Path

from . import protocol
from .bench import peak_memory
from .layout import ACCESS_KEY, HOST, REPOSITORY, SECRET_KEY, Layout
from .processes import wait_until
from .programs import Installation, write_configuration
from .simulated import SIZE, Milvus, Population, Simulation, Store, etag

NAME = "plan"
POPULATIONS = {
    "10 thousand": Population(10, 50),
    "100 thousand": Population(10, 500),
    "1 million": Population(10, 5000),
    "10 thousand collections of one segment": Population(10_000, 1),
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


def measured(program, timeout):
    """Waits for the end of a program: processor seconds, the most resident bytes, and the result."""
    resident = 0

    def ended():
        nonlocal resident
        if not os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            resident = max(resident, peak_memory(program.pid))
            return False
        return True

    fields = []

    def has_ended():
        # What a zombie has used is still to be read.
        done = ended()
        if done:
            fields.extend(Path(f"/proc/{program.pid}/stat").read_text().rpartition(")")[2].split())
        return done

    if not wait_until(has_ended, timeout, interval=0.05):
        program.kill()
        sys.exit(f"bench-plan: {program.name} did not end within {timeout} s")
    seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    result = program.wait(10)
    if result.code:
        sys.exit(f"bench-plan: it failed:\n{result}")
    return seconds, resident, result


def plan(title, population, layout):
    """One backup and one dry run of its restore."""
    base = layout.port_base + 160
    directory = layout.directory / "bench-plan" / str(population.objects)
    simulation = Simulation(population, "files/insert_log/", f"backup/{NAME}/binlogs/insert_log/")
    store, milvus = Store(simulation, HOST, base), Milvus(population, HOST, base + 1)
    values = configuration(base, base + 1)
    installation = Installation(write_configuration(directory / "backup.yaml", values), directory)
    address = f"{HOST}:{base + 2}"
    agents = [SwiftAgent(address, f"agent-{number}", values, simulation) for number in range(2)]
    try:
        created = installation.start("create", "-n", NAME, "--listen", address, "--min-agents", 2)
        for agent in agents:
            agent.start()
        costs = [measured(created, 3600)]
        for agent in agents:
            if agent.failure:
                raise agent.failure
        restored = installation.start("restore", "-n", NAME, "--dry-run", "-s", "_again")
        costs.append(measured(restored, 3600))
    finally:
        store.stop()
        milvus.stop()
        installation.stop()
    documents = {key.rpartition("/")[2]: len(body) for key, body in simulation.objects.items() if f"/{NAME}/" in key}
    print(f"{title}: {json.dumps([cost[:2] for cost in costs])} documents {json.dumps(documents)}", flush=True)
    return costs


def report(results):
    lines = [
        "| objects | create: CPU, s | µs per object | resident, MiB | restore's reading: CPU, s | µs per object | resident, MiB |",
        "|---|---|---|---|---|---|---|",
    ]
    for title, population, costs in results:
        cells = []
        for seconds, resident, _ in costs:
            cells += [f"{seconds:.1f}", f"{1e6 * seconds / population.objects:.0f}", f"{resident / (1 << 20):.0f}"]
        lines.append(f"| {title} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench-plan", description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=list(POPULATIONS), help="only this row; may be given again")
    parser.add_argument("--output", default=None, help="where the table goes besides the terminal")
    arguments = parser.parse_args()
    layout = Layout.with_free_ports()
    results = [
        (title, population, plan(title, population, layout))
        for title, population in POPULATIONS.items()
        if not arguments.only or title in arguments.only
    ]
    table = report(results)
    print(f"Machine: {os.cpu_count()} processors, Linux {platform.release().split('-')[0]}; {datetime.date.today()}\n\n{table}")
    if arguments.output:
        Path(arguments.output).write_text(table)


if __name__ == "__main__":
    main()
