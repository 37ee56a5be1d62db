"""Backups in the layouts of older versions: a new backup is laid out anew as those versions did it, and restored."""

import json

import pytest
from testkit import backups
from testkit.compare import compare

COLLECTIONS = ["products", "orders"]


@pytest.fixture
def new(install, shop, bucket):
    """An installation with a backup in today's layout, called `new`."""
    installation = install(shop.milvus, bucket)
    listed = ",".join(f"{shop.database}.{each}" for each in COLLECTIONS)
    result = installation.run("create", "-n", "new", "--filter", listed)
    assert result.code == 0, str(result)
    return installation


def lay_out(bucket, name, full, group_of, milvus_root):
    """Copies the data of `new` to another name, its segments in the groups of `group_of`, and changes the metadata `full`
    accordingly. Logs have no ids, and deletions a field each, as in versions up to 0.5.3."""
    for collection in full["collection_backups"]:
        for partition in collection["partition_backups"]:
            for number, segment in enumerate(partition.get("segment_backups", [])):
                place = [segment["collection_id"], segment["partition_id"]]
                old = "/".join(map(str, [*place, segment["group_id"], segment["segment_id"]]))
                group = group_of(number)
                new = "/".join(map(str, [*place, *([group] if group else []), segment["segment_id"]]))
                for kind in ["insert_log", "delta_log"]:
                    for key in bucket.sizes(f"backup/new/binlogs/{kind}/{old}/"):
                        target = key.replace("backup/new/", f"backup/{name}/").replace(f"/{old}/", f"/{new}/")
                        bucket.put(target, bucket.get(key))
                segment.pop("group_id")
                if group:
                    segment["group_id"] = group
                deletions = [log for field in segment["deltalogs"] for log in field.get("binlogs", [])]
                segment["deltalogs"] = [{"fieldID": log["log_id"], "binlogs": [log]} for log in deletions]
                for field in segment["binlogs"] + segment["deltalogs"]:
                    for log in field["binlogs"]:
                        log.pop("log_id")
                        assert log["log_path"].startswith(f"{milvus_root}/")
                segment.pop("storage_version", None)
                segment.pop("v_channel", None)


def put(bucket, name, file, document):
    bucket.put(f"backup/{name}/meta/{file}", json.dumps(document, separators=(",", ":")).encode())


def test_level_files_without_groups_and_without_databases(new, shop, bucket, connect, drop_later):
    """Versions 0.1 to 0.3: a partition is one directory, and nothing knows of databases."""
    full = backups.metadata(bucket, "backup", "new")
    lay_out(bucket, "ancient", full, lambda number: 0, shop.milvus.root)
    collections, partitions, segments = full["collection_backups"], [], []
    for collection in collections:
        # Properties were not recorded yet.
        for key in ["id", "db_name", "db_id", "virtual_channel_names", "physical_channel_names", "created_timestamp"]:
            collection.pop(key, None)
        collection |= {"state_code": 2, "progress": 100, "start_time": 1677000000, "end_time": 1677000009}
        for partition in collection.pop("partition_backups"):
            segments += partition.pop("segment_backups", [])
            partitions.append(partition)
    put(bucket, "ancient", "collection_meta.json", {"infos": collections})
    put(bucket, "ancient", "partition_meta.json", {"infos": partitions})
    put(bucket, "ancient", "segment_meta.json", {"infos": segments})
    head = {"id": "0a", "state_code": 2, "start_time": 1677000000000, "end_time": 1677000009000, "progress": 100}
    head |= {"name": "ancient", "backup_timestamp": 1677000000000, "size": full["size"], "milvus_version": "v2.2.3"}
    put(bucket, "ancient", "backup_meta.json", head)

    assert "ancient" in new.run("list", "-c", "products").output.splitlines()
    detail = json.loads(new.run("get", "-n", "ancient", "-d").output)
    assert detail["size"] == full["size"]
    restored = restore(new, shop, "ancient", "default", drop_later)
    check(connect, shop, restored, "default", properties=True)


def test_groups_that_segments_share(new, shop, bucket, connect, drop_later):
    """Versions 0.4.0 to 0.4.3 and large partitions before: groups are numbered from 1, and have several segments each."""
    full = backups.metadata(bucket, "backup", "new")
    lay_out(bucket, "shared", full, lambda number: 1 + number // 2, shop.milvus.root)
    shares = [
        [segment["group_id"] for segment in partition.get("segment_backups", [])]
        for collection in full["collection_backups"]
        for partition in collection["partition_backups"]
    ]
    assert any(groups.count(1) > 1 for groups in shares), "no group is shared: the test shows nothing"
    put(bucket, "shared", "full_meta.json", full | {"name": "shared"})
    put(bucket, "shared", "backup_meta.json", {"state_code": 2, "name": "shared", "size": full["size"]})
    restored = restore(new, shop, "shared", shop.database, drop_later)
    check(connect, shop, restored, shop.database)


def restore(installation, shop, name, database, drop_later):
    for each in COLLECTIONS:
        drop_later(shop.milvus, f"{each}_{name}", database)
    result = installation.run("restore", "-n", name, "-s", f"_{name}", "--restore_index")
    assert result.code == 0, str(result)
    return {each: f"{each}_{name}" for each in COLLECTIONS}


def check(connect, shop, restored, database, properties=True):
    source, target = connect(shop.milvus, shop.database), connect(shop.milvus, database)
    for collection, copy in restored.items():
        comparison = compare(source, collection, target, copy)
        assert comparison.same, f"{collection}: {comparison}"
        assert comparison.digest.rows > 0
