"""What the copying may use, and what the stores can take: limits are kept to on every path, with agents and without, and
change while a job runs; a store that asks to slow down gets fewer requests."""

import json
import re
import signal
import time

import pytest
from testkit import programs
from testkit.backups import objects_of_plan
from testkit.objects import Bucket
from testkit.rest import DONE
from testkit.slowdown import SlowDownProxy

MIB = 1 << 20


def settings(**transfer):
    def change(values):
        values["log"].update(console=True, level="debug")
        values["transfer"] = transfer
        values["backup"]["shard"] = {"maxSizeMiB": 1}
        values["coordinator"] = {"token": ""}

    return change


def assert_copied(source, bucket, name):
    """The backup is there, byte for byte what is in Milvus' bucket. Gives its bytes."""
    origin = Bucket(source.milvus.store, source.milvus.bucket)
    planned = objects_of_plan(bucket, "backup", name)
    for destination, (key, _) in planned.items():
        assert bucket.get(destination) == origin.get(key), destination
    return sum(size for _, size in planned.values())


def seconds_of_copy(result):
    return float(re.search(r"^  copy +([0-9.]+) s$", result.output, re.MULTILINE)[1])


def shortest(size):
    """Seconds at 3 MiB/s; what was not used for a tenth of a second before may be made up for."""
    return size / (3 * MIB) - 0.11


@pytest.mark.parametrize("path", ["auto", "checksummed", "off"])
def test_a_bandwidth_is_kept_to(install, archive, bucket, name, path):
    installation = install(archive.milvus, bucket, change=settings(fastPath=path))
    made = installation.run("create", "-n", name, "--filter", archive.filter, "--bandwidth", "3MiB")
    assert made.code == 0, str(made)
    size = assert_copied(archive, bucket, name)
    assert seconds_of_copy(made) >= shortest(size)


def test_reading_the_copies_keeps_to_it_too(install, archive, bucket, name):
    installation = install(archive.milvus, bucket, change=settings())
    assert installation.run("create", "-n", name, "--filter", archive.filter).code == 0
    read = installation.run("verify", "-n", name, "--deep", "--set", "transfer.bandwidth=3MiB", "--json")
    assert read.code == 0, str(read)
    size = json.loads(read.output)["verification"]["bytes_read"]
    assert size == assert_copied(archive, bucket, name)
    assert read.seconds >= shortest(size)


def test_the_limits_of_a_command_change_while_it_runs(install, archive, bucket, name, wait_for_log):
    installation = install(archive.milvus, bucket, change=settings(bandwidth="32KiB"))
    file = installation.configuration_file
    running = installation.start("create", "-n", name, "--filter", archive.filter)
    wait_for_log(running, "agent joined")
    text = file.read_text()
    file.write_text(text.replace("32KiB", "fast"))
    running.send(signal.SIGUSR1)
    wait_for_log(running, r"limits not read again error=.*transfer\.bandwidth")
    file.write_text(text.replace("32KiB", "'0'"))
    running.send(signal.SIGUSR1)
    wait_for_log(running, "limits read again bandwidth=0 ")
    # At 32 KiB/s it would be four minutes.
    result = running.wait(120)
    assert result.code == 0, str(result)
    assert assert_copied(archive, bucket, name) > 7 * MIB


def test_agents_share_it(install, archive, bucket, name, coordinator_address, wait_for_log):
    installation = install(archive.milvus, bucket, change=settings())
    coordinator = installation.start(
        *["create", "-n", name, "--filter", archive.filter, "--bandwidth", "3MiB"],
        *["--listen", coordinator_address, "--min-agents", 2, "-v"],
    )
    one, two = installation.start_agents(2, coordinator_address)
    result = coordinator.wait(120)
    assert result.code == 0, str(result)
    size = assert_copied(archive, bucket, name)
    assert seconds_of_copy(result) >= shortest(size)
    assert all(share.objects > 0 for share in programs.shares(result).values())
    assert len(programs.shares(result)) == 2
    for agent in [one, two]:
        assert f"limits bandwidth={3 * MIB // 2} " in agent.errors, agent.errors


def test_it_changes_while_a_job_runs(site, archive, name, wait_for_log):
    server = site.start(change=settings(bandwidth="1k"))
    api = server.client()
    assert api.get("/limits").succeeded().data == {"bandwidth": 1024, "requestsPerSecond": 0}
    api.create(name, filter={archive.database: {"colls": ["*"]}}, **{"async": True}).succeeded()
    wait_for_log(server.program, "shard leased")
    begun = time.monotonic()
    answer = api.post("/limits", bandwidth="2MiB", requestsPerSecond=1000)
    assert answer.succeeded().data == {"bandwidth": 2 * MIB, "requestsPerSecond": 1000}
    assert api.wait_for_backup(name)["state_code"] == DONE
    size = assert_copied(archive, site.bucket, name)
    # A second until it is heeded, and the little that has gone before.
    assert time.monotonic() - begun >= (size - 64 * 1024) / (2 * MIB) - 0.2
    for body in [{"bandwidth": "fast"}, {"bandwidth": -1}, {"requestsPerSecond": -1}]:
        assert "code" in api.post("/limits", body).json, body
    api.post("/limits", bandwidth=True).malformed("bandwidth")
    assert api.post("/limits", bandwidth=0).succeeded().data == {"bandwidth": 0, "requestsPerSecond": 1000}


@pytest.mark.parametrize("path", ["auto", "off"])
def test_a_store_that_asks_to_slow_down(install, archive, bucket, name, path):
    with SlowDownProxy(bucket.service, every=7) as store:

        def change(values):
            settings(fastPath=path)(values)
            values["backup"]["storage"]["port"] = store.port

        made = install(archive.milvus, bucket, change=change).run("create", "-n", name, "--filter", archive.filter)
    assert made.code == 0, str(made)
    assert store.refused > 0
    assert_copied(archive, bucket, name)
    fewer = re.findall(r"fewer requests at a time endpoint=(\S+) limit=(\d+)", made.errors)
    assert fewer and all(endpoint.endswith(f":{store.port}") for endpoint, _ in fewer), made.errors
    assert all(int(limit) < 64 for _, limit in fewer)


@pytest.mark.parametrize("text", ["fast", "12", "-1"])
def test_a_rate_that_is_none(install, archive, bucket, name, text):
    refused = install(archive.milvus, bucket).run("create", "-n", name, f"--bandwidth={text}")
    assert refused.code == 2, str(refused)
    assert "--bandwidth: " in refused.errors and not bucket.sizes()
