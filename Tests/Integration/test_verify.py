"""Comparing a stored backup with its manifest: what `verify`, `restore` and `create --verify` say of damage."""

import json

import pytest
from testkit import backups
from testkit.compare import compare
from testkit.processes import wait_until
from testkit.programs import shares
from testkit.rest import DONE


class Stored:
    """A backup of `notes` and some hands that can damage it."""

    def __init__(self, installation, bucket, name):
        self.installation = installation
        self.bucket = bucket
        self.name = name
        self.directory = f"backup/{name}/"
        self.logs = sorted(backups.objects_of_plan(bucket, "backup", name))

    def verify(self, *options, code=None, of=None):
        result = self.installation.run("verify", "-n", of or self.name, "--json", *options)
        if code is not None:
            assert result.code == code, str(result)
        return json.loads(result.output).get("verification")

    def flip(self, key):
        """Changes a byte, so that the ETag changes too, as a store computes it."""
        content = bytearray(self.bucket.get(key))
        content[len(content) // 2] ^= 1
        self.bucket.put(key, bytes(content))

    def below(self, key):
        return key.removeprefix(self.directory)


@pytest.fixture
def stored(install, note, bucket, name):
    installation = install(note.milvus, bucket)
    # Streamed with checksums, so that the manifest has them.
    options = ["--set", "transfer.mode=streaming", "--set", "transfer.fastPath=checksummed"]
    result = installation.run("create", "-n", name, "--filter", note.filter, "--verify", "deep", *options)
    assert result.code == 0, str(result)
    assert "read the copies" in result.output
    return Stored(installation, bucket, name)


def keys(tally):
    return [each["key"] for each in tally["objects"]]


@pytest.mark.parametrize("options", [[], ["--deep"]], ids=["quick", "deep"])
def test_a_sound_backup_and_every_kind_of_damage(stored, options):
    report = stored.verify(*options, code=0)
    assert not report["damaged"] and report["compared_with"] == "manifest"
    assert report["objects"] == len(stored.logs) > 5 and report["unproven"] == 0
    assert report["bytes"] == sum(stored.bucket.sizes(f"{stored.directory}binlogs/").values())
    assert report["bytes_read"] == (report["bytes"] if options else 0)

    missing, shorter, flipped = stored.logs[0], stored.logs[2], stored.logs[-1]
    stored.bucket.delete(missing)
    stored.bucket.put(shorter, stored.bucket.get(shorter)[:-1])
    stored.flip(flipped)
    extra = f"{stored.logs[1]}7"
    stored.bucket.put(extra, b"x")
    stored.bucket.put(f"{stored.directory}README", b"mine")
    report = stored.verify(*options, code=3)
    assert report["damaged"]
    assert keys(report["missing"]) == [stored.below(missing)]
    assert keys(report["changed"]) == sorted(map(stored.below, [shorter, flipped]))
    assert keys(report["extra"]) == [stored.below(extra)]
    assert keys(report["unrelated"]) == ["README"]

    spoken = stored.installation.run("verify", "-n", stored.name, *options)
    assert spoken.code == 3
    assert f"missing: {stored.below(missing)}\n" in spoken.output
    assert f"backup {stored.name} is damaged: 1 object missing, 2 objects changed, 1 object too many" in spoken.output


def test_what_does_not_belong_is_damage_only_among_the_logs(stored):
    stored.bucket.put(f"{stored.directory}README", b"mine")
    assert keys(stored.verify(code=0)["unrelated"]) == ["README"]
    stored.bucket.put(f"{stored.logs[1]}7", b"x")
    assert stored.verify(code=3)["extra"]["count"] == 1


def test_the_bytes_decide_where_etags_say_nothing(stored, bucket):
    """Another tool has moved the backup: its ETags are of other shapes. A flipped byte is found by its checksum."""
    victim = stored.logs[3]
    upload = bucket.client.create_multipart_upload(Bucket=bucket.name, Key=victim)["UploadId"]
    content = bytearray(bucket.get(victim))
    content[7] ^= 16
    where = {"Bucket": bucket.name, "Key": victim, "UploadId": upload}
    part = bucket.client.upload_part(**where, PartNumber=1, Body=bytes(content))
    parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    bucket.client.complete_multipart_upload(**where, MultipartUpload=parts)
    assert bucket.client.head_object(Bucket=bucket.name, Key=victim)["ETag"].endswith('-1"')
    stored.verify(code=0)
    report = stored.verify("--deep", code=3)
    assert keys(report["changed"]) == [stored.below(victim)]
    assert "CRC-32C" in report["changed"]["objects"][0]["problem"]


def test_bytes_that_rotted_inside_the_store(layout, install, note, bucket, name):
    """The store shows the ETag it has always shown: only who reads the bytes finds out."""
    installation = install(note.milvus, bucket)
    assert installation.run("create", "-n", name, "--filter", note.filter).code == 0
    stored = Stored(installation, bucket, name)
    victim = stored.logs[-1]
    content = bucket.get(victim)
    objects = layout.directory / "services" / bucket.service.name / "objects"
    file = next(path for path in objects.rglob("*") if path.is_file() and holds(path, content))
    with open(file, "r+b") as opened:
        opened.seek(5)
        byte = opened.read(1)[0]
        opened.seek(5)
        opened.write(bytes([byte ^ 1]))
    stored.verify(code=0)
    report = stored.verify("--deep", code=3)
    assert keys(report["changed"]) == [stored.below(victim)]


def holds(path, content):
    return path.stat().st_size == len(content) and path.read_bytes() == content


@pytest.mark.parametrize("damage", ["cut off", "garbage", "a record less"])
def test_a_damaged_manifest(stored, bucket, damage):
    key = f"{stored.directory}manifest.zst"
    content = bucket.get(key)
    # Its first frame is its first line alone.
    header = content.index(b"\x28\xb5\x2f\xfd", 4)
    damaged = {"cut off": content[:-9], "garbage": b"no manifest", "a record less": content[:header]}[damage]
    bucket.put(key, damaged)
    report = stored.verify(code=3)
    assert "manifest.zst" in report["record_problems"][0]
    refused = stored.installation.run("restore", "-n", stored.name, "-s", "_bak")
    assert refused.code == 1 and f"backup {stored.name} is damaged: {key}" in refused.errors, str(refused)
    if damage != "a record less":
        assert stored.verify("--write-manifest", code=0)["manifest_written"]
        assert stored.verify(code=0)["compared_with"] == "manifest"


def test_metadata_that_does_not_agree(stored, bucket):
    key = f"{stored.directory}meta/segment_meta.json"
    content = bucket.get(key)
    bucket.put(key, content[:-4])
    report = stored.verify(code=3)
    assert "segment_meta.json" in report["record_problems"][0]
    document = json.loads(content)
    document["infos"].pop()
    bucket.put(key, json.dumps(document).encode())
    assert "do not agree" in stored.verify(code=3)["record_problems"][0]
    bucket.delete(key)
    assert "segment_meta.json is missing" in stored.verify(code=3)["record_problems"][0]


def test_a_backup_without_a_manifest_gets_one(stored, bucket):
    """As the original tool makes them."""
    key = f"{stored.directory}manifest.zst"
    bucket.delete(key)
    victim = stored.logs[4]
    content = bucket.get(victim)
    bucket.delete(victim)
    report = stored.verify("--write-manifest", code=3)
    assert report["compared_with"] == "metadata" and keys(report["missing"]) == [stored.below(victim)]
    assert key not in bucket.sizes(stored.directory)
    bucket.put(victim, content)
    report = stored.verify("--deep", "--write-manifest", code=0)
    assert report["manifest_written"] and report["bytes_read"] == report["bytes"] and report["unproven"] == 0
    assert stored.verify("--deep", code=0)["compared_with"] == "manifest"
    # It is as good as one that was written with the backup.
    stored.flip(victim)
    assert keys(stored.verify(code=3)["changed"]) == [stored.below(victim)]
    assert keys(stored.verify("--deep", code=3)["changed"]) == [stored.below(victim)]


def test_agents_read(stored, coordinator_address):
    stored.flip(stored.logs[0])
    stored.bucket.delete(stored.logs[1])
    running = stored.installation.start(
        "verify", "-n", stored.name, "--deep", "--listen", coordinator_address, "--min-agents", 2
    )
    stored.installation.start_agents(2, coordinator_address)
    result = running.wait(60)
    assert result.code == 3, str(result)
    assert f"changed: {stored.below(stored.logs[0])} has other bytes" in result.output
    assert sum(share.objects for share in shares(result).values()) == len(stored.logs) - 1
    assert "local" not in shares(result)


def test_restore_refuses_a_damaged_backup(stored, note, connect, drop_later):
    connection = connect(note.milvus, note.database)
    drop_later(note.milvus, "notes_bak", note.database)
    victim = stored.logs[0]
    content = stored.bucket.get(victim)
    stored.flip(victim)
    before = connection.collections()
    refused = stored.installation.run("restore", "-n", stored.name, "-s", "_bak")
    assert refused.code == 1
    line = refused.errors.splitlines()[-1]
    assert f"backup {stored.name} is damaged: {victim}" in line and "1 object changed" in line, str(refused)
    assert "--skip-verify" in line
    assert connection.collections() == before
    # What is restored is all that counts.
    other = stored.installation.run("restore", "-n", stored.name, "--meta_only", "-s", "_bak")
    assert other.code == 0, str(other)
    connection.drop("notes_bak")
    # Told to, it goes on. (The byte is put right, so that Milvus can read it; the ETag changes the size of nothing.)
    stored.bucket.put(victim, content)
    stored.bucket.put(f"{stored.directory}manifest.zst", b"garbage")
    forced = stored.installation.run("restore", "-n", stored.name, "-s", "_bak", "--skip-verify")
    assert forced.code == 0, str(forced)
    comparison = compare(connection, "notes", connection, "notes_bak", indexes=False)
    assert comparison.same, str(comparison)


def test_there_are_two_ways_to_look(install, note, bucket, name):
    installation = install(note.milvus, bucket)
    refused = installation.run("create", "-n", name, "--verify", "thorough")
    assert refused.code == 2 and "quick, deep" in refused.errors


def test_no_backup_no_verdict(install, note, bucket, name):
    installation = install(note.milvus, bucket)
    nothing = installation.run("verify", "-n", name)
    assert nothing.code == 1 and f"backup {name} not found" in nothing.errors
    bucket.put(f"backup/{name}/binlogs/insert_log/1/2/3/3/4/5", b"x")
    unfinished = installation.run("verify", "-n", name)
    assert unfinished.code == 1 and "is not finished" in unfinished.errors


# MARK: over REST


def test_a_server_verifies(api, site, notes_backup):
    report = api.post("/verify", {"backup_name": notes_backup, "deep": True}).succeeded().data["report"]
    assert not report["damaged"] and report["bytes_read"] == report["bytes"] > 0
    victim = sorted(backups.objects_of_plan(site.bucket, "backup", notes_backup))[0]
    content = site.bucket.get(victim)
    site.bucket.delete(victim)
    try:
        started = api.post("/verify", {"backup_name": notes_backup, "async": True}).succeeded().data
        assert wait_until(lambda: api.get("/verify", id=started["id"]).data["state_code"] == DONE, 30)
        view = api.get("/verify", id=started["id"]).data
        assert view["progress"] == 100 and view["report"]["missing"]["count"] == 1
        # The command line of another host.
        spoken = site.installations[0].run("verify", "-n", notes_backup, "--server", api.url)
        assert spoken.code == 3, str(spoken)
        assert f"missing: {victim.removeprefix(f'backup/{notes_backup}/')}\n" in spoken.output
        refused = api.restore(notes_backup, collection_suffix="_bak")
        assert f"backup {notes_backup} is damaged: {victim} is missing" in refused.message, str(refused)
    finally:
        site.bucket.put(victim, content)
    assert api.restore(notes_backup, collection_suffix="_none", metaOnly=True, skipVerify="yes").status == 400


def test_what_a_server_cannot_verify(api, name):
    api.post("/verify", {"backup_name": name}).refused(404, "not found")
    api.post("/verify", {"backup_name": "a/b"}).refused(400)
    api.post("/verify", {"backup_name": name, "deep": 1}).malformed("deep")
    api.get("/verify", id=name).refused(404)
