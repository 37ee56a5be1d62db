"""The REST interface over real HTTP: restores, with every key, and what can be seen of them."""

import uuid

import pytest

from testkit import backups
from testkit.compare import compare
from testkit.objects import Bucket
from testkit.processes import wait_until
from testkit.rest import DONE, FAILED, RUNNING
from testkit.server_connection import Connection


@pytest.fixture
def target(milvus_a):
    """A database for what a test restores, gone after it."""
    name = f"r_{uuid.uuid4().hex[:10]}"
    with Connection(milvus_a.address, name, create_database=True) as connection:
        yield connection
        connection.drop_database()


def into(source, target, *collections, suffix=""):
    """The keys that restore collections of one database into another."""
    return {
        "db_collections": {source.database: list(collections)},
        "collection_renames": {f"{source.database}.{each}": f"{target.database}.{each}{suffix}" for each in collections},
    }


def test_synchronous_restore(api, note, notes_backup, target, connect, milvus_a):
    answer = api.restore(
        notes_backup, requestId="mine", restoreIndex=True, **into(note, target, "notes")
    ).succeeded()
    assert (answer.json["requestId"], answer.json["msg"]) == ("mine", "success")
    view = answer.data
    assert view["id"].startswith("restore_") and (view["state_code"], view["progress"]) == (DONE, 100)
    assert 0 < view["start_time"] <= view["end_time"]
    (task,) = view["collection_restore_tasks"]
    assert (task["target_db_name"], task["target_collection_name"]) == (target.database, "notes")
    assert (task["state_code"], task["progress"]) == (DONE, 100)
    assert view["start_time"] <= task["start_time"] <= task["end_time"] <= view["end_time"]
    assert "errorMessage" not in answer.text and "code" not in answer.json
    assert api.restored(view["id"]).succeeded().data == view
    comparison = compare(connect(milvus_a, note.database), "notes", target, "notes")
    assert comparison.same and comparison.digest.rows > 0, str(comparison)
    assert not target.is_loaded("notes")
    assert not backups.left_in(milvus_a)


def test_asynchronous_restore_with_a_suffix(api, note, notes_backup, connect, drop_later, milvus_a, name):
    drop_later(milvus_a, f"notes{name}", note.database)
    answer = api.restore(notes_backup, id=name, collection_suffix=name, **{"async": True}).succeeded()
    assert answer.message == "restore backup is executing asynchronously" and answer.json["requestId"]
    assert answer.data["id"] == name and answer.data["state_code"] == 0
    assert answer.data["progress"] >= 1
    view = api.wait_for_restore(name)
    assert (view["id"], view["state_code"]) == (name, DONE)
    assert [task["target_collection_name"] for task in view["collection_restore_tasks"]] == [f"notes{name}"]
    assert compare(connect(milvus_a, note.database), "notes", connect(milvus_a, note.database), f"notes{name}", indexes=False).same
    assert connect(milvus_a, note.database).indexes(f"notes{name}") == {}
    # The id is taken, and so is the name of the collection.
    api.restore(notes_backup, id=name, collection_suffix=f"{name}2").refused(3, name)
    api.restore(notes_backup, collection_suffix=name).refused(3, "collection already exist")
    api.restore(notes_backup, id=f"{name}_2", collection_suffix=name, **{"async": True}).succeeded()
    view = api.wait_for_restore(f"{name}_2")
    assert view["state_code"] == FAILED and "collection already exist" in view["errorMessage"]


META = {"metaOnly": True}


@pytest.mark.parametrize(
    ("keys", "restored"),
    [
        ({"collection_renames": {"{s}.drafts": "{t}.b"}, "collection_names": ["{s}.drafts"]}, "b"),
        ({"collection_renames": {"{s}.*": "{t}.*"}}, "documents drafts orders products"),
        ({"collection_renames": {"{s}.*": "{t}.*", "{s}.drafts": "{t}.b"}}, "b documents orders products"),
        # Renames go before a suffix.
        ({"collection_renames": {"{s}.*": "{t}.*"}, "collection_suffix": "_x", "db_collections": {"{s}": ["drafts"]}}, "drafts"),
        ({"collection_renames": {"{s}.*": "{t}.*"}, "db_collections": '{{"{s}": ["drafts", "orders"]}}'}, "drafts orders"),
        ({"collection_renames": {"{s}.*": "{t}.*"}, "db_collections": {"{s}": []}, "collection_names": ["{s}.x"]}, "documents drafts orders products"),
        ({"collection_renames": {"{s}.*": "{t}.*"}, "db_collections": {}, "collection_names": ["{s}.drafts"]}, "drafts"),
        ({"collection_renames": {"{s}.drafts": "{t}.b", "{s}.*": "{t}.*"}, "db_collections_after_rename": {"{t}": ["b"]}}, "b"),
        ({"collection_renames": {"{s}.*": "{t}.*"}, "db_collections_after_rename": '{{"{t}": ["orders"]}}'}, "orders"),
        ({"collection_renames": {"{s}.*": "{t}.*"}, "db_collections_after_rename": {}, "db_collections": ""}, "documents drafts orders products"),
        ({"restorePlan": {"mapping": [{"source": "{s}", "target": "{t}", "colls": [
            {"source": "drafts", "target": "a"}, {"source": "drafts", "target": "b"}, {"source": "orders", "target": "c"},
        ]}], "filter": {"{t}": {"colls": ["a", "b"]}}}}, "a b"),
        ({"restorePlan": {"mapping": [{"source": "{s}", "target": "{t}", "withProp": True, "colls": [
            {"source": "drafts", "target": "a"}]}], "filter": {"{t}": {"colls": ["*"]}}}}, "a"),
    ],
)  # fmt: skip
def test_names_of_restored_collections(api, shop, shop_backup, target, keys, restored):
    view = api.restore(shop_backup, **META, **filled(keys, shop, target)).succeeded().data
    assert target.collections() == restored.split()
    tasks = view["collection_restore_tasks"]
    assert sorted(task["target_collection_name"] for task in tasks) == restored.split()
    assert {task["target_db_name"] for task in tasks} == {target.database}


def filled(value, source, target):
    if isinstance(value, str):
        return value.format(s=source.database, t=target.database)
    if isinstance(value, list):
        return [filled(each, source, target) for each in value]
    if isinstance(value, dict):
        return {filled(key, source, target): filled(each, source, target) for key, each in value.items()}
    return value


def test_overrides_of_a_plan(api, shop, shop_backup, target):
    colls = [
        {"source": "drafts", "target": "wide", "override": {"shardNum": 3, "description": "two of a kind"}},
        {"source": "drafts", "target": "plain"},
        {"source": "products", "target": "narrow", "override": {"shardNum": 1}},
    ]
    plan = {
        "mapping": [{"source": shop.database, "target": target.database, "colls": colls}],
        "filter": {target.database: {"colls": ["wide", "plain", "narrow"]}},
    }
    api.restore(shop_backup, restorePlan=plan, **META).succeeded()
    described = {each: target.describe(each) for each in target.collections()}
    assert {name: value.shards_num for name, value in described.items()} == {"wide": 3, "plain": 1, "narrow": 1}
    assert described["wide"].schema.description == "two of a kind"
    assert described["plain"].schema.description == ""


def test_changes_of_the_schema(api, shop, shop_backup, target):
    keys = into(shop, target, "products", "drafts")
    skipped = {
        "collectionProperties": ["collection.ttl.seconds"],
        "fieldTypeParams": ["mmap.enabled"],
        "fieldIndexParams": ["mmap.enabled"],
        "indexParams": ["mmap.enabled"],
    }
    api.restore(shop_backup, maxShardNum=1, skipParams=skipped, restoreIndex=True, **META, **keys).succeeded()
    for name in ["products", "drafts"]:
        description = target.describe(name)
        assert description.shards_num == 1
        assert not description.properties
    assert set(target.indexes("products")) == {"embedding", "created", "title"}
    assert target.indexes("drafts") == {}


def test_automatic_indexes(api, shop, shop_backup, target):
    api.restore(shop_backup, restoreIndex=True, useAutoIndex=True, **META, **into(shop, target, "orders")).succeeded()
    (_, parameters) = target.indexes("orders")["taste"]
    assert parameters["index_type"] == "AUTOINDEX"


def test_collections_that_are_there(api, note, notes_backup, target, connect, milvus_a):
    keys = into(note, target, "notes")
    api.restore(notes_backup, skipCreateCollection=True, **keys).refused(3, "collection not exist")
    api.restore(notes_backup, restoreIndex=True, **META, **keys).succeeded()
    identity = target.describe("notes").collectionID
    api.restore(notes_backup, **META, **keys).refused(3, "collection already exist")
    assert target.describe("notes").collectionID == identity

    api.restore(notes_backup, skipCreateCollection=True, dropExistIndex=True, **keys).succeeded()
    assert target.describe("notes").collectionID == identity
    assert target.indexes("notes") == {}
    original = connect(milvus_a, note.database)
    assert compare(original, "notes", target, "notes", indexes=False).same

    api.restore(notes_backup, dropExistCollection=True, **META, **keys).succeeded()
    assert target.describe("notes").collectionID != identity
    api.restore(notes_backup, dropExistCollection=True, skipCreateCollection=True, **keys).refused(
        400, "drop_exist_collection and skip_create_collection cannot be true at the same time"
    )


def test_another_root_and_another_bucket(api, site, layout, note, target, connect, milvus_a, name):
    api.create(name, backup_root_path="else/where", collection_names=[f"{note.database}.notes"]).succeeded()
    keys = into(note, target, "notes")
    api.restore(name, **META, **keys).refused(400, f"backup {name} not found")
    api.restore(name, path="else/where", **keys).succeeded()
    assert compare(connect(milvus_a, note.database), "notes", target, "notes", indexes=False).same

    other = Bucket(site.bucket.service, f"{site.bucket.name}-2").create()
    try:
        for key in site.bucket.sizes(f"else/where/{name}/"):
            other.put(key.replace("else/where", "backup"), site.bucket.get(key))
        keys = into(note, target, "notes", suffix="_2")
        api.restore(name, bucket_name=other.name, path="else/where", **keys).refused(400, "not found")
        api.restore(name, bucket_name=other.name, **keys).succeeded()
        assert compare(target, "notes", target, "notes_2", indexes=False).same
        api.restore(name, bucket_name=f"{other.name}-none", **keys).refused(3)
    finally:
        other.remove()


@pytest.mark.parametrize(
    ("keys", "code", "message"),
    [
        ({"collection_suffix": "a-b"}, 400, "only alphanumeric characters and underscores"),
        ({"collection_renames": {"a.*": "b"}}, 400, "invalid mapper rule"),
        ({"collection_renames": {"a.b.c": "d"}}, 400, "invalid mapper rule"),
        ({"restorePlan": {"mapping": []}, "collection_suffix": "_x"}, 400, "restore plan and collection suffix"),
        ({"restorePlan": {"mapping": []}, "collection_renames": {"a": "b"}}, 400, "restore plan and collection renames"),
        ({"restorePlan": {"mapping": [{"target": "b"}]}}, 400, "source database name is empty"),
        ({"restorePlan": {"mapping": [{"source": "b"}]}}, 400, "target database name is empty"),
        ({"restorePlan": {"mapping": [{"source": "a", "target": "b", "colls": [{"source": "c"}]}]}}, 400, "collection name"),
        ({"restorePlan": {"mapping": "x"}}, 400, "mapping"),
        ({"restorePlan": {"mapping": [], "filter": {}}}, 400, "no database is chosen"),
        ({"maxShardNum": -1}, 400, "maxShardNum"),
        ({"id": "../../x"}, 400, "id:"),
        ({"id": "x" * 129}, 400, "id:"),
        ({"db_collections": "{"}, 400, "db_collections"),
        ({"db_collections_after_rename": "{"}, 400, "db_collections_after_rename"),
        ({"db_collections_after_rename": {"x": "y"}}, 400, "db_collections_after_rename"),
        ({"db_collections": {"no_such_database": []}}, 3, "no_such_database"),
        ({"collection_names": ["no_such_collection"]}, 3, "not found in backup"),
        ({"db_collections_after_rename": {"default": ["nobody"]}}, 3, "nobody"),
        ({"rbac": True}, 3, "rbac"),
        ({"truncateBinlogByTs": True}, 3, "truncateBinlogByTs needs Milvus 2.4"),
    ],
)  # fmt: skip
def test_values_that_restore_refuses(api, notes_backup, keys, code, message):
    assert api.restore(notes_backup, **keys).refused(code, message).data is None


def test_request_ids_of_restores(api, notes_backup):
    """That of the body goes before that of the header."""
    for body, header, expected in [("b", "h", "b"), ("", "h", "h"), (None, "h", "h")]:
        keys = {"backup_name": notes_backup, "requestId": body, "collection_suffix": "-"}
        answer = api.call("POST", "/restore", json=keys, headers={"request_id": header}).refused(400)
        assert answer.json["requestId"] == expected
    answer = api.call("GET", "/get_restore", params={"id": "x"}, headers={"request_id": "h"}).refused(3)
    assert answer.json["requestId"] == "h"


def test_parameters_that_change_nothing(api, note, notes_backup, target):
    keys = into(note, target, "notes")
    api.restore(notes_backup, useV2Restore=False, skipImportDiskQuotaCheck=True, rbac=False, ezkMapping={"a": "b"}, **META, **keys).succeeded()


# MARK: while a restore runs


@pytest.fixture
def slow(site, proxy):
    """A server whose copies into Milvus' bucket pass a proxy: (proxy, server)."""
    gate = proxy(site.milvus.store)

    def change(values):
        values["milvus"]["storage"]["port"] = gate.port
        values["transfer"] = {"mode": "streaming"}

    return gate, site.start(change=change)


@pytest.fixture(scope="module")
def archive_backup(api, archive):
    name = f"archive_{uuid.uuid4().hex[:8]}"
    api.create(name, filter={archive.database: {"colls": ["*"]}}).succeeded()
    return name


def test_cancel_of_a_restore(slow, archive, archive_backup, target, milvus_a, name):
    gate, server = slow
    api = server.client()
    gate.hold_after(256 * 1024)
    keys = {**into(archive, target, "photos"), "id": name, "async": True}
    api.restore(archive_backup, **keys).succeeded()
    assert wait_until(lambda: gate.holding, 60)
    view = api.restored(name).succeeded().data
    assert view["state_code"] == 1 and view["progress"] >= 1 and "end_time" not in view
    api.cancel(id=name).succeeded()
    # Its way out goes through the same proxy.
    gate.release()
    view = api.wait_for_restore(name, 30)
    assert (view["state_code"], view["errorMessage"]) == (FAILED, "canceled")
    assert not backups.left_in(milvus_a)
    api.cancel(id=name).refused(3, "no running job")


def test_cancel_with_a_hung_store(slow, archive, archive_backup, target, milvus_a, name):
    """A store that accepts connections and answers nothing any more holds nobody up."""
    gate, server = slow
    api = server.client()
    gate.hold_after(256 * 1024)
    api.restore(archive_backup, **into(archive, target, "photos"), id=name, **{"async": True}).succeeded()
    assert wait_until(lambda: gate.holding, 60)
    api.cancel(id=name).succeeded()
    # Nothing was released: a request that waits for the store waits for a minute, several times.
    view = api.wait_for_restore(name, 25)
    assert (view["state_code"], view["errorMessage"]) == (FAILED, "canceled")
    # Not released: what the proxy holds would still arrive.
    gate.close()
    Bucket(milvus_a.store, milvus_a.bucket).erase(f"restore-temp-{name}")


def test_progress_of_a_restore(slow, archive, archive_backup, target, name):
    gate, server = slow
    api = server.client()
    api.restore(archive_backup, **into(archive, target, "photos"), id=name, **{"async": True}).succeeded()
    seen = set()
    while (view := api.restored(name).succeeded().data)["state_code"] in RUNNING:
        seen.add(view["progress"])
        for task in view.get("collection_restore_tasks", []):
            assert 1 <= task["progress"] <= 100 and task.get("end_time", 1) > 0
    assert view["state_code"] == DONE, view
    assert len(seen) >= 2 and min(seen) >= 1 and max(seen) < 100


def test_restart_during_a_restore(slow, site, archive, archive_backup, target, name):
    gate, server = slow
    gate.hold_after(256 * 1024)
    keys = {**into(archive, target, "photos"), "id": name, "async": True}
    server.client().restore(archive_backup, **keys).succeeded()
    assert wait_until(lambda: gate.holding, 60)
    server.program.kill()
    # What it had sent does not arrive any more, so that nothing comes after the end.
    gate.close()
    try:
        view = site.client.restored(name).succeeded().data
        assert (view["id"], view["state_code"]) == (name, FAILED)
        assert "interrupted" in view["errorMessage"] and view["start_time"] > 0
        assert [key for key in backups.left_in(site.milvus) if key.startswith(f"restore-temp-{name}-")]
        # The next restore removes what was staged; what became of the restore is still told.
        site.client.restore(archive_backup, **into(archive, target, "photos", suffix="_2")).succeeded()
        left = [key for key in backups.left_in(site.milvus) if name in key]
        assert f"restore-temp-{name}/job.json" in left
        assert all(key.startswith(f"restore-temp-{name}/") for key in left)
        view = site.client.restored(name).succeeded().data
        assert view["state_code"] == FAILED and "interrupted" in view["errorMessage"]
    finally:
        Bucket(site.milvus.store, site.milvus.bucket).erase(f"restore-temp-{name}")
