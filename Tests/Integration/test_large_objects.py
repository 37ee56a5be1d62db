"""Objects that several agents copy together, in parts of one upload that the coordinator begins and ends."""

import hashlib
import random
import signal
from functools import partial

import pytest
from conftest import filled_database
from testkit import data, programs
from testkit.backups import compare_bytes, left_in, objects_of_plan
from testkit.compare import compare
from testkit.objects import Bucket
from testkit.processes import wait_until
from testkit.server_connection import Connection

MIB = 1 << 20
SIZE = 60 * MIB + 4711
PART = 5 * MIB


def multipart_etag(body, part):
    """The ETag S3 gives an object that was uploaded in parts of this size."""
    pieces = [body[start : start + part] for start in range(0, len(body), part)]
    return f"{hashlib.md5(b''.join(hashlib.md5(piece).digest() for piece in pieces)).hexdigest()}-{len(pieces)}"


def large_from(mebibytes, **transfer):
    def change(values):
        values["log"].update(console=True, level="debug")
        values["transfer"] = {"largeObjectThresholdMiB": mebibytes, "partSizeMiB": 5, **transfer}

    return change


@pytest.fixture(scope="module")
def body():
    return random.Random(11).randbytes(SIZE)


@pytest.fixture(scope="module")
def shelf(milvus_a, body):
    with filled_database(milvus_a, {"crate": partial(data.make_documents, rows=40)}) as source:
        with Connection(milvus_a.address, source.database) as connection:
            number = connection.describe("crate").collectionID
        yield Crate(source, number, body)


@pytest.fixture
def crate(shelf):
    """A collection one of whose logs is large. Its content is none that Milvus could read: it is copied, not restored."""
    shelf.store.put(shelf.key, shelf.body)
    yield shelf
    # What a killed coordinator has left for its agents to find.
    shelf.store.erase(f"{shelf.milvus.root}/milvus_backup_probe_")


class Crate:
    def __init__(self, source, number, body):
        self.milvus, self.filter, self.body = source.milvus, source.filter, body
        self.store = Bucket(self.milvus.store, self.milvus.bucket)
        self.key = max(self.store.sizes(f"{self.milvus.root}/insert_log/{number}/"))

    def upload_in_parts(self, size):
        """As Milvus' own client does it, whose boundaries only the ETag tells."""
        where = {"Bucket": self.store.name, "Key": self.key}
        client = self.store.client
        upload = client.create_multipart_upload(**where)["UploadId"]
        parts = []
        for number, start in enumerate(range(0, len(self.body), size), 1):
            piece = self.body[start : start + size]
            etag = client.upload_part(**where, UploadId=upload, PartNumber=number, Body=piece)["ETag"]
            parts.append({"PartNumber": number, "ETag": etag})
        client.complete_multipart_upload(**where, UploadId=upload, MultipartUpload={"Parts": parts})


@pytest.fixture
def site(install, crate, bucket, coordinator_address, proxy, name):
    class Site:
        def __init__(self):
            self.name, self.bucket = name, bucket
            self.gate = proxy(bucket.service)
            self.change = large_from(16)

        def start(self, *options, bucket=None):
            self.bucket = bucket or self.bucket
            self.installation = install(crate.milvus, self.bucket, change=self.change)
            arguments = ["-n", self.name, "--filter", crate.filter, "--listen", coordinator_address, *options]
            return self.installation.start("create", *arguments)

        def agent(self, name, gated=False):
            file = None
            if gated:
                values = programs.configuration(crate.milvus, bucket.service, bucket.name, log="")
                self.change(values)
                values["backup"]["storage"]["port"] = self.gate.port
                file = programs.write_configuration(self.installation.directory / f"{name}.yaml", values)
            return self.installation.start_agent(name, coordinator_address, configuration_file=file)

        @property
        def key(self):
            """Where the large object goes: what is after `insert_log/` but for the group's id."""
            steps = crate.key.split("/insert_log/")[1].split("/")
            return f"backup/{self.name}/binlogs/insert_log/" + "/".join([*steps[:3], *steps[2:]])

        @property
        def uploads(self):
            """Uploads of the large object that nobody has ended. This store finds them by their whole key."""
            listed = self.bucket.client.list_multipart_uploads(Bucket=self.bucket.name, Prefix=self.key)
            return listed.get("Uploads", [])

        def etag(self):
            return self.bucket.client.head_object(Bucket=self.bucket.name, Key=self.key)["ETag"].strip('"')

        def is_right(self, running):
            result = running.wait(120)
            assert result.code == 0, str(result)
            assert self.key in objects_of_plan(self.bucket, "backup", self.name)
            assert compare_bytes(crate.store, self.bucket, "backup", self.name)[1] == []
            assert not self.uploads
            checked = self.installation.run("verify", "-n", self.name, "--deep")
            assert checked.code == 0, str(checked)
            return result

    return Site()


def test_two_agents_copy_one_object(site, crate, body, wait_for_log):
    """The ETag is the source's, whose boundaries show in it. No agent takes all: the first one is held until the other has
    had its part."""
    crate.upload_in_parts(16 * MIB)
    running = site.start("--min-agents", 2)
    site.gate.hold_after(MIB)
    site.agent("first", gated=True)
    assert wait_until(lambda: "agent joined" in running.errors, 30), running.errors
    site.agent("second")
    assert wait_until(lambda: site.gate.holding, 30), running.errors
    wait_for_log(running, "shard done shard=.* agent=second")
    site.gate.release()
    result = site.is_right(running)
    copied = programs.shares(result)
    assert copied["first"].size > 0 and copied["second"].size > 0
    assert copied["first"].size + copied["second"].size >= SIZE
    assert site.etag() == multipart_etag(body, 16 * MIB)


def test_a_killed_agents_parts_are_copied_by_the_other(site, body, wait_for_log):
    running = site.start("--min-agents", 1)
    site.gate.hold_after(12 * MIB)  # In the middle of the object.
    victim = site.agent("victim", gated=True)
    assert wait_until(lambda: site.gate.holding, 30), running.errors
    site.agent("survivor")
    wait_for_log(running, "agent joined agent=survivor")
    (upload,) = site.uploads
    victim.kill()
    wait_for_log(running, r"shard handed out again shard=\d+ agent=survivor")
    result = site.is_right(running)
    assert programs.shares(result)["survivor"].size > 30 * MIB
    # Boundaries of our own: the source was uploaded at once.
    assert site.etag() == multipart_etag(body, PART)


def test_a_canceled_backup_leaves_no_upload(site):
    running = site.start("--min-agents", 1)
    site.gate.hold_after(12 * MIB)
    agent = site.agent("agent", gated=True)
    assert wait_until(lambda: site.gate.holding, 30), running.errors
    assert len(site.uploads) == 1
    running.send(signal.SIGINT)
    assert running.wait(30).code == 130
    site.gate.release()
    assert not site.uploads
    agent.stop()
    assert not site.uploads


def test_a_killed_backup_is_gone_on_with(site, body):
    running = site.start("--min-agents", 1)
    site.gate.hold_after(12 * MIB)
    site.agent("agent", gated=True)
    assert wait_until(lambda: site.gate.holding, 30), running.errors
    running.kill()
    site.gate.release()
    (left,) = site.uploads
    # The agent dials again. What it had copied of the object belongs to an upload that is ended.
    resumed = site.start("--min-agents", 1, "--resume")
    site.is_right(resumed)
    assert site.etag() == multipart_etag(body, PART)


def test_a_store_copies_the_parts_by_itself(site, crate, body):
    """Both buckets are of one store. From `multipartCopyThresholdMiB` on agents ask it for a part each."""
    site.change = large_from(16, mode="direct", multipartCopyThresholdMiB=16)
    bucket = Bucket(crate.milvus.store, site.bucket.name).create()
    try:
        running = site.start("--min-agents", 1, bucket=bucket)
        site.agent("agent")
        site.is_right(running)
        assert site.etag() == multipart_etag(body, PART)
    finally:
        bucket.remove()


def test_a_restore_stages_large_objects_in_parts(
    install, milvus_a, milvus_b, bucket, collection_of, coordinator_address, name, connect, drop_later
):
    collection_of(milvus_a, data.make_photos, name, rows=3000, rounds=1)
    creating = install(milvus_a, bucket, change=large_from(6))
    listening = ["--listen", coordinator_address, "--min-agents", 2]
    creating.start_agents(2, coordinator_address)
    made = creating.run("create", "-n", name, "--filter", name, *listening)
    assert made.code == 0, str(made)
    for program in creating.programs:
        program.stop()
    (large,) = [key for key, size in bucket.sizes(f"backup/{name}/binlogs/").items() if size > 6 * MIB]
    assert bucket.client.head_object(Bucket=bucket.name, Key=large)["ETag"].strip('"').endswith("-3")

    restoring = install(milvus_b, bucket, change=large_from(6))
    restoring.start_agents(2, coordinator_address)
    drop_later(milvus_b, name)
    restored = restoring.run("restore", "-n", name, *listening)
    assert restored.code == 0, str(restored)
    compare(connect(milvus_a), name, connect(milvus_b))
    assert not left_in(milvus_b)
