"""What a backup consists of, held against the description of the format and against Milvus itself."""

import json

import pytest
from pymilvus.grpc_gen import schema_pb2
from testkit import backups, programs, schema
from testkit.objects import Bucket


@pytest.fixture(scope="module")
def made(layout, shop, note, binaries, tmp_path_factory):
    """One backup of two databases that the tests here look at: bucket, name, and Milvus' bucket as it was then."""
    bucket = Bucket(layout.named("store-b"), f"metadata-{shop.database.replace('_', '-')}").create()
    directory = tmp_path_factory.mktemp("metadata")
    values = programs.configuration(shop.milvus, bucket.service, bucket.name, log=directory / "tool.log")
    installation = programs.Installation(programs.write_configuration(directory / "backup.yaml", values), directory)
    result = installation.run("create", "-n", "whole", "--filter", f"{shop.filter},{note.filter}")
    assert result.code == 0, str(result)
    yield bucket
    bucket.remove()


def whole(bucket, file="full_meta.json"):
    return backups.metadata(bucket, "backup", "whole", file)


def collections_of(bucket):
    return {entry["collection_name"]: entry for entry in whole(bucket)["collection_backups"]}


@pytest.mark.parametrize("file", backups.METADATA_FILES)
def test_every_key_type_and_omission(made, file):
    text = made.get(f"backup/whole/meta/{file}").decode()
    doubles = []
    document = json.loads(text, parse_float=lambda number: doubles.append(number) or float(number))
    assert not doubles, "a writer must emit plain integers"
    assert schema.problems(document, schema.FILES[file]) == []
    # Compact, and what HTML does not like is escaped as Go does it.
    assert not any(character in text for character in "<>&\n\u2028\u2029")
    assert json.dumps(document, ensure_ascii=False, separators=(",", ":")) == unescaped(text)


def unescaped(text):
    for escape, character in [("\\u003c", "<"), ("\\u003e", ">"), ("\\u0026", "&")]:
        text = text.replace(escape, character)
    return text


def test_the_checker_sees_what_is_wrong(made):
    """A checker that finds nothing proves nothing."""

    def found(change):
        document = whole(made)
        change(document, document["collection_backups"][0])
        return schema.problems(document, schema.FILES["full_meta.json"])

    assert found(lambda backup, collection: None) == []
    assert found(lambda backup, collection: backup.pop("state_code"))
    assert found(lambda backup, collection: backup.update(state_code=0.0))
    assert found(lambda backup, collection: collection.update(aliases=[]))
    assert found(lambda backup, collection: collection.update(collection_id="1"))
    assert found(lambda backup, collection: collection.update(collection_id=2**63))
    assert found(lambda backup, collection: collection.update(has_index=1))
    assert found(lambda backup, collection: collection["schema"].update(state=1))
    assert found(lambda backup, collection: collection.pop("size"))


def test_level_files_tell_the_same_as_the_whole(made):
    full = whole(made)
    head = {key: value for key, value in full.items() if key in schema.BACKUP_ALONE.keys}
    assert whole(made, "backup_meta.json") == head

    collections = json.loads(json.dumps(full["collection_backups"]))
    partitions = [partition for each in collections for partition in each["partition_backups"]]
    segments = [segment for partition in partitions for segment in partition.pop("segment_backups", [])]
    assert not any("l0_segments" in each for each in collections), "this Milvus has no L0 segments"
    assert whole(made, "segment_meta.json") == {"infos": segments}
    assert whole(made, "partition_meta.json") == {"infos": partitions}
    assert whole(made, "collection_meta.json") == {"infos": collections}


def test_every_recorded_object_is_there_and_nothing_else(made):
    planned = {key: size for key, (_, size) in backups.objects_of_plan(made, "backup", "whole").items()}
    found = made.sizes()
    files = {f"backup/whole/meta/{file}" for file in backups.METADATA_FILES}
    assert set(found) == set(planned) | files | {"backup/whole/manifest.zst"}
    assert {key: found[key] for key in planned} == planned


def test_paths_groups_and_sizes(made, shop):
    root = shop.milvus.root
    milvus = Bucket(shop.milvus.store, shop.milvus.bucket)
    full = whole(made)
    for collection in full["collection_backups"]:
        for partition in collection["partition_backups"]:
            assert partition["collection_id"] == collection["collection_id"]
            for segment in partition.get("segment_backups", []):
                assert segment["group_id"] == segment["segment_id"]
                place = (collection["collection_id"], partition["partition_id"])
                assert (segment["collection_id"], segment["partition_id"]) == place
                directory = f"{place[0]}/{place[1]}/{segment['segment_id']}/"
                source = milvus.sizes(f"{root}/insert_log/{directory}") | milvus.sizes(f"{root}/delta_log/{directory}")
                recorded = {
                    log["log_path"]: log["log_size"]
                    for logs in ["binlogs", "deltalogs"]
                    for field in segment[logs]
                    for log in field.get("binlogs", [])
                }
                assert recorded == source
                assert segment["size"] == sum(source.values())
                assert len(segment["deltalogs"]) == 1, "one element, also when it is empty"
                for field in segment["binlogs"]:
                    for log in field["binlogs"]:
                        parts = log["log_path"].split("/")
                        assert parts[-2:] == [str(field.get("fieldID", 0)), str(log["log_id"])]
            assert partition["size"] == sum(segment["size"] for segment in partition.get("segment_backups", []))
        assert collection["size"] == sum(partition["size"] for partition in collection["partition_backups"])
    assert full["size"] == sum(collection["size"] for collection in full["collection_backups"])


def test_values_are_those_of_milvus_to_the_last_digit(made, shop, connect):
    full = whole(made)
    connection = connect(shop.milvus, shop.database)
    assert full["name"] == "whole"
    assert full["milvus_version"].startswith("v2.3.5")
    for name in shop.collections:
        entry = collections_of(made)[name]
        description = connection.describe(name)
        assert entry["id"] == full["id"]
        assert entry["db_name"] == shop.database
        assert entry["collection_id"] == description.collectionID
        assert entry["created_timestamp"] == description.created_timestamp > 2**53
        assert entry["shards_num"] == description.shards_num
        assert entry.get("consistency_level", 0) == description.consistency_level
        assert entry["virtual_channel_names"] == list(description.virtual_channel_names)
        assert entry["physical_channel_names"] == list(description.physical_channel_names)
        assert entry.get("properties", []) == pairs(description.properties)
        assert entry["load_state"] == ("Loaded" if connection.is_loaded(name) else "NotLoad")
        partitions = {partition["partition_name"]: partition["partition_id"] for partition in entry["partition_backups"]}
        assert partitions == connection.partitions(name)
        rows = {
            segment["segment_id"]: segment["num_of_rows"]
            for partition in entry["partition_backups"]
            for segment in partition.get("segment_backups", [])
        }
        assert rows == {segment.segmentID: segment.num_rows for segment in connection.segments(name)}
        infos = entry.get("index_infos", [])
        indexes = {index["field_name"]: (index["index_name"], index.get("params", {})) for index in infos}
        assert indexes == connection.indexes(name)
        assert entry["has_index"] == bool(indexes)
        assert all(index.get("index_type") == index.get("params", {}).get("index_type") for index in infos)
        assert [field_of(field) for field in entry["schema"]["fields"]] == [
            field_of_milvus(field) for field in description.schema.fields
        ]
        assert entry["schema"]["name"] == name
        assert entry["schema"].get("description", "") == description.schema.description
        assert entry["schema"].get("enable_dynamic_field", False) == description.schema.enable_dynamic_field


def pairs(items):
    return [{key: value for key, value in (("key", pair.key), ("value", pair.value)) if value} for pair in items]


def field_of(entry):
    return {**{"is_primary_key": False, "autoID": False, "is_partition_key": False, "description": ""}, **entry}


def field_of_milvus(field):
    values = {
        "fieldID": field.fieldID,
        "name": field.name,
        "is_primary_key": field.is_primary_key,
        "description": field.description,
        "data_type": field.data_type,
        "autoID": field.autoID,
        "is_partition_key": field.is_partition_key,
    }
    if field.type_params:
        values["type_params"] = pairs(field.type_params)
    if field.element_type != schema_pb2.DataType.Value("None"):
        values["element_type"] = field.element_type
    return values


def test_backup_meta_comes_last(install, milvus_a, bucket, note, proxy, name):
    """Whoever finds it may restore: all the rest must be there before."""
    gateway = proxy(bucket.service)
    installation = install(
        milvus_a, bucket, change=lambda values: values["backup"]["storage"].update(port=gateway.port)
    )
    result = installation.run("create", "-n", name, "--filter", note.filter)
    assert result.code == 0, str(result)
    prefix = f"PUT /{bucket.name}/backup/{name}/"
    written = [line.removeprefix(prefix) for line in gateway.writes if line.startswith(prefix)]
    files = ["collection_meta", "partition_meta", "segment_meta", "full_meta", "backup_meta"]
    order = ["manifest.zst", *(f"meta/{file}.json" for file in files)]
    assert written[-6:] == order
    # What tells of a running backup is written as it runs, and gone at its end.
    running = [key for key in written if key.startswith(("claim", "journal-"))]
    # First the store is asked whether it heeds conditions.
    assert [key for key in written if not key.startswith("claim-probe-")][0] == "claim.json"
    assert all(key.startswith("binlogs/") for key in written[:-6] if key not in running)
    assert len(written) - len(running) == len(bucket.sizes())


def test_get_shows_the_backup(install, milvus_a, made, shop):
    installation = install(milvus_a, made)
    result = installation.run("get", "-n", "whole")
    assert result.code == 0, str(result)
    shown, full = json.loads(result.output), whole(made)
    for key in ["name", "size", "milvus_version"]:
        assert shown[key] == full[key]
    assert shown["meta_size"] == sum(made.sizes("backup/whole/meta/").values())
    assert (shown["state_code"], shown["progress"]) == (0, 0)
    assert "id" not in shown
    entries = {entry["collection_name"]: entry for entry in shown["collection_backups"]}
    for name, entry in collections_of(made).items():
        for key in ["partition_backups", "l0_segments", "aliases", "db_id", "created_timestamp"]:
            entry.pop(key, None)
            assert key not in entries[name]
        for key in ["collection_id", "schema", "size", "has_index", "load_state"]:
            assert entries[name][key] == entry[key]
    listed = installation.run("list")
    assert (listed.code, listed.output) == (0, ">> Backups:\nwhole\n")
