"""Stores that fail, lie and break off: what comes out is right all the same. The faults are made by a proxy in front of
the real servers, since no real server fails on demand."""

from functools import partial

import pytest
from conftest import filled_database
from testkit import data
from testkit.backups import compare_bytes
from testkit.compare import compare
from testkit.faults import FAULTS, FaultyStore
from testkit.objects import Bucket


@pytest.fixture
def faulty():
    """Makes stores with faults: faulty(service, rate=…)."""
    stores = []

    def make(service, **options):
        stores.append(FaultyStore(service, **options))
        return stores[-1]

    yield make
    for each in stores:
        each.close()


def beside(source=None, backup=None, **transfer):
    """A change of the configuration: the stores are reached through others."""

    def change(values):
        values["log"].update(console=True)
        values["transfer"] = transfer
        for part, store in [("milvus", source), ("backup", backup)]:
            if store:
                values[part]["storage"]["port"] = store.port

    return change


def assert_same_bytes(source, bucket, name):
    """Every log of the backup is the source's own; how many there are."""
    count, wrong = compare_bytes(Bucket(source.milvus.store, source.milvus.bucket), bucket, "backup", name)
    assert count > 0 and not wrong
    return count


# The whole of a backup, and of a restore from it, with three of ten requests failing all the time.


def test_three_of_ten_requests_fail(install, faulty, archive, bucket, connect, milvus_b, drop_later, name):
    source = faulty(archive.milvus.store, rate=0.3, seed=1)
    backup = faulty(bucket.service, rate=0.3, seed=2)
    made = install(archive.milvus, bucket, change=beside(source, backup)).run(
        "create", "-n", name, "--filter", archive.filter
    )
    assert made.code == 0, str(made)
    assert source.injected and backup.injected
    assert assert_same_bytes(archive, bucket, name) >= 12

    target = faulty(milvus_b.store, rate=0.3, seed=3)
    drop_later(milvus_b, "photos", archive.database)
    restored = install(milvus_b, bucket, change=beside(target, backup)).run("restore", "-n", name)
    assert restored.code == 0, str(restored)
    comparison = compare(connect(archive.milvus, archive.database), "photos", connect(milvus_b, archive.database), "photos")
    assert comparison.same and comparison.digest.rows == 2000, str(comparison)


@pytest.mark.parametrize("fault", FAULTS)
def test_one_kind_of_fault_everywhere(install, faulty, note, bucket, name, fault):
    """Each kind alone, at every third request that it can happen to, on the way that shows bytes to nobody but the kernel."""
    source = faulty(note.milvus.store, rate=0.35, seed=4, faults=[fault], latency=0.1)
    backup = faulty(bucket.service, rate=0.35, seed=5, faults=[fault], latency=0.1)
    made = install(note.milvus, bucket, change=beside(source, backup, mode="streaming")).run(
        "create", "-n", name, "--filter", note.filter
    )
    assert made.code == 0, f"{source.counts} {backup.counts}\n{made}"
    assert source.injected + backup.injected > 0
    assert assert_same_bytes(note, bucket, name)


@pytest.mark.long
def test_thousands_of_objects(install, faulty, milvus_a, bucket, name):
    with filled_database(milvus_a, {f"leaflets_{n}": partial(data.make_leaflets, partitions=60) for n in range(3)}) as source:
        store = faulty(milvus_a.store, rate=0.3, seed=6)
        backup = faulty(bucket.service, rate=0.3, seed=7)
        made = install(milvus_a, bucket, change=beside(store, backup, mode="streaming")).run(
            "create", "-n", name, "--filter", source.filter, timeout=900
        )
        assert made.code == 0, str(made)
        assert store.injected + backup.injected > 1000
        assert assert_same_bytes(source, bucket, name) > 2000
