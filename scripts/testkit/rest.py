"""A client of the REST interface, for a server that is under test."""

import json
import re
import time
from dataclasses import dataclass

import requests

from .processes import wait_until

RUNNING = (0, 1)
DONE = 2
FAILED = 3


@dataclass
class Answer:
    """One answer: `text` as it came, `json` what it says (None when it is no JSON)."""

    status: int
    text: str
    headers: dict

    @property
    def json(self):
        try:
            return json.loads(self.text)
        except json.JSONDecodeError:
            return None

    @property
    def code(self):
        """As clients of the original read it: no code is success."""
        return self.json.get("code", 0)

    @property
    def message(self):
        return self.json.get("msg", "")

    @property
    def data(self):
        return self.json["data"]

    def succeeded(self):
        """This answer, when it tells of a success."""
        assert self.status == 200, str(self)
        assert "code" not in self.json, str(self)
        return self

    def refused(self, code, message=""):
        """This answer, when it has HTTP status 200, this code, and this in its message."""
        assert (self.status, self.json.get("code")) == (200, code), str(self)
        assert message in self.message, str(self)
        return self

    def malformed(self, word):
        """This answer, when it is HTTP's 400 and names what is wrong."""
        assert self.status == 400, str(self)
        assert set(self.json) == {"error"} and word in self.json["error"], str(self)
        return self


class Client:
    """Speaks to one server. Several threads may use it."""

    def __init__(self, url, headers=None, verify=None):
        self.url = url.rstrip("/")
        self.headers = headers or {}
        self.verify = verify

    def call(self, method, path, timeout=300, headers=None, **options):
        """Sends a request; `path` is below /api/v1."""
        # One connection each, as curl does: what one test leaves behind never meets another.
        answer = requests.request(
            method,
            f"{self.url}/api/v1{path}",
            timeout=timeout,
            headers={**self.headers, **(headers or {})},
            verify=self.verify,
            allow_redirects=False,
            **options,
        )
        return Answer(answer.status_code, answer.text, dict(answer.headers))

    def get(self, path, /, **parameters):
        return self.call("GET", path, params=parameters)

    def post(self, path, /, body=None, **keys):
        return self.call("POST", path, json=keys if body is None else body)

    # MARK: The routes

    def create(self, name, **keys):
        return self.post("/create", {"backup_name": name, **keys})

    def restore(self, name, **keys):
        return self.post("/restore", {"backup_name": name, **keys})

    def backup(self, name, **parameters):
        return self.get("/get_backup", backup_name=name, **parameters)

    def restored(self, identity):
        return self.get("/get_restore", id=identity)

    def delete(self, name):
        return self.call("DELETE", "/delete", params={"backup_name": name})

    def names(self, **parameters):
        """The names of the backups that are listed."""
        return [entry["name"] for entry in self.get("/list", **parameters).succeeded().data]

    def cancel(self, **keys):
        return self.post("/cancel", keys)

    # MARK: Waiting

    def wait_for_backup(self, name, seconds=180):
        return self._wait(lambda: self.backup(name).succeeded().data, seconds)

    def wait_for_restore(self, identity, seconds=180):
        return self._wait(lambda: self.restored(identity).succeeded().data, seconds)

    @staticmethod
    def _wait(state, seconds):
        """Polls a job until it has ended; gives its last state. Checks what must hold of every state on the way."""
        deadline = time.monotonic() + seconds
        shown = 0
        while time.monotonic() < deadline:
            data = state()
            check_task(data)
            if data["state_code"] not in RUNNING:
                return data
            assert data["progress"] >= shown, data
            shown = data["progress"]
            time.sleep(0.1)
        raise TimeoutError(f"not over after {seconds} s: {data}")


def check_task(data):
    """What holds of the state of any job at any time."""
    assert type(data["state_code"]) is int and type(data["progress"]) is int
    assert 0 <= data["progress"] <= 100
    for key in ["start_time", "end_time"]:
        assert data.get(key, 1) > 0, data  # Left out when there is none, never negative, never 0.
    if data["state_code"] in RUNNING:
        assert "end_time" not in data and data["progress"] < 100, data
    if data["state_code"] == DONE:
        assert data["progress"] == 100 and "errorMessage" not in data, data
    if data["state_code"] == FAILED:
        assert data["errorMessage"], data
    if "start_time" in data and "end_time" in data:
        assert data["end_time"] >= data["start_time"]


class Server:
    """`milvus-backup server` of an installation whose log goes to the console."""

    def __init__(self, installation, *arguments, environment=None):
        self.program = installation.start("server", *(arguments or ["-p", 0]), environment=environment)
        self.url = self._address()

    def _address(self):
        pattern = re.compile(r"serving .*url=\"?(https?://[^\s\"]+)/api/v1")
        wait_until(lambda: pattern.search(self.program.errors) or not self.program.running, 60, interval=0.02)
        match = pattern.search(self.program.errors)
        assert match, f"the server does not serve:\n{self.program.errors[-4000:]}"
        return match[1]

    @property
    def port(self):
        return int(self.url.rpartition(":")[2])

    @property
    def log(self):
        return self.program.errors

    def client(self, **options):
        return Client(self.url, **options)
