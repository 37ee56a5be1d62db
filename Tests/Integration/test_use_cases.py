"""The four use cases of the Milvus guide, row for row, with the worker inside the process and with agents."""

import pytest
from testkit import backups, programs
from testkit.compare import compare
from testkit.objects import Bucket

EVERYTHING = ("products", "documents", "orders", "drafts")
SOME = ("documents", "orders", "drafts")
LITTLE = ("documents", "drafts")


@pytest.fixture
def carry_out(install, coordinator_address):
    """Runs a command to its end, by itself or with agents, who must then have done the work; gives what each copied."""

    def run(milvus, bucket, command, *options, agents=0, root="backup"):
        installation = install(
            milvus, bucket, root, change=lambda values: values["backup"].update(shard={"maxObjects": 4})
        )
        if agents == 0:
            result = installation.run(command, *options)
        else:
            listening = ["--listen", coordinator_address, "--min-agents", agents]
            coordinator = installation.start(command, *options, *listening)
            workers = installation.start_agents(agents, coordinator_address)
            result = coordinator.wait(300)
            for worker in workers:
                assert worker.stop().code == 0
        assert result.code == 0, str(result)
        shares = programs.shares(result)
        assert len(shares) == max(agents, 1)
        return shares

    return run


@pytest.fixture
def way(carry_out, shop, connect, drop_later, name):
    """The whole way: create from milvus-a, restore into a Milvus, compare, and look what is left."""

    def go(collections, bucket, target, agents, root="backup", suffix="", staged=True):
        listed = ",".join(f"{shop.database}.{each}" for each in collections)
        copied = carry_out(shop.milvus, bucket, "create", "-n", name, "--filter", listed, agents=agents, root=root)
        objects = bucket.sizes(f"{root}/{name}/binlogs/")
        assert total(copied) == len(objects) > 0

        for each in collections:
            drop_later(target, each + suffix, shop.database)
        options = ["-s", suffix] if suffix else []
        copied = carry_out(target, bucket, "restore", "-n", name, *options, "--rebuild_index", agents=agents, root=root)
        assert total(copied) == (len(objects) if staged else 0)

        restored = connect(target, shop.database)
        for each in collections:
            comparison = compare(connect(shop.milvus, shop.database), each, restored, each + suffix)
            assert comparison.same, f"{each}: {comparison}"
            assert set(comparison.differences) == {"schema", "properties", "partitions", "indexes", "rows"}
            assert comparison.digest.rows > 0 or each == "drafts"
            assert not restored.is_loaded(each + suffix)
        for milvus in [shop.milvus, target]:
            assert not backups.left_in(milvus)

    return go


def total(shares):
    return sum(share.objects for share in shares.values())


@pytest.fixture
def backups_beside_milvus(milvus_a, name):
    """Milvus' own bucket, and a root in it that is gone after the test."""
    bucket = Bucket(milvus_a.store, milvus_a.bucket)
    yield bucket, f"backups-{name}"
    bucket.erase(f"backups-{name}/")


@pytest.fixture
def bucket_beside_milvus(milvus_a, name):
    """Another bucket of the same S3 service."""
    bucket = Bucket(milvus_a.store, name.replace("_", "-")).create()
    yield bucket
    bucket.remove()


@pytest.mark.parametrize(("agents", "collections"), [(0, SOME), (2, LITTLE)], ids=["alone", "agents"])
def test_one_milvus_beside_the_original(way, milvus_a, backups_beside_milvus, agents, collections):
    """`coll` becomes `coll_bak`. What Milvus imports lies in its own bucket already: nothing is staged."""
    bucket, root = backups_beside_milvus
    way(collections, bucket, milvus_a, agents, root=root, suffix="_bak", staged=False)


@pytest.mark.parametrize(("agents", "collections"), [(0, LITTLE), (2, SOME)], ids=["alone", "agents"])
def test_two_milvus_below_two_roots_of_one_bucket(way, start_server, backups_beside_milvus, agents, collections):
    bucket, root = backups_beside_milvus
    milvus_c = start_server("milvus-c")
    way(collections, bucket, milvus_c, agents, root=root, staged=False)


@pytest.mark.parametrize(("agents", "collections"), [(0, SOME), (2, LITTLE)], ids=["alone", "agents"])
def test_two_buckets_of_one_service(way, start_server, bucket_beside_milvus, agents, collections):
    milvus_d = start_server("milvus-d")
    way(collections, bucket_beside_milvus, milvus_d, agents)


@pytest.mark.parametrize(("agents", "collections"), [(0, LITTLE), (2, EVERYTHING)], ids=["alone", "agents"])
def test_two_services_with_the_backup_beside_the_target(way, milvus_b, bucket, agents, collections):
    """`create` streams from one service to the other; `restore` lets the second one copy."""
    way(collections, bucket, milvus_b, agents)


def test_two_services_with_the_backup_beside_the_source(way, milvus_b, bucket_beside_milvus):
    """`restore` is the one that streams."""
    way(LITTLE, bucket_beside_milvus, milvus_b, agents=2)
