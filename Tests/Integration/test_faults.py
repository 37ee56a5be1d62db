"""Interruptions and things in the way: what a user finds afterwards."""

import signal

import pytest
from testkit import backups, data, programs
from testkit.compare import compare
from testkit.digest import digest
from testkit.objects import Bucket
from testkit.processes import wait_until


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_create(install, archive, bucket, proxy, management, name, number):
    slow = proxy(bucket.service)
    slow.hold_after(256 * 1024)

    def change(values):
        values["backup"]["storage"]["port"] = slow.port
        values["milvus"]["management"]["endpoint"] = management.endpoint

    installation = install(archive.milvus, bucket, change=change)
    running = installation.start("create", "-n", name, "--filter", archive.filter)
    assert wait_until(lambda: slow.holding, 30), running.errors
    assert management.calls() == ["pause"]
    running.send(number)
    result = running.wait(30)
    assert result.code == 130, str(result)
    assert result.errors == "Error: canceled\n"
    assert management.calls() == ["pause", "resume"]
    slow.release()

    # What was copied is there and no backup: list warns, get and restore do not know it, delete removes it.
    assert not bucket.sizes(f"backup/{name}/meta/")
    other = install(archive.milvus, bucket, change=lambda values: values["log"].update(console=True))
    if bucket.sizes(f"backup/{name}/"):
        listed = other.run("list")
        assert (listed.code, listed.output) == (0, ">> Backups:\n")
        assert f"{name} is no finished backup" in listed.errors
    else:
        bucket.put(f"backup/{name}/binlogs/insert_log/1/2/3/3/4/5", b"x")
    for command in ["get", "restore"]:
        refused = other.run(command, "-n", name)
        assert (refused.code, f"backup {name} not found" in refused.errors) == (1, True), str(refused)
    assert other.run("delete", "-n", name).code == 0
    assert not bucket.sizes()


def test_garbage_collection_is_paused_and_resumed(install, note, bucket, management, name):
    def change(values):
        values["milvus"]["management"]["endpoint"] = management.endpoint

    made = install(note.milvus, bucket, change=change).run("create", "-n", name, "--filter", note.filter)
    assert made.code == 0, str(made)
    assert management.calls() == ["pause", "resume"]
    assert "pause_seconds=3600" in management.requests[0]


def test_garbage_collection_is_resumed_when_a_backup_fails(install, note, bucket, management, name):
    def change(values):
        values["milvus"]["management"]["endpoint"] = management.endpoint
        values["transfer"] = {"mode": "direct"}  # Two servers: no store can copy from the other.

    made = install(note.milvus, bucket, change=change).run("create", "-n", name, "--filter", note.filter)
    assert made.code == 1, str(made)
    assert "direct" in made.errors
    assert management.calls() == ["pause", "resume"]
    assert not bucket.sizes(f"backup/{name}/meta/")


@pytest.fixture
def restoring(install, archive, milvus_b, bucket, proxy, name, drop_later):
    """Starts a restore that streams through a proxy: restoring() gives both."""
    assert install(archive.milvus, bucket).run("create", "-n", name, "--filter", archive.filter).code == 0
    slow = proxy(milvus_b.store)

    def change(values):
        values["milvus"]["storage"]["port"] = slow.port
        values["transfer"] = {"mode": "streaming"}

    def start(late=None):
        drop_later(milvus_b, "photos", archive.database)
        slow.late = late
        return slow, install(milvus_b, bucket, change=change).start("restore", "-n", name)

    return start


def test_interrupted_restore_leaves_no_staged_copies(restoring, milvus_b):
    slow, running = restoring()
    slow.hold_after(256 * 1024)
    assert wait_until(lambda: slow.holding, 30), running.errors
    running.send(signal.SIGINT)
    # Its way out goes through the same proxy.
    slow.release()
    result = running.wait(60)
    assert result.code == 130, str(result)
    assert not backups.left_in(milvus_b)


def test_a_copy_that_arrives_after_its_restore_was_interrupted_does_not_stay(restoring, milvus_b):
    slow, running = restoring(late=f"PUT /{milvus_b.bucket}/restore-temp-".encode())
    # More than the record and the journal of the restore: copies.
    assert wait_until(lambda: slow.on_their_way > 2, 30), running.errors
    running.send(signal.SIGINT)
    result = running.wait(60)
    assert result.code == 130, str(result)
    assert wait_until(lambda: not slow.on_their_way, 30)
    assert not backups.left_in(milvus_b)


@pytest.fixture
def own_note(collection_of, milvus_a, name):
    """A collection that a test may change: its name."""
    collection_of(milvus_a, data.make_documents, name, rows=40)
    return name


def test_restore_refuses_what_is_in_its_way_or_drops_it(install, milvus_a, bucket, connect, own_note, name):
    installation = install(milvus_a, bucket)
    assert installation.run("create", "-n", name, "-c", own_note).code == 0
    connection = connect(milvus_a)
    original = digest(connection, own_note)
    connection.collection(own_note).delete(f'key in ["{data.document_key(3)}"]')
    changed = digest(connection, own_note)
    assert changed.rows == original.rows - 1
    identity = connection.describe(own_note).collectionID

    refused = installation.run("restore", "-n", name)
    assert refused.code == 1
    assert f"collection already exist, database default collection {own_note}" in refused.errors
    assert "--drop_exist_collection" in refused.errors
    assert connection.describe(own_note).collectionID == identity
    assert digest(connection, own_note) == changed

    replaced = installation.run("restore", "-n", name, "--drop_exist_collection", "--rebuild_index")
    assert replaced.code == 0, str(replaced)
    assert connection.describe(own_note).collectionID != identity
    assert digest(connection, own_note) == original


def test_one_collection_in_the_way_stops_all(install, shop, bucket, connect, name, drop_later):
    """Nothing is changed before everything was looked at."""
    installation = install(shop.milvus, bucket)
    assert installation.run("create", "-n", name, "--filter", shop.filter, "--meta_only").code == 0
    connection = connect(shop.milvus, shop.database)
    drop_later(shop.milvus, "orders_here", shop.database)
    data.make_drafts(connection, "orders_here")
    before = connection.collections()
    refused = installation.run("restore", "-n", name, "-s", "_here")
    assert refused.code == 1
    assert "orders_here" in refused.errors
    assert connection.collections() == before


@pytest.mark.parametrize("damage", ["missing", "shorter"])
def test_a_damaged_backup_is_found_before_anything_changes(
    install, milvus_a, bucket, connect, own_note, name, damage
):
    installation = install(milvus_a, bucket)
    assert installation.run("create", "-n", name, "-c", own_note).code == 0
    victim = sorted(backups.objects_of_plan(bucket, "backup", name))[-1]
    if damage == "missing":
        bucket.delete(victim)
    else:
        bucket.put(victim, bucket.get(victim)[:-1])
    connection = connect(milvus_a)
    before = connection.collections(), connection.describe(own_note).collectionID
    refused = installation.run("restore", "-n", name, "--drop_exist_collection")
    assert refused.code == 1
    assert f"backup {name} is damaged: {victim}" in refused.errors
    assert ("is missing" if damage == "missing" else "should have") in refused.errors
    assert (connection.collections(), connection.describe(own_note).collectionID) == before
    assert not backups.left_in(milvus_a)


def test_two_backups_at_once(install, shop, note, bucket, name):
    installation = install(shop.milvus, bucket)
    running = [
        installation.start("create", "-n", f"{name}_{number}", "--filter", source.filter)
        for number, source in enumerate([shop, note])
    ]
    for each in running:
        result = each.wait(120)
        assert result.code == 0, str(result)
    for number, source in enumerate([shop, note]):
        planned = backups.objects_of_plan(bucket, "backup", f"{name}_{number}")
        found = bucket.sizes(f"backup/{name}_{number}/binlogs/")
        assert {key: size for key, (_, size) in planned.items()} == found
        entries = backups.metadata(bucket, "backup", f"{name}_{number}")["collection_backups"]
        assert {entry["collection_name"] for entry in entries} == set(source.collections)
    listed = installation.run("list")
    assert listed.output == f">> Backups:\n{name}_0\n{name}_1\n"


def test_a_restored_collection_can_be_backed_up_and_restored_again(
    install, milvus_a, bucket, connect, own_note, name, drop_later
):
    """What import has written is as good as what insert has written."""
    installation = install(milvus_a, bucket)
    for suffix in ["_2", "_3"]:
        drop_later(milvus_a, f"{own_note}_2" + ("_3" if suffix == "_3" else ""))
    assert installation.run("create", "-n", "first", "-c", own_note).code == 0
    assert installation.run("restore", "-n", "first", "-s", "_2", "--rebuild_index").code == 0
    assert installation.run("create", "-n", "second", "-c", f"{own_note}_2").code == 0
    assert installation.run("restore", "-n", "second", "-s", "_3", "--rebuild_index").code == 0
    comparison = compare(connect(milvus_a), own_note, connect(milvus_a), f"{own_note}_2_3")
    assert comparison.same, str(comparison)


def test_delete_of_a_backup_without_data(install, layout, note, name):
    """On a store that, unlike a file system, keeps no directories: only the five files and a manifest of nothing are there."""
    bucket = Bucket(layout.moto, name.replace("_", "-")).create()
    try:
        installation = install(note.milvus, bucket, change=lambda values: values["log"].update(console=True))
        assert installation.run("create", "-n", name, "--filter", note.filter, "--meta_only").code == 0
        assert len(bucket.sizes()) == 6
        deleted = installation.run("delete", "-n", name)
        assert deleted.code == 0, str(deleted)
        assert "objects=6" in deleted.errors
        assert not bucket.sizes()
        assert installation.run("delete", "-n", name).code == 1
    finally:
        bucket.remove()


def test_delete_takes_one_backup_and_no_other(install, note, bucket, name):
    installation = install(note.milvus, bucket)
    for backup in [name, f"{name}_2"]:
        assert installation.run("create", "-n", backup, "--filter", note.filter).code == 0
    others = bucket.sizes(f"backup/{name}_2/")
    deleted = installation.run("delete", "-n", name)
    assert (deleted.code, deleted.output) == (0, "delete backup done\n")
    assert bucket.sizes() == others


def test_a_log_file_that_cannot_be_opened_is_told_before_anything_begins(install, note, bucket, name):
    installation = install(note.milvus, bucket)
    result = installation.run("create", "-n", name, "--filter", note.filter, "--set", "log.file.path=/proc/none/x.log")
    assert result.code == 1
    assert "cannot open the log file /proc/none/x.log" in result.errors
    assert programs.shares(result) == {}
    assert not bucket.sizes()
