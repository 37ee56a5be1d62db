"""The command line as scripts use it, of both generations, against the real servers."""

import json
import socket

import pytest
from testkit import backups, programs, schema
from testkit.compare import compare
from testkit.objects import Bucket
from testkit.processes import wait_until


@pytest.fixture(scope="module")
def bucket(layout, shop):
    """The bucket of all backups here."""
    bucket = Bucket(layout.named("store-b"), f"command-line-{shop.database.replace('_', '-')}").create()
    yield bucket
    bucket.remove()


@pytest.fixture(scope="module")
def made(shop, bucket, binaries, tmp_path_factory):
    """An installation with two backups: `whole` of the shop, `one` of a single collection."""
    directory = tmp_path_factory.mktemp("command-line")
    values = programs.configuration(shop.milvus, bucket.service, bucket.name, log=directory / "tool.log")
    installation = programs.Installation(programs.write_configuration(directory / "backup.yaml", values), directory)
    for name, options in {
        "whole": ["--filter", shop.filter],
        "one": ["-c", f"{shop.database}.drafts", "-f", "--format", "binlog"],
    }.items():
        result = installation.run("create", "-n", name, *options)
        assert result.code == 0, str(result)
        assert "create backup success" in result.output.splitlines(), "the line that scripts look for"
    return installation


def test_list_get_and_l0compact(made, shop, bucket, connect, drop_later):
    result = made.run("list")
    assert (result.code, result.output) == (0, ">> Backups:\none\nwhole\n"), str(result)
    for name, expected in {
        "products": ["whole"],
        f"{shop.database}.products": ["whole"],
        "drafts": ["one", "whole"],
        "other.products": [],
        "product": [],
    }.items():
        result = made.run("list", "-c", name)
        assert result.output.splitlines() == [">> Backups:", *expected], str(result)
    assert json.loads(made.run("list", "--collection", "products", "--json").output)["backups"] == ["whole"]

    brief = json.loads(made.run("get", "-n", "whole").output)
    assert brief["name"] == "whole" and "partition_backups" not in brief["collection_backups"][0]
    detail = made.run("get", "-n", "whole", "-d")
    assert detail.code == 0, str(detail)
    stored = backups.metadata(bucket, "backup", "whole", "full_meta.json")
    assert detail.output == json.dumps(stored, indent=4, ensure_ascii=False) + "\n"

    result = made.run("l0compact", "-n", "whole")
    assert (result.code, result.output) == (0, "l0compact done: whole -> whole_l0compacted\n"), str(result)
    assert made.run("l0compact", "-n", "whole").code == 1, "it is there already"
    assert made.run("l0compact", "-n", "whole", "-o", "whole_l0compacted", "--force").code == 0
    copied = bucket.sizes("backup/whole_l0compacted/binlogs/")
    original = bucket.sizes("backup/whole/binlogs/")
    assert {key.replace("whole_l0compacted", "whole"): size for key, size in copied.items()} == original
    drop_later(shop.milvus, "products_bak", shop.database)
    only = f"{shop.database}.products_bak"
    result = made.run("restore", "-n", "whole_l0compacted", "-s", "_bak", "--filter", only, "--restore_index")
    assert result.code == 0, str(result)
    connection = connect(shop.milvus, shop.database)
    comparison = compare(connection, "products", connection, "products_bak")
    assert comparison.same, str(comparison)
    result = made.run("delete", "-n", "whole_l0compacted")
    assert (result.code, result.output) == (0, "delete backup done\n"), str(result)


def test_what_only_etcd_knows_is_recorded(made, bucket, shop, connect, drop_later):
    """Milvus' own etcd is asked."""
    connection = connect(shop.milvus, shop.database)
    arguments = ["--filter", shop.filter, "--strategy", "skip_flush", "--backup_index_extra"]
    result = made.run("create", "-n", "extra", *arguments)
    assert result.code == 0, str(result)
    document = backups.metadata(bucket, "backup", "extra", "full_meta.json")
    assert schema.problems(document, schema.FULL_WITH_INDEX_EXTRA) == []
    collections = {entry["collection_name"]: entry for entry in document["collection_backups"]}
    for entry in collections.values():
        fields = {field["name"]: field["fieldID"] for field in entry["schema"]["fields"]}
        for index in entry.get("index_infos", []):
            assert index["field_id"] == fields[index["field_name"]] and index["create_time"] > 0
            recorded = {pair["key"]: pair["value"] for pair in index.get("index_params", [])}
            # DescribeIndex tells what was asked for, etcd what was made of it.
            assert recorded["index_type"] == index.get("index_type", "STL_SORT")
        dynamic = [field for field in entry["schema"]["fields"] if field.get("is_dynamic")]
        assert len(dynamic) == (1 if entry["schema"].get("enable_dynamic_field") else 0)
    (embedding,) = [each for each in collections["products"]["index_infos"] if each["field_name"] == "embedding"]
    assert {"key": "nlist", "value": "64"} in embedding["index_params"]
    # The dynamic field among the others is no obstacle.
    drop_later(shop.milvus, "documents_extra", shop.database)
    only = f"{shop.database}.documents_extra"
    result = made.run("restore", "-n", "extra", "-s", "_extra", "--filter", only, "--restore_index")
    assert result.code == 0, str(result)
    comparison = compare(connection, "documents", connection, "documents_extra")
    assert comparison.same, str(comparison)
    assert made.run("delete", "-n", "extra").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["create", "-n", "x", "--format", "snapshot"], 1, "snapshot format"),
        (["create", "-n", "x", "--format", "tape"], 2, "only support auto, binlog"),
        (["create", "-n", "x", "--backup_index_extra", "--set", "milvus.etcd.rootPath=other"], 1, "other/meta/"),
        (["create", "-n", "x", "--backup_index_extra", "--set", "milvus.etcd.endpoints=127.0.0.1:1"], 1, "127.0.0.1:1"),
        (["create", "-n", "x", "--rbac"], 1, "2.4.10"),
        (["restore", "-n", "one", "--rbac", "-s", "_bak"], 1, "2.4.10"),
        (["restore", "-n", "one", "-s", "_bak", "--filter", "nowhere.*"], 1, "nowhere"),
        (["restore", "-n", "one", "-s", "_bak", "--filter", "drafts"], 1, "default.drafts"),
        (["restore", "secondary", "-n", "one", "--source_cluster_id", "a", "--target_cluster_id", "b"], 1, "secondary"),
        (["restore", "something", "-n", "one"], 2, "something"),
        (["migrate", "-n", "one", "-c", "in01"], 1, "migrate"),
        (["restore", "-n", "one", "--rebuild-indx"], 2, "did you mean --rebuild_index?"),
        (["create", "-n", "x", "--filtr", "a"], 2, "did you mean --filter?"),
        (["get", "-n", "missing"], 1, "backup missing not found"),
        (["get", "-n", "missing", "-d"], 1, "backup missing not found"),
        (["l0compact", "-n", "missing"], 1, "backup missing not found"),
        (["delete", "-n", "missing"], 1, "backup missing not found"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(made, bucket, arguments, code, told):
    before = bucket.sizes()
    result = made.run(*arguments)
    assert result.code == code, str(result)
    assert told in result.errors and result.output == "", str(result)
    assert bucket.sizes() == before


def test_v2_restore_falls_back_where_milvus_has_no_import_jobs(made, shop, connect, drop_later):
    drop_later(shop.milvus, "documents_v2", shop.database)
    only = f"{shop.database}.documents_v2"
    result = made.run("restore", "-n", "whole", "-s", "_v2", "--filter", only, "--use_v2_restore", "--rebuild_index")
    assert result.code == 0, str(result)
    log = (made.directory / "tool.log").read_text()
    assert "use_v2_restore needs Milvus 2.4 or later" in log
    connection = connect(shop.milvus, shop.database)
    comparison = compare(connection, "documents", connection, "documents_v2")
    assert comparison.same, str(comparison)


def test_a_running_server_does_the_work(made, shop, connect, drop_later, layout):
    port = layout.port_base + 92
    environment = {"MILVUS_BACKUP_API_TOKEN": "a-token-of-this-test"}
    server = made.start("server", "-p", port, name="server", environment=environment)
    wait_until(lambda: listens(port) or not server.running, 30)
    address = ["--server", f"http://127.0.0.1:{port}"]

    def ask(*arguments, **changes):
        return made.run(*arguments, *address, environment=environment | changes)

    try:
        result = ask("create", "-n", "remote", "--filter", f"{shop.database}.drafts,{shop.database}.documents")
        assert result.code == 0 and result.output.startswith("create backup success\nduration:"), str(result)
        assert "remote" in ask("list").output.splitlines()
        assert json.loads(ask("get", "-n", "remote").output)["name"] == "remote"
        drop_later(shop.milvus, "documents_remote", shop.database)
        only = f"{shop.database}.documents_remote"
        result = ask("restore", "-n", "remote", "-s", "_remote", "--filter", only, "--rebuild_index")
        assert result.code == 0 and result.output.startswith("duration:"), str(result)
        connection = connect(shop.milvus, shop.database)
        comparison = compare(connection, "documents", connection, "documents_remote")
        assert comparison.same, str(comparison)
        assert ask("create", "-n", "remote").code == 1, "the name is taken"
        assert ask("restore", "-n", "remote", "--dry-run").code == 2
        refused = ask("list", MILVUS_BACKUP_API_TOKEN="wrong")
        assert refused.code == 1 and "MILVUS_BACKUP_API_TOKEN" in refused.errors
        assert ask("delete", "-n", "remote").output == "delete backup done\n"
        assert ask("delete", "-n", "remote").code == 1
    finally:
        server.stop()
    assert ask("list").code == 1


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
