"""A coordinator that dies in the middle of a backup, and another one that goes on with it."""

import json
import signal

import pytest
from testkit.objects import Bucket
from testkit.processes import wait_until


@pytest.fixture
def moto_bucket(layout, name):
    bucket = Bucket(layout.named("moto"), name.replace("_", "-")).create()
    yield bucket
    bucket.remove()


def killed(install, archive, bucket, proxy, name):
    """Kills a coordinator while its copies hang, and returns an installation that reaches the store without detours."""
    slow = proxy(bucket.service)
    slow.hold_after(1024 * 1024)

    def change(values):
        values["backup"]["storage"]["port"] = slow.port

    running = install(archive.milvus, bucket, change=change).start("create", "-n", name, "--filter", archive.filter)
    assert wait_until(lambda: slow.holding, 30), running.errors
    running.send(signal.SIGKILL)
    running.wait(10)
    slow.release()
    return install(archive.milvus, bucket, change=lambda values: values["log"].update(console=True))


def test_a_killed_backup_is_gone_on_with(install, archive, bucket, proxy, name):
    installation = killed(install, archive, bucket, proxy, name)
    before = bucket.sizes(f"backup/{name}/binlogs/")
    assert f"backup/{name}/claim.json" in bucket.sizes(f"backup/{name}/")
    listed = json.loads(installation.run("list", "--all", "--json").output)
    (unfinished,) = listed["unfinished_backups"]
    assert listed["backups"] == [] and unfinished["name"] == name and unfinished["state"] == "unfinished"
    assert unfinished["host"] and unfinished["start_time"] > 0

    again = installation.run("create", "-n", name, "--filter", archive.filter)
    assert again.code == 1 and "--resume" in again.errors, str(again)
    resumed = installation.run("create", "-n", name, "--filter", archive.filter, "--resume")
    assert resumed.code == 0, str(resumed)
    left = bucket.sizes(f"backup/{name}/")
    assert set(before) <= set(left)
    assert not [key for key in left if "journal" in key or "claim" in key]

    checked = installation.run("restore", "-n", name, "--dry-run", "-s", "_dry")
    assert checked.code == 0, str(checked)
    # A backup that is complete is not begun anew.
    assert installation.run("create", "-n", name, "--resume").code == 1


def test_what_a_dead_coordinator_has_left_is_deleted(install, archive, moto_bucket, name):
    """Parts of uploads that nobody has ended cost money, and no listing shows them."""
    installation = install(archive.milvus, moto_bucket)
    moto_bucket.put(f"backup/{name}/binlogs/insert_log/1/2/3/3/0/1", b"x")
    client, where = moto_bucket.client, {"Bucket": moto_bucket.name}
    for key in [f"backup/{name}/binlogs/insert_log/1/2/3/3/0/2", f"backup/{name}x/binlogs/insert_log/1/2/3/3/0/2"]:
        client.create_multipart_upload(**where, Key=key)
    listed = installation.run("list", "--all")
    assert listed.code == 0 and f">> Unfinished:\n{name}: nothing is known of it" in listed.output, str(listed)
    assert installation.run("delete", "-n", name).code == 0
    assert not moto_bucket.sizes(f"backup/{name}/")
    (other,) = client.list_multipart_uploads(**where)["Uploads"]
    assert other["Key"].startswith(f"backup/{name}x/")


def test_a_backup_that_is_being_made_is_not_taken_over(install, archive, bucket, name):
    installation = install(archive.milvus, bucket)
    # It waits for an agent that never comes.
    waiting = ["--listen", "127.0.0.1:0", "--min-agents", "1"]
    running = installation.start("create", "-n", name, "--filter", archive.filter, *waiting)
    assert wait_until(lambda: f"backup/{name}/claim.json" in bucket.sizes(f"backup/{name}/"), 30), running.errors
    other = installation.run("create", "-n", name, "--filter", archive.filter, "--resume")
    assert other.code == 1 and "is being made on" in other.errors, str(other)
    running.send(signal.SIGTERM)
    assert running.wait(30).code == 130
