"""The steps of Milvus' documentation on backups, as they stand there: the commands, then the REST interface by curl.

The programs of example/ make, verify and drop the collections. The working directory holds configs/backup.yaml, the server
listens on port 8080 of its documentation; here the port is another one.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest
import yaml
from testkit import programs
from testkit.layout import HOST, REPOSITORY
from testkit.processes import wait_until
from testkit.server_connection import Connection


class Shell:
    """Runs commands in a directory that looks like the one in which the original was unpacked."""

    def __init__(self, directory, milvus):
        self.directory = directory
        self.environment = {**os.environ, "MILVUS_ADDRESS": milvus.address, "PYTHONDONTWRITEBYTECODE": "1"}
        (directory / "milvus-backup").symlink_to(programs.BINARIES / "milvus-backup")
        shutil.copytree(REPOSITORY / "example", directory / "example", ignore=shutil.ignore_patterns("__pycache__"))

    def run(self, command, code=0):
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == code, f"$ {command}\nstatus {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def example(self, name, code=0):
        return self.run(f"{sys.executable} example/{name}.py", code)

    def curl(self, command):
        return json.loads(self.run(f"curl --silent --show-error --fail {command}"))


@pytest.fixture
def shell(binaries, milvus_a, bucket, tmp_path):
    values = programs.configuration(milvus_a, bucket.service, bucket.name)
    values["log"]["file"]["path"] = "logs/backup.log"
    shell = Shell(tmp_path, milvus_a)
    programs.write_configuration(tmp_path / "configs" / "backup.yaml", values)
    shell.example("clean_data")
    yield shell
    shell.example("clean_data")


def restored(milvus):
    with Connection(milvus.address) as connection:
        return [name for name in connection.collections() if name.startswith("hello_milvus")]


def test_the_commands(shell, milvus_a):
    assert "hello_milvus: 3000 rows" in shell.example("prepare_data")
    assert "Success!" in shell.run("./milvus-backup check")
    created = shell.run("./milvus-backup create -n my_backup -c hello_milvus,hello_milvus2")
    assert "\ncreate backup success\n" in f"\n{created}"
    assert shell.run("./milvus-backup list") == ">> Backups:\nmy_backup\n"
    brief = json.loads(shell.run("./milvus-backup get -n my_backup"))
    assert [each["collection_name"] for each in brief["collection_backups"]] == ["hello_milvus", "hello_milvus2"]
    shell.example("verify_data", code=1)
    shell.run("./milvus-backup restore -n my_backup -s _recover")
    assert restored(milvus_a) == ["hello_milvus", "hello_milvus2", "hello_milvus2_recover", "hello_milvus_recover"]
    assert "hello_milvus_recover: 3000 rows" in shell.example("verify_data")
    assert shell.run("./milvus-backup delete -n my_backup") == "delete backup done\n"
    assert shell.run("./milvus-backup list") == ">> Backups:\n"
    shell.example("clean_data")
    assert restored(milvus_a) == []


def test_the_server(shell, milvus_a, layout):
    port = layout.port_base + 94
    url = f"http://localhost:{port}/api/v1"
    shell.example("prepare_data")
    server = programs.Program("milvus-backup", ["server", "-p", port], shell.directory, "server")
    try:
        hello = f"curl --silent --fail http://{HOST}:{port}/"
        assert wait_until(lambda: subprocess.run(hello.split(), capture_output=True).returncode == 0, 60), server.errors
        created = shell.curl(
            f"""--location --request POST '{url}/create' \\
            --header 'Content-Type: application/json' \\
            --data-raw '{{
                "async": true,
                "backup_name": "my_backup",
                "collection_names": [
                    "hello_milvus"
                ]
            }}'"""
        )
        assert created["msg"] == "create backup is executing asynchronously" and "code" not in created

        def backup():
            return shell.curl(
                f"""--location --request GET '{url}/get_backup?backup_name=my_backup' \\
                --header 'Content-Type: application/json' --data-raw '{{}}'"""
            )["data"]

        assert wait_until(lambda: backup()["state_code"] > 1, 120)
        assert backup()["state_code"] == 2 and backup()["progress"] == 100, backup()
        listed = shell.curl(f"--location --request GET '{url}/list' --header 'Content-Type: application/json'")
        assert [each["name"] for each in listed["data"]] == ["my_backup"]
        by_collection = shell.curl(f"--location --request GET '{url}/list?collection_name=hello_milvus'")
        assert [each["name"] for each in by_collection["data"]] == ["my_backup"]

        started = shell.curl(
            f"""--location --request POST '{url}/restore' \\
            --header 'Content-Type: application/json' \\
            --data-raw '{{
                "async": true,
                "collection_names": [
                    "hello_milvus"
                ],
                "collection_suffix": "_recover",
                "backup_name":"my_backup"
            }}'"""
        )
        identity = started["data"]["id"]

        def restore():
            return shell.curl(
                f"""--location --request GET '{url}/get_restore?id={identity}' \\
                --header 'Content-Type: application/json'"""
            )["data"]

        assert wait_until(lambda: restore()["state_code"] > 1, 120)
        assert (restore()["state_code"], restore()["progress"]) == (2, 100), restore()
        assert restored(milvus_a) == ["hello_milvus", "hello_milvus2", "hello_milvus_recover"]
        assert "hello_milvus_recover: 3000 rows" in shell.run(
            f"{sys.executable} example/verify_data.py hello_milvus_recover"
        )
        deleted = shell.curl(f"--location --request DELETE '{url}/delete?backup_name=my_backup'")
        assert deleted["msg"] == "success"
    finally:
        server.stop()
    assert yaml.safe_load((shell.directory / "configs" / "backup.yaml").read_text())  # It is read, never written.
