"""Directories instead of object stores: as the place of backups, as Milvus' own storage, and as both."""

import os
from functools import partial
from pathlib import Path

import pytest
from testkit import data, programs
from testkit.compare import compare


@pytest.fixture
def directory(tmp_path):
    return tmp_path / "backups"


@pytest.fixture
def into_directory(install, bucket, directory):
    """An installation whose backups lie in a directory: into_directory(milvus, change=...)."""

    def make(milvus, change=None):
        def changed(values):
            values["backup"]["storage"] = programs.directory(directory)
            values["backup"]["shard"] = {"maxSizeMiB": 1}
            if change:
                change(values)

        return install(milvus, bucket, change=changed)

    return make


def files(directory):
    return {str(path.relative_to(directory)): path.stat().st_size for path in directory.rglob("*") if path.is_file()}


def listening(address):
    return lambda values: values["coordinator"].update(listen=address)


def same(connect, source, database, target):
    one, other = connect(source.milvus, source.database), connect(target, database)
    return all(compare(one, name, other, name, indexes=False).same for name in source.collections)


def test_the_whole_life_of_a_backup_in_a_directory(into_directory, directory, archive, milvus_b, connect, name):
    tool = into_directory(archive.milvus)
    checked = tool.run("check")
    assert f'directory "{directory}" of this host' in checked.output, checked

    created = tool.run("create", "-n", name, "--filter", archive.filter)
    assert created.code == 0, created
    found = files(directory)
    assert f"{name}/meta/backup_meta.json" in found
    assert sum(size for path, size in found.items() if "/binlogs/" in path) > 8_000_000
    assert not any(Path(path).name.startswith((".", "claim", "journal")) for path in found)
    assert name in tool.run("list").output
    assert tool.run("get", "-n", name).code == 0
    assert tool.run("verify", "-n", name, "--deep").code == 0

    # What was written is what was read: the checksums were taken on the way.
    victim = max((path for path in directory.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = victim.read_bytes()
    victim.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    damaged = tool.run("verify", "-n", name, "--deep")
    assert damaged.code != 0 and victim.name in damaged.output + damaged.errors, damaged
    victim.write_bytes(content)

    target = connect(milvus_b, name, create_database=True)
    restore = into_directory(milvus_b)
    names = f"{archive.database}.*:{target.database}.*"
    restored = restore.run("restore", "-n", name, "--rename", names)
    assert restored.code == 0, restored
    assert same(connect, archive, target.database, milvus_b)

    again = tool.run("create", "-n", name, "--filter", archive.filter)
    assert again.code != 0 and "already exist" in again.errors, again
    assert tool.run("delete", "-n", name).code == 0
    assert list(directory.iterdir()) == []


def test_agents_must_see_the_same_directory(
    into_directory, directory, archive, milvus_b, connect, coordinator_address, name, wait_for_log
):
    tool = into_directory(archive.milvus, listening(coordinator_address))
    coordinator = tool.start("create", "-n", name, "--filter", archive.filter)
    # A directory of the same name on a host where it is not shared: made by renaming the coordinator's view of it.
    stranger_file = tool.directory / "stranger.yaml"
    stranger_file.write_text(tool.configuration_file.read_text().replace(str(directory), f"{directory}-elsewhere"))
    stranger = tool.start_agent("stranger", coordinator_address, configuration_file=stranger_file)
    refused = wait_for_log(stranger, r".*bucket .*elsewhere.*")
    assert str(directory) in refused[0]

    inside = f'mount -t tmpfs none {directory} && exec "$0" "$@"'
    if os.geteuid() == 0:
        hidden = tool.start_agent("hidden", coordinator_address, prefix=["unshare", "-m", "sh", "-c", inside])
        wait_for_log(hidden, r"cannot read milvus_backup_probe_\w+ on storage .*backup.* does not exist")

    agents = tool.start_agents(2, coordinator_address)
    created = coordinator.wait(300)
    assert created.code == 0, created
    copied = set(programs.shares(created))
    assert copied and copied <= {agent.name[3:] for agent in agents}, created
    assert tool.run("verify", "-n", name).code == 0


@pytest.fixture(scope="module")
def milvus_f(start_server):
    return start_server("milvus-f")


@pytest.fixture(scope="module")
def local_note(milvus_f):
    from conftest import filled_database

    makers = {
        "notes": partial(data.make_documents, rows=60),
        "photos": partial(data.make_photos, rows=60, rounds=2),
    }
    with filled_database(milvus_f, makers) as source:
        yield source


@pytest.mark.parametrize("to_directory", [True, False], ids=["into-a-directory", "into-a-bucket"])
def test_milvus_with_local_storage(
    to_directory, into_directory, install, bucket, directory, local_note, connect, name
):
    milvus = local_note.milvus
    before = files(Path(milvus.root) / "insert_log")
    assert before
    tool = into_directory(milvus) if to_directory else install(milvus, bucket)
    created = tool.run("create", "-n", name, "--filter", local_note.filter)
    assert created.code == 0, created

    target = connect(milvus, name, create_database=True)
    restored = tool.run("restore", "-n", name, "--rename", f"{local_note.database}.*:{target.database}.*")
    assert restored.code == 0, restored
    assert same(connect, local_note, target.database, milvus)
    assert not list(Path(milvus.root).glob("restore-temp-*"))


def test_milvus_may_see_its_directory_elsewhere(into_directory, local_note, connect, name, tmp_path):
    milvus = local_note.milvus
    view = tmp_path / "view"
    view.symlink_to(milvus.root)

    def change(values):
        values["milvus"]["storage"] = programs.directory(view, localPath=milvus.root)

    tool = into_directory(milvus, change)
    assert tool.run("create", "-n", name, "--filter", local_note.filter).code == 0
    target = connect(milvus, name, create_database=True)
    restored = tool.run("restore", "-n", name, "--rename", f"{local_note.database}.*:{target.database}.*")
    assert restored.code == 0, restored
    assert same(connect, local_note, target.database, milvus)

    def wrong(values):
        values["milvus"]["storage"] = programs.directory(view, localPath="/nowhere")

    for collection in local_note.collections:
        target.drop(collection)
    failed = into_directory(milvus, wrong).run(
        "restore", "-n", name, "--rename", f"{local_note.database}.*:{target.database}.*"
    )
    assert failed.code != 0 and "milvus.storage.localPath" in failed.errors, failed
