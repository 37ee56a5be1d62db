"""The ground the other tests stand on: real servers, data that lies in the stores, a digest that sees changes."""

import ssl
import urllib.error
import urllib.request

import numpy
import pytest
from testkit import data, programs
from testkit.compare import compare
from testkit.digest import count, digest, queryable
from testkit.objects import Bucket
from testkit.processes import wait_until


def test_both_milvus_answer_with_the_expected_version(connect, milvus_a, milvus_b):
    from pymilvus import utility

    for milvus in [milvus_a, milvus_b]:
        assert utility.get_server_version(using=connect(milvus).alias).startswith("v2.3.5")


def test_management_port_is_healthy_and_knows_no_pause_of_garbage_collection(milvus_a):
    assert urllib.request.urlopen(f"{milvus_a.management}/healthz").read() == b"OK"
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(f"{milvus_a.management}/management/datacoord/garbage_collection/pause?pause_seconds=60")
    assert refusal.value.code == 404


@pytest.mark.parametrize("server", ["milvus-a", "milvus-b"])
def test_milvus_keeps_its_segments_in_its_bucket(collection_of, layout, server, name):
    milvus = layout.named(server)
    connection = collection_of(milvus, data.make_documents, name, rows=1000)
    bucket = Bucket(milvus.store, milvus.bucket)
    segments = connection.segments(name)
    assert len(segments) == 2
    for segment in segments:
        prefix = f"{milvus.root}/insert_log/{segment.collectionID}/{segment.partitionID}/{segment.segmentID}/"
        assert bucket.sizes(prefix), f"no object below {prefix}"
    assert bucket.sizes(f"{milvus.root}/delta_log/{segments[0].collectionID}/"), "deleted rows left no delta log"


def test_a_third_milvus_shares_the_bucket_below_another_root(collection_of, start_server, milvus_a, name):
    milvus_c = start_server("milvus-c")
    assert (milvus_c.store, milvus_c.bucket) == (milvus_a.store, milvus_a.bucket)
    connection = collection_of(milvus_c, data.make_documents, name, rows=100)
    segment = connection.segments(name)[0]
    bucket = Bucket(milvus_c.store, milvus_c.bucket)
    assert bucket.sizes(f"other/insert_log/{segment.collectionID}/")
    assert not bucket.sizes(f"files/insert_log/{segment.collectionID}/")


def test_products_have_the_segments_and_delete_logs_of_a_used_collection(collection_of, milvus_a, name):
    connection = collection_of(milvus_a, data.make_products, name, rows=2000)
    assert len(connection.segments(name)) >= 12
    assert digest(connection, name).rows == 1980
    assert count(connection, name) == 1980
    assert connection.is_loaded(name)
    assert set(connection.indexes(name)) == {"embedding", "created", "title"}
    assert {pair.key: pair.value for pair in connection.describe(name).properties} == {
        "collection.ttl.seconds": "8640000"
    }


def test_same_seed_makes_the_same_rows_on_another_server(collection_of, milvus_a, milvus_b, name):
    first = collection_of(milvus_a, data.make_documents, name, rows=500)
    second = collection_of(milvus_b, data.make_documents, name, rows=500)
    comparison = compare(first, name, second)
    assert comparison.same, str(comparison)
    assert comparison.digest.rows == 500 - 15

    other = collection_of(milvus_b, data.make_documents, f"{name}_other", rows=500, seed=99)
    comparison = compare(first, name, other, f"{name}_other")
    assert comparison.differences["rows"]
    assert not comparison.differences["schema"]


def test_digest_leaves_a_collection_as_it_was(collection_of, milvus_a, name):
    connection = collection_of(milvus_a, data.make_drafts, name)
    assert digest(connection, name).rows == 0
    assert not connection.is_loaded(name)
    assert connection.indexes(name) == {}


def test_digest_sees_a_change_of_one_row(collection_of, milvus_a, name):
    connection = collection_of(milvus_a, data.make_documents, name, rows=300)
    key = data.document_key(10)

    with queryable(connection, name) as collection:
        (found,) = collection.query(f'key == "{key}"', output_fields=["*"], consistency_level="Strong")
        original = data.document(10, numpy.random.default_rng(5))
        original["fingerprint"] = vector = found["fingerprint"][0]
        whole = digest(connection, name)

        def digest_with(*rows):
            collection.delete(f'key in ["{key}"]')
            for row in rows:
                collection.insert([row])
            return digest(connection, name)

        assert digest_with({**original, "language": "fr"}).value != whole.value
        assert digest_with({**original, "words": 31}).value != whole.value
        other_vector = bytes([vector[0] ^ 1]) + vector[1:]
        assert digest_with({**original, "fingerprint": other_vector}).value != whole.value
        assert digest_with(original) == whole
        assert digest_with().rows == whole.rows - 1
        twice = digest_with(original, original)
        assert (twice.rows, twice.stored) == (whole.rows, whole.rows + 1)
        assert twice != whole


@pytest.mark.parametrize(
    "output",
    [
        "create backup success\n  agent-1: 12 objects, 3400 bytes\n  agent-2: 1 object, 7 bytes (20 MB/s)\n",
        'noise\n{"name": "demo", "agents": [{"name": "agent-1", "objects": 12, "bytes": 3400}, '
        '{"name": "agent-2", "objects": 1, "bytes": 7}]}\n',
    ],
)
def test_shares_are_read_from_a_summary(output):
    result = programs.Result([], 0, output, "", 1.0, 0)
    assert programs.shares(result) == {"agent-1": programs.Share(12, 3400), "agent-2": programs.Share(1, 7)}


def test_a_program_is_observed_while_it_runs_and_after(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "BINARIES", tmp_path)
    script = tmp_path / "milvus-backup"
    script.write_text('#!/bin/sh\necho out; echo problem >&2\n[ "$1" = wait ] && sleep 60\nexit 3\n')
    script.chmod(0o755)
    installation = programs.Installation(tmp_path / "backup.yaml", tmp_path / "logs")
    result = installation.run("create", "-n", "x")
    assert (result.code, result.output, result.errors) == (3, "out\n", "problem\n")
    assert result.command[1:] == ["create", "-n", "x", "--config", str(tmp_path / "backup.yaml")]
    assert result.peak_memory > 100_000

    waiting = installation.start("wait")
    assert waiting.running
    assert wait_until(lambda: waiting.peak_memory() > 100_000, 5)
    installation.stop()
    assert waiting.wait(1).code == -15


def test_a_store_answers_behind_tls_to_those_who_trust_its_authority(layout):
    context = ssl.create_default_context(cafile=layout.certificate_authority)
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(layout.tls.endpoint, context=context)
    assert refusal.value.code == 403  # It is the store that answers, and wants credentials.
    with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
        urllib.request.urlopen(layout.tls.endpoint)
