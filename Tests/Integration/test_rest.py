"""The REST interface over real HTTP: every route that makes, shows and deletes backups, with every key.

The restores are in test_rest_restore.py, what protects the server in test_rest_limits.py.
"""

import json
import threading
import time
import uuid

import pytest
import requests
from testkit.processes import wait_until
from testkit.rest import DONE, FAILED, check_task

HELLO = "Hello, This is backup service"


# MARK: small routes


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD"])
def test_greetings(api, method):
    answer = requests.request(method, f"{api.url}/", timeout=60)
    assert (answer.status_code, answer.text) == (200, "" if method == "HEAD" else HELLO)
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_hello(api):
    answer = api.get("/hello")
    assert (answer.status, answer.text) == (200, HELLO)


def test_check(api, note):
    answer = api.get("/check")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain")
    assert "Milvus version: " in answer.text and "Success!" in answer.text


@pytest.mark.parametrize(
    "path", ["/none", "/list/", "/lists", "/", "/create/x", "/docs/none.js", "/%2e%2e/list", "/LIST"]
)
def test_unknown_routes(api, path):
    answer = api.get(path)
    assert (answer.status, answer.text) == (404, "404 page not found")


ROUTES = {
    "/create": "POST",
    "/list": "GET",
    "/get_backup": "GET",
    "/delete": "DELETE",
    "/restore": "POST",
    "/restore_secondary": "POST",
    "/get_restore": "GET",
    "/check": "GET",
    "/cancel": "POST",
}


@pytest.mark.parametrize(("path", "allowed"), ROUTES.items())
def test_wrong_methods(api, path, allowed):
    for method in {"GET", "POST", "DELETE", "PUT", "PATCH"} - {allowed}:
        answer = api.call(method, path)
        assert answer.status == 405 and answer.headers["Allow"] == allowed
        assert allowed in answer.json["error"]


def test_restore_secondary_says_that_it_is_not_here(api):
    for missing, message in [
        ("backup_name", "backup name is required"),
        ("sourceClusterID", "source cluster id is required"),
        ("targetClusterID", "target cluster id is required"),
    ]:
        keys = {"backup_name": "b", "sourceClusterID": "s", "targetClusterID": "t", "async": True, "path": "p"}
        api.post("/restore_secondary", {**keys, missing: ""}).refused(400, message)
    api.post("/restore_secondary", keys).refused(3, "not supported")


# MARK: create


def test_synchronous_create(api, note, name):
    answer = api.post(
        "/create", {"backup_name": name, "filter": {note.database: {"colls": ["notes"]}}, "requestId": "of the body"}
    ).succeeded()
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json["msg"] == "success"
    assert answer.json["requestId"] == answer.data["id"] != "of the body"
    assert str(uuid.UUID(answer.json["requestId"])) == answer.json["requestId"]
    data = answer.data
    assert (data["name"], data["state_code"], data["progress"]) == (name, DONE, 100)
    assert time.time() - 600 < data["start_time"] <= data["end_time"] < time.time() + 60
    assert data["size"] > 0 and data["meta_size"] > 0 and data["milvus_version"]
    assert data["database_backups"] == [{"db_name": note.database}]
    (collection,) = data["collection_backups"]
    assert (collection["db_name"], collection["collection_name"]) == (note.database, "notes")
    assert (collection["load_state"], collection["has_index"], collection["shards_num"]) == ("NotLoad", True, 1)
    assert [index["field_name"] for index in collection["index_infos"]] == ["fingerprint"]
    assert [field["name"] for field in collection["schema"]["fields"]] == ["key", "language", "fingerprint"]
    assert collection["size"] == data["size"]
    # Partitions and segments are the storage's business; what is zero is left out, and 64 bits stay a number.
    assert not {"partition_backups", "l0_segments"} & set(collection)
    assert "errorMessage" not in data and "is_primary_key" not in collection["schema"]["fields"][1]
    assert f'"collection_id":{collection["collection_id"]},' in answer.text and collection["collection_id"] > 2**53
    assert api.backup(name).succeeded().data == data
    assert api.get("/get_backup", backup_id=data["id"]).succeeded().data == data


def test_asynchronous_create(api, note, name):
    answer = api.create(name, filter={note.database: {"colls": ["*"]}}, **{"async": True}).succeeded()
    assert answer.json == {
        "requestId": answer.json["requestId"],
        "msg": "create backup is executing asynchronously",
        "data": None,
    }
    first = api.backup(name).succeeded().data
    assert first["id"] == answer.json["requestId"] and first["name"] == name
    assert first["size"] == 0 or first["state_code"] == DONE
    data = api.wait_for_backup(name)
    assert (data["state_code"], data["id"]) == (DONE, answer.json["requestId"])
    assert [each["collection_name"] for each in data["collection_backups"]] == ["notes"]


@pytest.mark.parametrize(
    ("keys", "collections"),
    [
        ({"collection_names": ["{db}.drafts", "{db}.orders"]}, "drafts orders"),
        ({"db_collections": {"{db}": ["drafts"]}}, "drafts"),
        ({"db_collections": '{{"{db}": ["drafts", "documents"]}}'}, "documents drafts"),
        ({"db_collections": {"{db}": []}}, "documents drafts orders products"),
        ({"db_collections": '{{"{db}": []}}'}, "documents drafts orders products"),
        ({"filter": {"{db}": {"colls": ["*"]}}}, "documents drafts orders products"),
        ({"filter": {"{db}": {"colls": ["orders"]}}}, "orders"),
        ({"filter": {"{db}": {"colls": []}}}, ""),
        ({"filter": {"{db}": {}}}, ""),
        # The newer selector wins.
        ({"filter": {"{db}": {"colls": ["orders"]}}, "db_collections": {"{db}": []}}, "orders"),
        ({"db_collections": {"{db}": ["orders"]}, "collection_names": ["{db}.drafts"]}, "orders"),
        # Nothing, null and empty are the same; keys are found in any case.
        ({"filter": None, "db_collections": None, "collection_names": ["{db}.drafts"]}, "drafts"),
        ({"filter": {}, "db_collections": "", "collection_names": ["{db}.drafts"]}, "drafts"),
        ({"db_collections": {}, "collection_names": ["{db}.drafts"]}, "drafts"),
        ({"COLLECTION_NAMES": ["{db}.drafts"], "unknown": 1, "collectionNames": ["{db}.orders"]}, "drafts"),
    ],
)
def test_selectors_of_create(api, shop, name, keys, collections):
    def fill(value):
        if isinstance(value, str):
            return value.format(db=shop.database)
        if isinstance(value, list):
            return [fill(each) for each in value]
        if isinstance(value, dict):
            return {fill(key): fill(each) for key, each in value.items()}
        return value

    data = api.create(name, strategy="meta_only", **fill(keys)).succeeded().data
    found = sorted(entry["collection_name"] for entry in data.get("collection_backups", []))
    assert found == collections.split()
    assert [entry["db_name"] for entry in data["database_backups"]] == [shop.database]


@pytest.mark.parametrize(
    ("keys", "has_data"),
    [
        ({"strategy": "meta_only"}, False),
        ({"meta_only": True}, False),
        ({"strategy": "skip_flush"}, True),
        ({"strategy": "serial_flush"}, True),
        ({"strategy": "auto"}, True),
        ({"strategy": "", "force": True}, True),
        # In the order of the original: force goes before meta_only, and a strategy before both.
        ({"force": True, "meta_only": True}, True),
        ({"strategy": "meta_only", "force": True}, False),
        ({"format": "binlog", "with_index_extra": True, "rbac": False}, True),
        ({"format": "auto", "gc_pause_seconds": 60, "gc_pause_enable": False}, True),
    ],
)
def test_strategies_of_create(api, site, note, name, keys, has_data):
    data = api.create(name, collection_names=[f"{note.database}.notes"], **keys).succeeded().data
    assert (data["size"] > 0) is has_data
    assert bool(site.bucket.sizes(f"backup/{name}/binlogs/")) is has_data
    assert sorted(site.bucket.sizes(f"backup/{name}/meta/")) != []


@pytest.mark.parametrize(
    ("keys", "code", "message"),
    [
        ({"strategy": "none"}, 400, "invalid strategy none, only support"),
        ({"format": "snapshot"}, 400, "invalid format snapshot, only support"),
        ({"rbac": True}, 3, "rbac"),
        ({"filter": {"x": {"colls": "y"}}}, 400, "colls"),
        ({"filter": {"x": ["y"]}}, 400, "filter.x"),
        ({"db_collections": "no json"}, 400, "db_collections"),
        ({"db_collections": {"x": "y"}}, 400, "db_collections.x"),
        ({"collection_names": ["a.b.c"]}, 400, "a.b.c"),
        ({"collection_names": ["default.no_such_collection"]}, 3, "no_such_collection"),
        ({"filter": {"no_such_database": {"colls": ["*"]}}}, 3, "no_such_database"),
    ],
)
def test_values_that_create_refuses(api, site, name, keys, code, message):
    answer = api.create(name, **keys).refused(code, message)
    assert answer.data is None and answer.json["requestId"]
    assert not [key for key in site.bucket.sizes(f"backup/{name}/") if "/meta/" in key]


WRONG_TYPES = [
    ("/create", "backup_name", 1),
    ("/create", "requestId", 1),
    ("/create", "async", "true"),
    ("/create", "collection_names", "a,b"),
    ("/create", "collection_names", [1]),
    ("/create", "filter", "a.*"),
    ("/create", "strategy", 1),
    ("/create", "format", True),
    ("/create", "force", 1),
    ("/create", "meta_only", "no"),
    ("/create", "gc_pause_enable", "yes"),
    ("/create", "gc_pause_seconds", "60"),
    ("/create", "gc_pause_address", 60),
    ("/create", "rbac", "yes"),
    ("/create", "with_index_extra", 0),
    ("/create", "backup_root_path", ["x"]),
    ("/restore", "backup_name", 1),
    ("/restore", "requestId", {}),
    ("/restore", "id", 1),
    ("/restore", "async", "true"),
    ("/restore", "collection_names", {}),
    ("/restore", "collection_suffix", 1),
    ("/restore", "collection_renames", ["a:b"]),
    ("/restore", "collection_renames", {"a": 1}),
    ("/restore", "bucket_name", 1),
    ("/restore", "path", False),
    ("/restore", "metaOnly", 1),
    ("/restore", "restoreIndex", 1),
    ("/restore", "useAutoIndex", 1),
    ("/restore", "dropExistCollection", "x"),
    ("/restore", "dropExistIndex", "x"),
    ("/restore", "skipCreateCollection", "x"),
    ("/restore", "skipImportDiskQuotaCheck", "x"),
    ("/restore", "useV2Restore", "x"),
    ("/restore", "rbac", "x"),
    ("/restore", "truncateBinlogByTs", "x"),
    ("/restore", "skipAliases", "x"),
    ("/restore", "load", 1),
    ("/restore", "maxShardNum", "2"),
    ("/restore", "maxShardNum", 1.5),
    ("/restore", "skipParams", []),
    ("/restore", "skipParams", {"indexParams": "x"}),
    ("/restore", "skipParams", {"fieldIndexParams": [1]}),
    ("/restore", "skipParams", {"fieldTypeParams": {}}),
    ("/restore", "skipParams", {"collectionProperties": 1}),
    ("/restore", "restorePlan", []),
    ("/restore", "ezkMapping", []),
    ("/restore_secondary", "async", "x"),
    ("/cancel", "id", 1),
    ("/cancel", "backup_name", []),
]


@pytest.mark.parametrize(("path", "key", "value"), WRONG_TYPES)
def test_wrong_types(api, path, key, value):
    keys = {"backup_name": "b", "sourceClusterID": "s", "targetClusterID": "t", key: value}
    word = list(value)[0] if key == "skipParams" and value else key
    api.post(path, keys).malformed(word)
    if isinstance(value, (str, int)):
        answer = api.post(path, {**keys, key: None})
        assert answer.status == 200, str(answer)  # null is as if it were not there
        assert "string" not in answer.message


@pytest.mark.parametrize("path", ["/create", "/restore", "/restore_secondary", "/cancel"])
@pytest.mark.parametrize("body", ["", "{", "[]", "1", '"x"', "null", "{}{}", '{"backup_name":"x"', "\xff", "a=b"])
def test_malformed_bodies(api, path, body):
    api.call("POST", path, data=body.encode("latin-1")).malformed("invalid request body")


def test_the_content_type_of_a_body_does_not_matter(api, note, name):
    body = json.dumps({"backup_name": name, "meta_only": True, "collection_names": [f"{note.database}.notes"]})
    for kind in ["text/plain", "application/x-www-form-urlencoded"]:
        api.call("POST", "/create", data=body, headers={"Content-Type": kind}).succeeded()
        api.delete(name).succeeded()


# MARK: names


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("", "backup name is required"),
        ("1a", "backup name should start with an underscore or letter"),
        ("a b", "backup name should not contain whitespace"),
        ("a-b", "backup name should only contain numbers, letters and underscores"),
        ("../a", "backup name should start with an underscore or letter"),
        ("a/b", "backup name should only contain"),
        ("größe", "backup name should only contain"),
        ("a" * 129, "backup name length should not exceed 128"),
    ],
)
def test_bad_names_for_new_backups(api, bad, message):
    for keys in [{}, {"async": True}]:
        assert api.create(bad, **keys).refused(400, message).data is None


def test_a_name_of_128_letters(api, note, name):
    long = name + "x" * (128 - len(name))
    api.create(long, meta_only=True, collection_names=[f"{note.database}.notes"]).succeeded()
    api.delete(long).succeeded()


@pytest.mark.parametrize("bad", ["..", ".", "a/b", "/", "../milvus-a", "a\nb", "a\x00b", "x" * 256])
def test_bad_names_on_the_other_routes(api, bad):
    for answer in [api.backup(bad), api.delete(bad), api.restore(bad), api.cancel(backup_name=bad)]:
        if "\x00" not in bad:
            answer.refused(400, "a backup name is no path")
        else:
            assert answer.status == 400 or answer.code == 400, str(answer)


def test_names_that_are_missing(api):
    api.post("/create", {"async": True}).refused(400, "backup name is required")
    api.post("/restore", {"async": True}).refused(400, "backup name is required")
    api.call("DELETE", "/delete").refused(400, "backup name is required")
    api.get("/get_backup").refused(400, "empty backup name and backup id, please set a backup name or id")
    api.get("/get_restore").refused(3, "empty restore id")
    api.post("/cancel", {}).refused(400, "id or backup_name of a running job is required")


def test_names_that_nothing_has(api, name):
    missing = api.backup(name).refused(404, f"backup {name} not found")
    assert missing.data is None
    assert "data" not in api.delete(name).refused(404, f"backup {name} not found").json
    api.restore(name).refused(400, f"backup {name} not found")
    api.get("/get_backup", backup_id=name).refused(3, "task not found")
    api.restored(name).refused(3, "task not found")
    api.restored("../" + name).refused(3, "task not found")
    api.cancel(backup_name=name).refused(3, name)
    api.cancel(id=name).refused(3, name)


def test_a_name_that_is_taken(api, note, name):
    keys = {"meta_only": True, "collection_names": [f"{note.database}.notes"]}
    made = api.create(name, **keys).succeeded().data
    for mode in [{}, {"async": True}]:
        api.create(name, **keys, **mode).refused(3, f"backup with name {name} already exist")
        # What is known of the backup that has the name stays as it is.
        assert api.backup(name).succeeded().data == made
    assert api.delete(name).succeeded().json.keys() == {"requestId", "msg"}
    api.backup(name).refused(404)
    assert name not in api.names()
    api.get("/get_backup", backup_id=made["id"]).refused(3, "task not found")
    again = api.create(name, **keys).succeeded().data
    assert again["id"] != made["id"]
    # DELETE may carry a body.
    api.call("DELETE", "/delete", params={"backup_name": name}, data=b'{"x":1}').succeeded()


def test_backups_of_the_command_line(api, site, note, name):
    made = site.installation().run("create", "-n", name, "--filter", note.filter)
    assert made.code == 0, str(made)
    data = api.backup(name).succeeded().data
    assert (data["name"], data["state_code"], data["progress"]) == (name, DONE, 100)
    assert [each["collection_name"] for each in data["collection_backups"]] == ["notes"]
    assert name in api.names()
    api.create(name, **{"async": True}).refused(3, "already exist")
    assert api.backup(name).succeeded().data["state_code"] == DONE
    assert site.installation().run("get", "-n", name).code == 0
    api.delete(name).succeeded()
    assert site.installation().run("get", "-n", name).code == 1


def test_list(api, note, shop, notes_backup, shop_backup):
    answer = api.get("/list").succeeded()
    entries = {entry["name"]: entry for entry in answer.data}
    assert list(entries) == sorted(entries)
    assert set(entries[notes_backup]) == {"id", "name", "size", "milvus_version"}
    assert entries[notes_backup]["size"] > 0 and entries[shop_backup]["size"] == 0
    assert notes_backup in api.names(collection_name="notes")
    assert shop_backup not in api.names(collection_name="notes")
    assert shop_backup in api.names(collection_name="drafts")
    assert api.get("/list", collection_name="no_such_collection").succeeded().data == []


def test_unfinished_backups_are_listed_when_asked_for(api, site, notes_backup, name):
    claim = {"id": "1", "host": "h", "start_time": 1, "failure": "the store is full"}
    site.bucket.put(f"backup/{name}/claim.json", json.dumps(claim).encode())
    try:
        assert "unfinished" not in api.get("/list").succeeded().json
        answer = api.get("/list", all="true").succeeded()
        assert notes_backup in [each["name"] for each in answer.data]
        assert {"name": name, "state": "failed", **claim} in answer.json["unfinished"]
        assert api.get("/list", all="true", collection_name="notes").succeeded().json["unfinished"] == []
        api.get("/list", all="yes").refused(400, "all must be true or false")
        installation = site.installation()
        here, there = [installation.run("list", "--all", *more) for more in [[], ["--server", api.url]]]
        assert f"{name}: begun at 1970-01-01T00:00:01.000Z on h, failed: the store is full" in here.output
        assert here.code == there.code == 0 and there.output == here.output
    finally:
        api.delete(name).succeeded()


def test_a_damaged_backup_hides_no_other(api, site, notes_backup, name):
    for file in ["backup_meta", "full_meta"]:
        site.bucket.put(f"backup/{name}/meta/{file}.json", b"{")
    site.bucket.put(f"backup/{name}_2/meta/backup_meta.json", b'{"id":"x","name":"%s_2"}' % name.encode())
    site.bucket.put(f"backup/{name}_2/meta/full_meta.json", b"{")
    try:
        assert notes_backup in api.names() and name not in api.names()
        assert notes_backup in api.names(collection_name="notes")
        api.backup(name).refused(3, f"backup {name} cannot be read")
    finally:
        assert api.delete(name).succeeded() and api.delete(f"{name}_2").succeeded()


def test_request_ids(api, note, name):
    given = f"mine-{name}"
    keys = {"meta_only": True, "collection_names": [f"{note.database}.notes"], "backup_name": name}
    headers = {"request_id": given}
    made = api.call("POST", "/create", json=keys, headers=headers).succeeded()
    assert made.json["requestId"] == made.data["id"] == given
    for answer in [
        api.call("GET", "/get_backup", params={"backup_name": name}, headers=headers),
        api.call("GET", "/list", headers=headers),
        api.call("POST", "/create", json={}, headers=headers),
        api.call("DELETE", "/delete", params={"backup_name": name}, headers=headers),
    ]:
        assert answer.json["requestId"] == given
    assert "requestId" not in api.get("/list").json
    # Somebody who calls all requests the same still gets jobs of their own.
    ids = set()
    for number in range(2):
        body = {**keys, "backup_name": f"{name}_{number}"}
        answer = api.call("POST", "/create", json=body, headers={"request_id": "the same"}).succeeded()
        assert answer.json["requestId"] == "the same"
        ids.add(answer.data["id"])
    assert len(ids) == 2


# MARK: another root


def test_another_root(api, site, note, name):
    keys = {"meta_only": True, "collection_names": [f"{note.database}.notes"]}
    elsewhere = api.create(name, backup_root_path="else/where", **keys).succeeded().data
    assert site.bucket.sizes(f"else/where/{name}/meta/") and not site.bucket.sizes(f"backup/{name}/")
    assert name not in api.names()
    assert api.backup(name).succeeded().data == elsewhere
    assert api.backup(name, path="else/where").succeeded().data == elsewhere
    api.backup(name, path="nowhere").refused(404)
    # The same name below the usual root is another backup.
    here = api.create(name, **keys).succeeded().data
    assert here["id"] != elsewhere["id"]
    for data in [here, elsewhere]:
        assert api.get("/get_backup", backup_id=data["id"]).succeeded().data == data
    assert api.backup(name, path="else/where").succeeded().data == elsewhere
    api.delete(name).succeeded()
    api.backup(name, path="else/where").succeeded()
    assert site.bucket.sizes(f"else/where/{name}/meta/")


# MARK: garbage collection


@pytest.mark.parametrize("outcome", ["success", "failure"])
def test_pause_of_garbage_collection(site, note, name, management, outcome):
    def change(values):
        values["backup"]["pauseGC"] = False
        values["milvus"]["management"]["endpoint"] = "http://127.0.0.1:1"
        if outcome == "failure":
            values["transfer"] = {"mode": "direct"}  # Two servers: no store can copy from the other.

    api = site.start(change=change).client()
    keys = {"collection_names": [f"{note.database}.notes"], "gc_pause_seconds": 60}
    if outcome == "success":
        api.create(name, gc_pause_address=management.endpoint, **keys).succeeded()
        assert management.calls() == []  # Only where it is asked for.
        api.delete(name).succeeded()
    answer = api.create(name, gc_pause_enable=True, gc_pause_address=management.endpoint, **keys)
    answer.succeeded() if outcome == "success" else answer.refused(3, "direct")
    assert management.calls() == ["pause", "resume"]


# MARK: while a job runs


@pytest.fixture
def slow(site, proxy):
    """A server whose backups pass a proxy, in many shards: (proxy, client)."""
    gate = proxy(site.bucket.service)

    def change(values):
        values["backup"]["storage"]["port"] = gate.port
        values["backup"]["shard"] = {"maxObjects": 1}

    return gate, site.start(change=change).client()


def test_progress_moves_with_the_bytes(site, archive, name):
    def change(values):
        # Four seconds for 8 MB: workers report several times.
        values["transfer"] = {"mode": "streaming", "bandwidth": "2MiB"}

    api = site.start(change=change).client()
    api.create(name, filter={archive.database: {"colls": ["*"]}}, **{"async": True}).succeeded()
    seen = []
    while (data := api.backup(name).succeeded().data)["state_code"] == 1:
        check_task(data)
        seen.append(data["progress"])
        time.sleep(0.05)
    assert seen == sorted(seen) and len(set(seen)) > 3 and seen[0] < 30, seen
    assert api.wait_for_backup(name)["state_code"] == DONE


def test_a_name_that_is_being_made(slow, site, archive, name):
    gate, api = slow
    gate.hold_after(256 * 1024)
    keys = {"filter": {archive.database: {"colls": ["*"]}}}
    first = api.create(name, **keys, **{"async": True}).succeeded().json["requestId"]
    assert wait_until(lambda: gate.holding, 60)
    for mode in [{}, {"async": True}]:
        api.create(name, **keys, **mode).refused(3, f"{name} (existing task {first})")
    api.delete(name).refused(3, "is being made")
    # Through no proxy:
    site.client.restore(name).refused(400, f"backup {name} not found")
    assert name not in site.client.names()
    assert api.backup(name).succeeded().data["id"] == first
    gate.release()
    assert api.wait_for_backup(name)["state_code"] == DONE
    api.delete(name).succeeded()


@pytest.mark.parametrize("by", ["id", "backup_name"])
def test_cancel_of_a_backup(site, archive, name, proxy, management, by):
    gate = proxy(site.bucket.service)

    def change(values):
        values["backup"]["storage"]["port"] = gate.port
        values["milvus"]["management"]["endpoint"] = management.endpoint

    api = site.start(change=change).client()
    gate.hold_after(256 * 1024)
    keys = {"filter": {archive.database: {"colls": ["*"]}}, "async": True}
    identity = api.create(name, **keys).succeeded().json["requestId"]
    assert wait_until(lambda: gate.holding, 60)
    answer = api.cancel(**({"id": identity} if by == "id" else {"backup_name": name})).succeeded()
    assert set(answer.json) == {"requestId", "msg"}
    gate.release()
    data = api.wait_for_backup(name, 30)
    assert (data["state_code"], data["errorMessage"]) == (FAILED, "canceled")
    assert management.calls() == ["pause", "resume"]
    whole = {key: size for key, size in site.bucket.sizes(f"backup/{name}/").items() if "/binlogs/" in key}
    assert not site.bucket.sizes(f"backup/{name}/meta/")
    uploads = site.bucket.client.list_multipart_uploads(Bucket=site.bucket.name).get("Uploads", [])
    assert not [upload for upload in uploads if name in upload["Key"]]
    api.cancel(id=identity).refused(3, "no running job")
    # What is left is whole, and goes with delete; then the name is free.
    api.delete(name).succeeded()
    assert not site.bucket.sizes(f"backup/{name}/")
    data = api.create(name, **{**keys, "async": False}).succeeded().data
    for key, size in whole.items():
        assert site.bucket.sizes(key) == {key: size}


def test_canceled_synchronous_create_answers(slow, archive, name):
    gate, api = slow
    gate.hold_after(256 * 1024)
    answers = []
    keys = {"filter": {archive.database: {"colls": ["*"]}}}
    waiting = threading.Thread(target=lambda: answers.append(api.create(name, **keys)))
    waiting.start()
    assert wait_until(lambda: gate.holding, 60)
    api.cancel(backup_name=name).succeeded()
    gate.release()
    waiting.join(60)
    answers[0].refused(3, "canceled")


def test_a_failed_check_ends_an_asynchronous_job(site, layout, note, name):
    """Milvus cannot be reached: the job is accepted, and its failure is told."""

    def change(values):
        values["milvus"]["grpc"]["port"] = layout.port_base + 90

    api = site.start(change=change).client()
    answer = api.get("/check")
    assert answer.status == 500 and "milvus" in answer.json["error"].lower()
    keys = {"collection_names": [f"{note.database}.notes"]}
    api.create(name, **keys).refused(3)
    api.create(name, **keys, **{"async": True}).succeeded()
    data = api.wait_for_backup(name, 60)
    assert data["state_code"] == FAILED and data["progress"] == 0
    assert str(layout.port_base + 90) in data["errorMessage"]
    assert data["name"] == name and data["end_time"] >= data["start_time"]
    # It can be deleted although it left nothing in the store, and is then forgotten.
    api.delete(name).succeeded()
    api.backup(name).refused(404)


# MARK: after a restart


def test_restart(site, archive, note, name, proxy):
    """Finished backups are still known; one that was being made is told to be interrupted."""
    gate = proxy(site.bucket.service)

    def change(values):
        values["backup"]["storage"]["port"] = gate.port

    server = site.start(change=change)
    api = server.client()
    done = api.create(f"{name}_done", collection_names=[f"{note.database}.notes"]).succeeded().data
    gate.hold_after(256 * 1024)
    api.create(name, filter={archive.database: {"colls": ["*"]}}, **{"async": True}).succeeded()
    assert wait_until(lambda: gate.holding, 60)
    identity = api.backup(name).succeeded().data["id"]
    server.program.kill()
    gate.release()

    api = site.start().client()
    data = api.backup(f"{name}_done").succeeded().data
    assert (data["state_code"], data["progress"]) == (DONE, 100)
    assert data["collection_backups"] == done["collection_backups"]
    data = api.backup(name).succeeded().data
    assert (data["id"], data["state_code"]) == (identity, FAILED)
    assert "interrupted" in data["errorMessage"] and data["start_time"] > 0
    assert name not in api.names()
    api.create(name, collection_names=[f"{note.database}.notes"]).refused(3, "already exist")
    api.delete(name).succeeded()
    api.create(name, collection_names=[f"{note.database}.notes"]).succeeded()


def test_a_server_that_is_stopped_stops_its_jobs(site, archive, name, proxy):
    gate = proxy(site.bucket.service)

    def change(values):
        values["backup"]["storage"]["port"] = gate.port

    server = site.start(change=change)
    gate.hold_after(256 * 1024)
    server.client().create(name, filter={archive.database: {"colls": ["*"]}}, **{"async": True}).succeeded()
    assert wait_until(lambda: gate.holding, 60)
    server.program.send(15)
    assert wait_until(lambda: "running jobs are stopped" in server.log, 30)
    gate.release()
    server.program.wait(60)
    data = site.client.backup(name).succeeded().data
    assert (data["state_code"], data["errorMessage"]) == (FAILED, "canceled")
