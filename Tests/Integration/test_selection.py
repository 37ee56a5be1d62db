"""What is backed up and restored, and under which names."""

import pytest
from testkit import backups, data
from testkit.compare import compare
from testkit.digest import digest
from testkit.server_connection import Connection

EVERYTHING = {"products", "documents", "orders", "drafts"}


@pytest.fixture
def chosen(install, shop, bucket, name):
    """Runs `create` and gives what is in the backup: database to names of collections, and the metadata."""

    def create(*options):
        options = [option.format(db=shop.database) for option in options]
        result = install(shop.milvus, bucket).run("create", "-n", name, *options)
        assert result.code == 0, str(result)
        full = backups.metadata(bucket, "backup", name)
        found = {entry["db_name"]: set() for entry in full["database_backups"]}
        for entry in full.get("collection_backups", []):
            found[entry["db_name"]].add(entry["collection_name"])
        return found, full

    return create


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-c", "{db}.orders"], {"orders"}),
        (["-c", "{db}.orders,{db}.drafts"], {"orders", "drafts"}),
        (["--colls", "{db}.orders"], {"orders"}),
        (["-d", "{db}"], EVERYTHING),
        (["-a", '{{"{db}": ["orders", "documents"]}}'], {"orders", "documents"}),
        (["-a", '{{"{db}": []}}'], EVERYTHING),
        (["--filter", "{db}.orders"], {"orders"}),
        (["--filter", "{db}.*"], EVERYTHING),
        (["--filter", "{db}."], set()),
        # --filter goes before -a, that before -c, that before -d.
        (["--filter", "{db}.orders", "-a", '{{"{db}": []}}', "-c", "{db}.drafts", "-d", "{db}"], {"orders"}),
        (["-a", '{{"{db}": ["documents"]}}', "-c", "{db}.drafts", "-d", "{db}"], {"documents"}),
        (["-c", "{db}.drafts", "-d", "{db}"], {"drafts"}),
    ],
)
def test_selection_of_create(chosen, shop, options, expected):
    found, full = chosen(*options)
    assert found == {shop.database: expected}
    assert full["size"] == sum(entry["size"] for entry in full.get("collection_backups", []))


def test_a_name_without_database_is_of_the_default_one(install, collection_of, milvus_a, bucket, name):
    collection_of(milvus_a, data.make_drafts, name)
    made = install(milvus_a, bucket).run("create", "-n", name, "-c", name)
    assert made.code == 0, str(made)
    (entry,) = backups.metadata(bucket, "backup", name)["collection_backups"]
    assert (entry["db_name"], entry["collection_name"]) == ("default", name)


def test_everything_is_backed_up_without_a_choice(install, shop, note, bucket, name):
    made = install(shop.milvus, bucket).run("create", "-n", name, "--meta_only")
    assert made.code == 0, str(made)
    full = backups.metadata(bucket, "backup", name)
    found = {(entry["db_name"], entry["collection_name"]) for entry in full["collection_backups"]}
    expected = set()
    for database in Connection(shop.milvus.address).databases():
        with Connection(shop.milvus.address, database) as connection:
            expected |= {(database, collection) for collection in connection.collections()}
    assert found == expected
    assert {(shop.database, "orders"), (note.database, "notes")} <= found


def test_metadata_alone(chosen, shop, bucket):
    _, full = chosen("-d", "{db}", "--meta_only")
    assert full["size"] == 0
    assert not [key for key in bucket.sizes() if "binlogs" in key]
    entries = {entry["collection_name"]: entry for entry in full["collection_backups"]}
    partitions = [partition["partition_name"] for partition in entries["products"]["partition_backups"]]
    assert sorted(partitions) == ["_default", "asia", "europe"]
    assert entries["products"]["has_index"]
    assert "backup_physical_timestamp" not in entries["products"], "nothing was flushed"


def test_without_flush_what_is_in_memory_is_left_out(install, milvus_a, collection_of, bucket, name, connect):
    collection_of(milvus_a, data.make_drafts, name)
    collection = connect(milvus_a).collection(name)
    collection.insert([[1, 2, 3], [[0.0] * 4] * 3])
    installation = install(milvus_a, bucket)
    assert installation.run("create", "-n", "forced", "-c", name, "-f").code == 0
    (entry,) = backups.metadata(bucket, "backup", "forced")["collection_backups"]
    assert entry["size"] == 0
    assert "backup_physical_timestamp" not in entry

    assert installation.run("create", "-n", "flushed", "-c", name).code == 0
    (entry,) = backups.metadata(bucket, "backup", "flushed")["collection_backups"]
    assert sum(segment["num_of_rows"] for segment in backups.segments_of(entry)) == 3
    assert entry["backup_physical_timestamp"] > 1_600_000_000


# MARK: restore


@pytest.fixture(scope="module")
def databases():
    """Databases that restores make, not there at the start and dropped at the end: databases(milvus, name)."""
    made = []

    def drop(milvus, name):
        with Connection(milvus.address) as connection:
            if name not in connection.databases():
                return
        with Connection(milvus.address, name) as connection:
            connection.drop_database()

    def make(milvus, name):
        drop(milvus, name)
        made.append((milvus, name))

    yield make
    for milvus, name in made:
        drop(milvus, name)


@pytest.fixture
def restored(install, shop, milvus_b, bucket, databases, name):
    """Backs the metadata up, restores it into milvus-b and gives what is there then, by database."""

    def restore(*options, backed_up=("--meta_only",)):
        made = install(shop.milvus, bucket).run("create", "-n", name, "--filter", shop.filter, *backed_up)
        assert made.code == 0, str(made)
        for database in [shop.database, f"{name}_db"]:
            databases(milvus_b, database)
        with Connection(milvus_b.address) as connection:
            before = set(connection.databases())
        options = [option.format(db=shop.database, new=f"{name}_db") for option in options]
        result = install(milvus_b, bucket).run("restore", "-n", name, *options)
        assert result.code == 0, str(result)
        found = {}
        with Connection(milvus_b.address) as connection:
            new = set(connection.databases()) - before
        for database in new:
            with Connection(milvus_b.address, database) as connection:
                found[database] = set(connection.collections())
                connection.drop_database()
        return found

    return restore


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {"{db}": EVERYTHING}),
        (["-s", "_bak"], {"{db}": {f"{each}_bak" for each in EVERYTHING}}),
        (["-c", "{db}.orders"], {"{db}": {"orders"}}),
        (["-d", "{db}"], {"{db}": EVERYTHING}),
        (["-a", '{{"{db}": ["drafts"]}}'], {"{db}": {"drafts"}}),
        (["-r", "{db}.orders:{db}.invoices"], {"{db}": EVERYTHING - {"orders"} | {"invoices"}}),
        (["-r", "{db}.*:{new}.*"], {"{new}": EVERYTHING}),
        (["-r", "{db}.orders:{new}.sales", "-c", "{db}.orders"], {"{new}": {"sales"}}),
        # --filter chooses by the names after renaming.
        (["-r", "{db}.*:{new}.*", "--filter", "{new}.orders"], {"{new}": {"orders"}}),
        (["-s", "_bak", "--filter", "{db}.drafts_bak"], {"{db}": {"drafts_bak"}}),
    ],
)
def test_selection_and_names_of_restore(restored, shop, name, options, expected):
    found = restored(*options, "--meta_only")
    names = {"db": shop.database, "new": f"{name}_db"}
    found = {database: names for database, names in found.items() if names}
    assert found == {database.format(**names): collections for database, collections in expected.items()}


def test_restore_of_metadata_alone(install, shop, bucket, name, drop_later, connect):
    """Everything but the rows, out of a backup that has them."""
    installation = install(shop.milvus, bucket)
    assert installation.run("create", "-n", name, "-c", f"{shop.database}.products").code == 0
    drop_later(shop.milvus, "products_empty", shop.database)
    made = installation.run("restore", "-n", name, "-s", "_empty", "--meta_only", "--restore_index")
    assert made.code == 0, str(made)
    connection = connect(shop.milvus, shop.database)
    comparison = compare(connection, "products", connection, "products_empty", rows=False)
    assert comparison.same, str(comparison)
    assert digest(connection, "products_empty").rows == 0


def test_indexes_are_made_only_when_asked_for(install, shop, bucket, name, drop_later, connect):
    installation = install(shop.milvus, bucket)
    assert installation.run("create", "-n", name, "-c", f"{shop.database}.products", "--meta_only").code == 0
    connection = connect(shop.milvus, shop.database)
    for suffix, options, expected in [
        ("_bare", [], {}),
        ("_indexed", ["--rebuild_index"], connection.indexes("products")),
    ]:
        drop_later(shop.milvus, f"products{suffix}", shop.database)
        made = installation.run("restore", "-n", name, "-s", suffix, "--meta_only", *options)
        assert made.code == 0, str(made)
        assert connection.indexes(f"products{suffix}") == expected


def test_rows_go_into_a_collection_that_is_there(install, shop, bucket, name, drop_later, connect):
    installation = install(shop.milvus, bucket)
    assert installation.run("create", "-n", name, "-c", f"{shop.database}.documents").code == 0
    drop_later(shop.milvus, "documents_there", shop.database)
    first = installation.run("restore", "-n", name, "-s", "_there", "--meta_only", "--rebuild_index")
    assert first.code == 0, str(first)
    second = installation.run("restore", "-n", name, "-s", "_there", "--skip_create_collection")
    assert second.code == 0, str(second)
    connection = connect(shop.milvus, shop.database)
    comparison = compare(connection, "documents", connection, "documents_there")
    assert comparison.same, str(comparison)
