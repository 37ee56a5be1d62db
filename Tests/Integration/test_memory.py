"""What it costs: the memory of an agent, and the time of a small backup that is not Milvus' own."""

import re

import pytest
from testkit import programs, protocol
from testkit.objects import Bucket

MIB = 1 << 20
GIB = 1 << 30


class Objects:
    """Large objects in a bucket of store-b, which no Milvus 2.3.5 could make, and one agent that copies them."""

    def __init__(self, install, milvus, bucket):
        self.milvus = milvus
        self.bucket = bucket
        self.target = Bucket(milvus.store, milvus.bucket)
        self.values = programs.configuration(milvus, bucket.service, bucket.name)
        self.installation = install(milvus, bucket, token="")

    def put(self, count, size):
        """Objects of one size, with bytes that differ from place to place."""
        keys = [f"backup/big/binlogs/insert_log/1/2/3/3/100/{size}{number}" for number in range(count)]
        for key in keys:
            upload = self.bucket.client.create_multipart_upload(Bucket=self.bucket.name, Key=key)["UploadId"]
            place = {"Bucket": self.bucket.name, "Key": key, "UploadId": upload}
            parts = []
            for number, start in enumerate(range(0, size, 64 * MIB), start=1):
                length = min(64 * MIB, size - start)
                body = (b"%015d\n" % number) * (length // 16)
                answer = self.bucket.client.upload_part(**place, PartNumber=number, Body=body)
                parts.append({"PartNumber": number, "ETag": answer["ETag"]})
            self.bucket.client.complete_multipart_upload(**place, MultipartUpload={"Parts": parts})
        return [(key, f"restore-temp-big/{key}", size) for key in keys]

    def peak_of_copying(self, tasks):
        """The most memory that a fresh agent has held while it has copied these."""
        with protocol.FakeCoordinator(self.values) as coordinator:
            agent = self.installation.start_agent("big", coordinator.address)
            coordinator.accept()
            for number, task in enumerate(tasks, start=1):
                coordinator.assign(number, [task])
            for _ in tasks:
                done = coordinator.expect(protocol.COMPLETED, timeout=300)
                assert not done["results"][0]["copiedByStore"]
            peak = programs.peak_memory(agent.pid)
            coordinator.send(protocol.FINISH)
        assert agent.stop().code == 0
        copied = self.target.sizes("restore-temp-big/")
        assert copied == {destination: size for _, destination, size in tasks}
        self.target.erase("restore-temp-big/")
        return peak


@pytest.fixture
def objects(install, milvus_a, bucket):
    return Objects(install, milvus_a, bucket)


def test_an_agent_needs_no_more_memory_for_large_objects(objects):
    """Streamed from one store to another."""
    small = objects.peak_of_copying(objects.put(1, MIB))
    large = objects.peak_of_copying(objects.put(1, GIB))
    print(f"peak of the agent: {small / MIB:.1f} MiB for 1 MiB, {large / MIB:.1f} MiB for 1 GiB")
    assert large < 96 * MIB
    assert large - small <= 16 * MIB


def test_an_agent_at_its_full_width_stays_small(objects):
    """As many objects at a time as it ever copies."""
    peak = objects.peak_of_copying(objects.put(200, MIB))
    print(f"peak of the agent: {peak / MIB:.1f} MiB for 200 x 1 MiB")
    assert peak < 96 * MIB


def test_a_small_backup_takes_half_a_second_besides_milvus(install, shop, bucket, name):
    """The best of three, as this machine may be busy with other things."""
    installation = install(shop.milvus, bucket)
    times = []
    for number in range(3):
        result = installation.run("create", "-n", f"{name}_{number}", "--filter", shop.filter)
        assert result.code == 0, str(result)
        times.append(float(re.search(r"of it outside Milvus +([\d.]+) s", result.output)[1]))
        if times[-1] <= 0.5:
            return
    pytest.fail(f"seconds outside of Milvus: {times}")
