"""Users, roles and grants, which Milvus 2.3.5 does not give out: with fakes of 2.5 made of the official protobufs."""

import json
import os
import subprocess
import sys

import pytest
from testkit import backups, newer_milvus
from testkit.layout import HOST, REPOSITORY
from testkit.processes import port_answers, wait_until


@pytest.fixture
def fakes(layout, tmp_path):
    """Two of them, one with rights and one with a single user: their ports, and how to read what they know."""
    started = []

    def start(number, *arguments):
        port, file = layout.port_base + 170 + number, tmp_path / f"rights-{number}.json"
        started.append(
            subprocess.Popen(
                [sys.executable, "-m", "testkit.newer_milvus", str(port), str(file), *arguments],
                env={**os.environ, "PYTHONPATH": f"{newer_milvus.PACKAGES}:{REPOSITORY / 'scripts'}"},
            ))  # fmt: skip
        assert wait_until(lambda: port_answers(HOST, port), 30)
        return port, lambda: json.loads(file.read_text())

    yield start(0), start(1, "empty")
    for process in started:
        process.kill()
        process.wait()


def test_rights_are_backed_up_and_what_is_missing_is_restored(fakes, install, milvus_a, bucket, name):
    (source, rights), (target, known) = fakes

    def at(port):
        def change(values):
            values["milvus"]["grpc"]["port"] = port
            values["backup"]["pauseGC"] = False

        return install(milvus_a, bucket, change=change)

    result = at(source).run("create", "-n", name, "--rbac", "--strategy", "meta_only")
    assert result.code == 0, str(result)
    recorded = backups.metadata(bucket, "backup", name)["rbac_meta"]
    assert [user["user"] for user in recorded["users"]] == ["ada", "bob"]
    # Passwords are recorded as Milvus gives them out, and shown to nobody.
    assert recorded["users"][0]["password"] == rights()["users"][0]["password"]
    assert rights()["users"][0]["password"] not in result.output + result.errors

    before = known()
    assert at(target).run("restore", "-n", name, "--meta_only").code == 0
    assert known() == before, "without --rbac nothing of it is touched"
    result = at(target).run("restore", "-n", name, "--rbac", "--meta_only", "-s", "_again")
    assert result.code == 0, str(result)
    users = {user["user"]: user for user in known()["users"]}
    # Who was there keeps the password.
    assert users["bob"] == before["users"][0] and users["ada"] == rights()["users"][0]
    for what in ["roles", "grants", "privilege_groups"]:
        assert known()[what] == rights()[what]
    # A second time nothing is missing.
    result = at(target).run("restore", "-n", name, "--rbac", "--meta_only", "-s", "_more")
    assert result.code == 0 and len(known()["users"]) == 2, str(result)
