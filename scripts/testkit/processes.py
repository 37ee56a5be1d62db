"""Servers as background processes: started detached, found again by a later command, ended for good."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path


class ProcessError(Exception):
    """A server that did not do what it should; the message says which and where its log is."""


def start_time(pid):
    """When a process started, in clock ticks since boot; None if there is no such process (or only its zombie)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def has_threads(pid):
    """Whether threads of a process outlive its first one: what it has locked is locked until they too have ended."""
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False


class Background:
    """A server process that outlives the command that started it; `directory` holds its log and its process id."""

    def __init__(self, name, directory):
        self.name = name
        self.directory = Path(directory)
        self.record = self.directory / "process.json"
        self.log = self.directory / "output.log"

    @property
    def pid(self):
        """The process id while the process that was started still lives, else None."""
        record = self._read_record()
        if record is None:
            return None
        # A number alone may have been given to somebody else's process since.
        return record["pid"] if start_time(record["pid"]) == record["start_time"] else None

    @property
    def last_pid(self):
        """The process id of the last start, whether that process lives or not."""
        record = self._read_record()
        return record and record["pid"]

    def _read_record(self):
        try:
            return json.loads(self.record.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None

    def start(self, command, environment=None, working_directory=None):
        self.directory.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=working_directory or self.directory,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        self.record.write_text(json.dumps({"pid": process.pid, "start_time": start_time(process.pid)}))
        return process

    def stop(self, patience):
        """Asks the process to end, and ends it when `patience` seconds have passed."""
        pid = self.pid
        if pid is None:
            return
        if patience > 0:
            self._signal(pid, signal.SIGTERM)
            self._wait(pid, patience)
        # A Milvus whose store went away first never ends by itself.
        self._signal(pid, signal.SIGKILL)
        if not self._wait(pid, 20):
            raise ProcessError(f"{self.name} (process {pid}) does not end")
        self.record.unlink(missing_ok=True)

    @staticmethod
    def _signal(pid, number):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, number)

    @staticmethod
    def _wait(pid, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            if start_time(pid) is None and not has_threads(pid):
                return True
            time.sleep(0.05)
        return False

    def last_lines(self, count=15):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-count:])
        except FileNotFoundError:
            return "(no log)"

    def erase(self):
        shutil.rmtree(self.directory, ignore_errors=True)


def port_answers(host, port):
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def listener_of(port):
    """The program that listens on a port, as far as one may know it."""
    try:
        text = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return "another program"
    _, found, rest = text.partition('users:(("')
    return rest.split("))")[0].replace('"', "") if found else "another program"


def wait_until(condition, seconds, interval=0.1):
    """Whether `condition()` became true within the time."""
    deadline = time.monotonic() + seconds
    while True:
        if condition():
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
