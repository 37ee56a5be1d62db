"""Running milvus-backup and its agents against the testbed."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

from .layout import ACCESS_KEY, HOST, REPOSITORY, SECRET_KEY
from .processes import wait_until

# `transfer.fastPath` where a test does not choose one; MILVUS_BACKUP_FAST_PATH would overrule those that do.
FAST_PATH = os.environ.get("MILVUS_BACKUP_TEST_FAST_PATH")
BINARIES = Path(os.environ.get("MILVUS_BACKUP_TEST_BINARIES") or REPOSITORY / ".build" / "release")


def configuration(milvus, backup_store, backup_bucket, backup_root="backup", token="testbed-token-0123456789", log=None):
    """A version 2 configuration: `milvus` (of the layout) backed up into a bucket of `backup_store`."""

    def storage(service, bucket, root):
        return {
            "provider": "minio",
            "address": HOST,
            "port": service.port,
            "bucketName": bucket,
            "rootPath": root,
            "auth": {"type": "static", "accessKeyID": ACCESS_KEY, "secretAccessKey": SECRET_KEY},
        }

    return {
        "configVersion": "v2",
        "log": {"level": "info", "console": False, "file": {"path": str(log or "")}},
        "milvus": {
            "grpc": {"address": HOST, "port": milvus.port, "tlsMode": "disabled"},
            "management": {"endpoint": milvus.management},
            "etcd": {"endpoints": [f"{HOST}:{milvus.etcd_port}"], "rootPath": "by-dev"},
            "storage": storage(milvus.store, milvus.bucket, milvus.root) if milvus.store else directory(milvus.root),
        },
        # Small shards, so that little data is enough for several agents.
        "backup": {"storage": storage(backup_store, backup_bucket, backup_root), "shard": {"maxSizeMiB": 4}},
        "coordinator": {"token": token},
    }


def directory(path, **more):
    """A storage section that names a directory."""
    return {"provider": "local", "rootPath": str(path), **more}


def write_configuration(path, values):
    path = Path(path)
    if FAST_PATH and values.get("configVersion") == "v2":
        values = {**values, "transfer": {"fastPath": FAST_PATH, **(values.get("transfer") or {})}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    return path


@dataclass
class Result:
    """How a program ended. `peak_memory` is in bytes, and no less than what the process had that started it: ask the
    program itself while it runs."""

    command: list
    code: int
    output: str
    errors: str
    seconds: float
    peak_memory: int

    def __str__(self):
        return (
            f"$ {' '.join(map(str, self.command))}\nstatus {self.code} after {self.seconds:.1f} s\n"
            f"--- output\n{self.output[-4000:]}\n--- errors\n{self.errors[-4000:]}"
        )


class Program:
    """A running milvus-backup or milvus-backup-agent. What it prints goes to `directory`/`name`.out and .err."""

    def __init__(self, program, arguments, directory, name, environment=None, prefix=()):
        self.name = name
        self.command = [*prefix, str(BINARIES / program), *map(str, arguments)]
        directory = Path(directory)
        directory.mkdir(parents=True, exist_ok=True)
        self.output_file = directory / f"{name}.out"
        self.errors_file = directory / f"{name}.err"
        self._began = time.monotonic()
        self._result = None
        self._reaping = threading.Lock()
        with open(self.output_file, "wb") as output, open(self.errors_file, "wb") as errors:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                cwd=directory,
                env={**os.environ, **(environment or {})},
            )

    @property
    def pid(self):
        return self.process.pid

    @property
    def output(self):
        return self.output_file.read_text(errors="replace")

    @property
    def errors(self):
        return self.errors_file.read_text(errors="replace")

    @property
    def running(self):
        return not self._reap()

    def peak_memory(self):
        """The most memory (bytes) it has held at once so far."""
        return self._result.peak_memory if self._result else peak_memory(self.pid)

    def send(self, number):
        if self.running:
            os.kill(self.pid, number)

    def wait(self, timeout):
        """Waits for the end; past the time limit the program is killed and this raises."""
        if not wait_until(self._reap, timeout, interval=0.02):
            self.kill()
            raise TimeoutError(f"{self.name} did not end within {timeout} s:\n{self._result}")
        return self._result

    def stop(self, patience=10):
        """Asks it to end, and kills it when it does not."""
        self.send(signal.SIGTERM)
        if not wait_until(self._reap, patience, interval=0.02):
            self.kill()
        return self._result

    def kill(self):
        self.send(signal.SIGKILL)
        wait_until(self._reap, 10, interval=0.02)

    def _reap(self):
        """Whether it has ended. Only this waits for the process: the kernel hands its use of memory out once. Several threads
        may ask."""
        with self._reaping:
            if self._result:
                return True
            pid, status, usage = os.wait4(self.pid, os.WNOHANG)
            if pid == 0:
                return False
            code = os.waitstatus_to_exitcode(status)
            self.process.returncode = code
            seconds = time.monotonic() - self._began
            self._result = Result(self.command, code, self.output, self.errors, seconds, usage.ru_maxrss * 1024)
            return True


def peak_memory(pid):
    """The most memory (bytes) that a live process has held at once."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise ProcessLookupError(f"process {pid} has ended")


class Installation:
    """The programs with one configuration file and one directory for what they print."""

    def __init__(self, configuration_file, directory):
        self.configuration_file = Path(configuration_file)
        self.directory = Path(directory)
        self.programs = []

    def start(self, *arguments, name=None, **options):
        """Starts `milvus-backup ARGUMENTS --config FILE`."""
        return self._started("milvus-backup", [*arguments, "--config", self.configuration_file], name, **options)

    def run(self, *arguments, timeout=300, **options):
        """Runs `milvus-backup ARGUMENTS --config FILE` to its end."""
        return self.start(*arguments, **options).wait(timeout)

    def start_agent(self, name, address, *arguments, configuration_file=None, **options):
        """Starts an agent that dials the coordinator at `address`."""
        file = configuration_file or self.configuration_file
        arguments = ["--coordinator", address, "--config", file, "--name", name, *arguments]
        return self._started("milvus-backup-agent", arguments, name, **options)

    def start_agents(self, count, address, *arguments, **options):
        return [self.start_agent(f"agent-{number}", address, *arguments, **options) for number in range(1, count + 1)]

    def _started(self, program, arguments, name, **options):
        name = f"{len(self.programs):02d}-{name or arguments[0]}"
        started = Program(program, arguments, self.directory, name, **options)
        self.programs.append(started)
        return started

    def stop(self):
        """Ends whatever still runs."""
        for program in reversed(self.programs):
            program.stop()


@dataclass(frozen=True)
class Share:
    """What one agent copied."""

    objects: int
    size: int


SHARE_LINE = re.compile(r"^\s*(?P<name>[\w.-]+):?\s+(?P<objects>\d+) objects?,?\s+(?P<size>\d+) bytes\b", re.MULTILINE)


def shares(result):
    """Per agent what it copied, from the summary that `create` and `restore` print."""
    for line in reversed(result.output.splitlines()):
        if line.startswith("{"):
            summary = json.loads(line)
            return {agent["name"]: Share(agent["objects"], agent["bytes"]) for agent in summary.get("agents", [])}
    return {
        match["name"]: Share(int(match["objects"]), int(match["size"])) for match in SHARE_LINE.finditer(result.output)
    }
