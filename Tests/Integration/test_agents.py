"""Agents that die, hang, come back, or should not be there at all: the backup is right, the others do not notice."""

import os
import signal
import socket
import struct
import time

import pytest
from testkit import programs, protocol
from testkit.backups import objects_of_plan
from testkit.objects import Bucket
from testkit.processes import wait_until

MIB = 1 << 20


def small_shards(values):
    """So that the archive is cut into about eight shards; and a token that nobody needs to know on loopback."""
    values["log"]["console"] = True
    values["backup"]["shard"] = {"maxSizeMiB": 1}


def short_leases(values):
    small_shards(values)
    values["coordinator"].update(leaseSeconds=3, heartbeatSeconds=1, token="")


def through(proxy):
    """The agent reaches the backup store through a proxy: its endpoint is its own affair."""

    def change(values):
        small_shards(values)
        values["backup"]["storage"]["port"] = proxy.port

    return change


@pytest.fixture
def create(archive, install, bucket, coordinator_address, name):
    """Starts `create` of the archive with --listen; the result has what belongs to it."""

    class Run:
        def __init__(self, *options, change=small_shards):
            self.name = name
            self.bucket = bucket
            self.address = coordinator_address
            self.installation = install(archive.milvus, bucket, change=change)
            self.coordinator = self.installation.start(
                "create", "-n", name, "--filter", archive.filter, "--listen", coordinator_address, *options
            )

        def agent(self, name, change=None, **options):
            """Starts an agent; `change` makes its configuration another one."""
            file = None
            if change:
                values = programs.configuration(archive.milvus, bucket.service, bucket.name, log="")
                change(values)
                file = programs.write_configuration(self.installation.directory / f"{name}.yaml", values)
            return self.installation.start_agent(name, self.address, configuration_file=file, **options)

        def succeeds(self):
            """Waits for the end; the backup must be whole, byte for byte what is in Milvus' bucket."""
            result = self.coordinator.wait(120)
            assert result.code == 0, str(result)
            assert_backup_is_right(archive.milvus, bucket, name)
            return result

    return Run


def assert_backup_is_right(milvus, bucket, name):
    """Every object of the metadata is there with the bytes that Milvus has, and nothing is left of the probes."""
    planned = objects_of_plan(bucket, "backup", name)
    assert len(planned) >= 16
    origin = Bucket(milvus.store, milvus.bucket)
    for destination, (source, size) in planned.items():
        body = bucket.get(destination)
        assert len(body) == size
        assert body == origin.get(source), f"{destination} differs from {source}"
    for place, root in [(bucket, "backup"), (origin, milvus.root)]:
        assert not place.sizes(f"{root}/milvus_backup_probe_")


def test_a_killed_agent_loses_its_shards_to_the_other(create, proxy, wait_for_log):
    run = create("--min-agents", 1)
    slow = proxy(run.bucket.service)
    slow.hold_after(256 * 1024)  # In the middle of the first large objects.
    victim = run.agent("victim", through(slow))
    assert wait_until(lambda: slow.holding, 30), run.coordinator.errors
    survivor = run.agent("survivor")
    wait_for_log(run.coordinator, "agent joined agent=survivor")
    assert "handed out again" not in run.coordinator.errors
    victim.kill()

    again = wait_for_log(run.coordinator, r"shard handed out again shard=(\d+) agent=(\S+) epoch=(\d+)")
    assert again[2] == "survivor"
    assert int(again[3]) == 2
    result = run.succeeds()
    assert "agent lost, its shards go to others agent=victim" in result.errors
    copied = programs.shares(result)
    assert copied["survivor"].size > 7 * MIB
    assert copied.get("victim", programs.Share(0, 0)).size < MIB
    assert "lost shard" in result.output
    assert survivor.stop().code == 0


def test_the_coordinator_decides_for_all_agents_whether_the_store_copies(
    install, archive, proxy, coordinator_address, name
):
    """Both buckets are in one store, and this agent goes to one of them by a way of its own: to it they are two stores."""
    bucket = Bucket(archive.milvus.store, name.replace("_", "-")).create()
    way = proxy(archive.milvus.store)
    installation = install(archive.milvus, bucket, change=small_shards)
    values = programs.configuration(archive.milvus, bucket.service, bucket.name, log="")
    through(way)(values)
    file = programs.write_configuration(installation.directory / "agent.yaml", values)
    installation.start_agent("far", coordinator_address, configuration_file=file)
    listening = ["--listen", coordinator_address, "--min-agents", 1]
    result = installation.run("create", "-n", name, "--filter", archive.filter, *listening)
    assert result.code == 0, str(result)
    assert_backup_is_right(archive.milvus, bucket, name)
    copied = sum(bucket.sizes(f"backup/{name}/binlogs/").values())
    assert copied > 7 * MIB
    assert 0 < way.sent < copied / 10, "requests, and no bytes"
    bucket.remove()


def test_an_agent_that_is_asked_to_end_gives_its_shards_back(create, proxy, wait_for_log):
    run = create("--min-agents", 1)
    slow = proxy(run.bucket.service)
    slow.hold_after(256 * 1024)
    leaver = run.agent("leaver", through(slow))
    assert wait_until(lambda: slow.holding, 30), run.coordinator.errors
    stayer = run.agent("stayer")
    wait_for_log(run.coordinator, "agent joined agent=stayer")
    leaver.send(signal.SIGTERM)
    ended = leaver.wait(20)
    assert ended.code == 0, str(ended)
    assert "returned=0" not in ended.errors

    again = wait_for_log(run.coordinator, r"shard handed out again shard=\d+ agent=(\S+) epoch=(\d+)")
    assert (again[1], again[2]) == ("stayer", "2")
    result = run.succeeds()
    assert "agent left agent=leaver" in result.errors
    assert "agent lost" not in result.errors
    assert stayer.stop().code == 0


def test_a_stopped_agent_loses_its_lease_and_may_come_back(create, proxy, wait_for_log):
    run = create("--min-agents", 1, change=short_leases)
    slow = proxy(run.bucket.service)
    slow.hold_after(256 * 1024)

    def slow_agent(values):
        short_leases(values)
        values["backup"]["storage"]["port"] = slow.port

    sleeper = run.agent("sleeper", slow_agent)
    assert wait_until(lambda: slow.holding, 30), run.coordinator.errors
    sleeper.send(signal.SIGSTOP)
    try:
        wait_for_log(run.coordinator, r"agent is silent, its shards go to others agent=sleeper")
        run.agent("worker", short_leases)
        again = wait_for_log(run.coordinator, r"shard handed out again shard=\d+ agent=(\S+) epoch=(\d+)")
        assert (again[1], again[2]) == ("worker", "2")
        run.succeeds()
    finally:
        sleeper.send(signal.SIGCONT)
    # It looks for the next coordinator, and ends in good order when it is told to.
    assert sleeper.stop().code == 0


def long_leases(values):
    """Nothing expires in the time of a test, and what is slow is known soon."""
    small_shards(values)
    values["coordinator"].update(leaseSeconds=600, heartbeatSeconds=1)


@pytest.mark.parametrize("kind", ["stopped", "hanging"])
def test_a_slow_agent_holds_up_nobody(create, proxy, wait_for_log, kind):
    """One is stopped, or hangs in the middle of an upload and says that it lives: the other does its work."""
    run = create("--min-agents", 1, change=long_leases)
    slow = proxy(run.bucket.service)
    slow.hold_after(256 * 1024)

    def slow_agent(values):
        long_leases(values)
        values["backup"]["storage"]["port"] = slow.port

    straggler = run.agent("straggler", slow_agent)
    assert wait_until(lambda: slow.holding, 30), run.coordinator.errors
    if kind == "stopped":
        straggler.send(signal.SIGSTOP)
    try:
        run.agent("worker", long_leases)
        wait_for_log(run.coordinator, r"slow shard taken over shard=\d+ from=straggler agent=worker epoch=2")
        result = run.succeeds()
        assert "agent is silent" not in result.errors
        assert slow.holding
        copied = programs.shares(result)
        assert copied["worker"].size > 7 * MIB
    finally:
        straggler.send(signal.SIGCONT)
    slow.release()
    assert straggler.stop().code == 0


@pytest.fixture
def fake_agent(archive, bucket, wait_for_log):
    """An agent that passes the handshake and does what the test says."""

    def make(run, name):
        values = programs.configuration(archive.milvus, bucket.service, bucket.name)
        stores = {"milvus": Bucket(archive.milvus.store, archive.milvus.bucket), "backup": bucket}
        wait_for_log(run.coordinator, "waiting for agents")
        return protocol.FakeAgent(
            run.address, name, values, read=lambda storage, key: stores[storage].get(key).decode()
        )

    return make


def test_a_report_of_an_old_lease_is_dropped(create, wait_for_log, fake_agent):
    run = create("--min-agents", 1, change=short_leases)
    with fake_agent(run, "liar") as liar:
        lease = liar.take_shard()
        # It never beats, so it loses the lease; then it claims to have copied everything.
        cancelled = liar.expect(protocol.CANCEL)
        assert cancelled["leases"] == [lease["lease"]]
        tasks = lease["shard"]["tasks"]
        results = [{"index": index, "copiedByStore": False} for index in range(len(tasks))]
        report = {"lease": lease["lease"], "results": results, "bytes": sum(task["size"] for task in tasks)}
        liar.send(protocol.COMPLETED, report)
        shard = lease["lease"]["shard"]
        wait_for_log(run.coordinator, rf"late report dropped shard={shard} agent=liar epoch=1")
        run.agent("honest", short_leases)
        wait_for_log(run.coordinator, rf"shard handed out again shard={shard} agent=\S+ epoch=2")
        liar.send(protocol.GOODBYE)
    result = run.succeeds()
    assert programs.shares(result)["honest"].size > 7 * MIB


def test_a_lie_about_a_copy_is_found_before_there_is_a_backup(create, fake_agent):
    run = create("--min-agents", 1, change=short_leases)
    with fake_agent(run, "liar") as liar:
        lease = liar.take_shard()
        results = [{"index": index, "copiedByStore": True} for index in range(len(lease["shard"]["tasks"]))]
        liar.send(protocol.COMPLETED, {"lease": lease["lease"], "results": results, "bytes": 0})
        run.agent("honest", short_leases)
        liar.send(protocol.GOODBYE)
        result = run.coordinator.wait(60)
    assert result.code == 1
    assert " is missing in bucket " in result.errors.splitlines()[-1]
    assert not run.bucket.sizes(f"backup/{run.name}/meta/")


def failure(assignment, retryable=True):
    return {
        "lease": assignment["lease"],
        "key": assignment["shard"]["tasks"][0]["source"],
        "message": "the disk is on fire",
        "code": "unavailable",
        "isRetryable": retryable,
    }


def test_a_shard_that_fails_on_one_agent_is_done_by_another(create, wait_for_log, fake_agent):
    run = create("--min-agents", 1, change=short_leases)
    with fake_agent(run, "clumsy") as clumsy:
        assignment = clumsy.take_shard()
        run.agent("able", short_leases)
        wait_for_log(run.coordinator, "agent joined agent=able")
        clumsy.send(protocol.FAILED, failure(assignment))
        clumsy.send(protocol.GOODBYE)
        shard = assignment["lease"]["shard"]
        wait_for_log(run.coordinator, rf"shard failed and will be tried again shard={shard} agent=clumsy .*on fire")
        wait_for_log(run.coordinator, rf"shard handed out again shard={shard} agent=able epoch=2")
        result = run.succeeds()
    assert "1 failed shard" in result.output


@pytest.mark.parametrize(("retryable", "tries"), [(True, 3), (False, 1)])
def test_a_shard_that_cannot_be_done_fails_the_backup(create, fake_agent, retryable, tries):
    run = create("--min-agents", 1, change=short_leases)
    with fake_agent(run, "clumsy") as clumsy:
        for _ in range(tries):
            assignment = clumsy.take_shard()
            clumsy.send(protocol.FAILED, failure(assignment, retryable))
        clumsy.expect(protocol.FINISH)
        clumsy.send(protocol.GOODBYE)
        result = run.coordinator.wait(30)
    assert result.code == 1, str(result)
    key = assignment["shard"]["tasks"][0]["source"]
    last = result.errors.splitlines()[-1]
    assert last.startswith(f"Error: copying {key} failed on clumsy"), last
    assert "the disk is on fire" in last
    assert ("(3 tries)" in last) == retryable
    assert not run.bucket.sizes(f"backup/{run.name}/meta/")


def test_one_agent_serves_create_and_restore(
    install, milvus_a, milvus_b, bucket, note, coordinator_address, name, drop_later, connect
):
    creating = install(milvus_a, bucket)
    restoring = install(milvus_b, bucket)
    # The same two stores from the agent's view: Milvus' own one is another in the restore.
    first = install(milvus_a, bucket, change=lambda values: values["log"].update(console=True))
    agent = creating.start_agent("faithful", coordinator_address)
    listening = ["--listen", coordinator_address, "--min-agents", 1]
    made = first.run("create", "-n", name, "--filter", note.filter, *listening)
    assert made.code == 0, str(made)
    assert programs.shares(made)["faithful"].objects > 0

    drop_later(milvus_a, f"{note.collections[0]}_{name}", note.database)
    restored = first.run("restore", "-n", name, "-s", f"_{name}", *listening)
    assert restored.code == 0, str(restored)
    assert programs.shares(restored)["faithful"].objects > 0
    assert agent.running
    assert agent.errors.count("accepted by the coordinator") == 2

    # Milvus b keeps its data elsewhere than this agent thinks: it is refused, and lives on.
    refusing = restoring.start("restore", "-n", name, *listening)
    assert wait_until(lambda: "agent refused" in refusing_log(restoring), 30), refusing_log(restoring)
    assert agent.running
    refusing.send(signal.SIGINT)
    assert refusing.wait(20).code == 130
    assert note.database not in connect(milvus_b).databases()
    assert agent.stop().code == 0


def refusing_log(installation):
    log = installation.directory / "tool.log"
    return log.read_text() if log.exists() else ""


WRONG_AGENTS = {
    "another bucket": (
        lambda values, bucket: values["backup"]["storage"].update(bucketName="elsewhere"),
        ["elsewhere", "{bucket}"],
    ),
    "another root": (lambda values, bucket: values["backup"]["storage"].update(rootPath="attic"), ["attic", "backup"]),
    "another Milvus bucket": (
        lambda values, bucket: values["milvus"]["storage"].update(bucketName="milvus-z"),
        ["milvus-z", "milvus-a"],
    ),
    "another token": (lambda values, bucket: values["coordinator"].update(token="not-the-token-you-want"), ["token"]),
    "no token": (lambda values, bucket: values["coordinator"].update(token=""), ["token"]),
}


@pytest.mark.parametrize("kind", WRONG_AGENTS)
def test_a_wrong_agent_is_refused_and_the_others_go_on(create, bucket, kind, wait_for_log):
    change, words = WRONG_AGENTS[kind]
    run = create("--min-agents", 1)
    wrong = run.agent("wrong", lambda values: change(values, bucket))
    refusal = wait_for_log(run.coordinator, r"agent refused .*")[0]
    ended = wrong.wait(20)
    assert ended.code == 1, str(ended)
    last = ended.errors.splitlines()[-1]
    assert last.startswith("Error: ")
    for word in words:
        assert word.format(bucket=bucket.name) in last, last
        assert word.format(bucket=bucket.name) in refusal, refusal
    for text in [ended.errors, run.coordinator.errors]:
        assert "not-the-token-you-want" not in text
        assert "testbed-token" not in text
    run.agent("right")
    result = run.succeeds()
    assert list(programs.shares(result)) == ["right"]


def test_an_agent_that_reaches_another_server_is_refused(create, bucket, layout, wait_for_log):
    """Names alone prove nothing: it has to find what the coordinator has just written."""
    elsewhere = Bucket(layout.named("store-a"), bucket.name).create()
    try:
        run = create("--min-agents", 1)
        wrong = run.agent("wrong", lambda values: values["backup"]["storage"].update(port=elsewhere.service.port))
        reason = r'agent wrong cannot read backup/milvus_backup_probe_\w+ on storage'
        wait_for_log(run.coordinator, rf"agent refused .*{reason}")
        wait_for_log(wrong, rf"cannot work for the coordinator .*{reason}")
        run.agent("right")
        result = run.succeeds()
        assert list(programs.shares(result)) == ["right"]
        assert not elsewhere.sizes()
        assert wrong.stop().code == 0  # It may be the store that is late, so it goes on trying.
    finally:
        elsewhere.remove()


STRANGERS = {
    "garbage": os.urandom(512).replace(b"\0\0", b"\1\1"),
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a length of 4 GiB": struct.pack(">IBB", 2**32 - 1, 1, 0) + b"x" * 100,
    "a frame too short for a message": struct.pack(">I", 1) + b"\1",
    "an empty connection": b"",
    "a hello that is no JSON": struct.pack(">IBB", 2 + 5, 1, 0) + b"{nope",
    "a message of the coordinator": struct.pack(">IBB", 2 + 2, 144, 0) + b"{}",
}


def test_strangers_on_the_port_disturb_nobody(create, proxy, wait_for_log):
    run = create("--min-agents", 1)
    slow = proxy(run.bucket.service)
    slow.hold_after(256 * 1024)
    run.agent("honest", through(slow))
    assert wait_until(lambda: slow.holding, 30), run.coordinator.errors
    # Now there is one at work, and these come.
    for kind, data in STRANGERS.items():
        refused = run.coordinator.errors.count("agent refused")
        with protocol.dial(run.address) as stranger:
            stranger.sendall(data)
            if not data:
                stranger.shutdown(socket.SHUT_WR)
            stranger.settimeout(10)
            try:
                while stranger.recv(4096):
                    pass
            except ConnectionResetError:
                pass
            assert wait_until(lambda before=refused: run.coordinator.errors.count("agent refused") > before, 5), kind
    silent = [protocol.dial(run.address) for _ in range(5)]
    try:
        memory = programs.peak_memory(run.coordinator.pid)
        slow.release()
        result = run.succeeds()
        assert memory < 96 * MIB
        assert list(programs.shares(result)) == ["honest"]
    finally:
        for stranger in silent:
            stranger.close()


def test_a_silent_connection_is_cut(create, wait_for_log):
    run = create("--min-agents", 1)
    wait_for_log(run.coordinator, "waiting for agents")
    with protocol.dial(run.address) as silent:
        silent.settimeout(30)
        assert silent.recv(1) == b""
    wait_for_log(run.coordinator, r"agent refused .*has not proven who it is within 10 s")
    run.agent("honest")
    run.succeeds()


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_others_must_not_reach_the_port_without_a_token(install, archive, bucket, name, address):
    installation = install(archive.milvus, bucket, token="")
    result = installation.run("create", "-n", name, "--filter", archive.filter, "--listen", address)
    assert result.code == 1
    assert "there is no token" in result.errors
    assert not bucket.sizes()


def test_a_short_token_is_refused(install, archive, bucket, name, coordinator_address):
    installation = install(archive.milvus, bucket, token="guessable")
    result = installation.run("create", "-n", name, "--filter", archive.filter, "--listen", coordinator_address)
    assert result.code == 1
    assert "token is shorter than" in result.errors
    assert "guessable" not in result.errors
    assert not bucket.sizes()


def test_a_coordinator_waits_for_its_agents_and_says_so(create, wait_for_log):
    run = create("--min-agents", 2)
    wait_for_log(run.coordinator, r"waiting for agents connected=0 wanted=2 address=\S+:\d+")
    run.agent("first")
    wait_for_log(run.coordinator, r"waiting for agents connected=1 wanted=2")
    # The name is claimed, and nothing is copied yet.
    assert set(run.bucket.sizes(f"backup/{run.name}/")) == {f"backup/{run.name}/claim.json"}
    run.agent("second")
    run.succeeds()


def test_two_agents_of_one_name_both_work(create):
    run = create("--min-agents", 2)
    run.agent("twin")
    run.agent("twin")
    result = run.succeeds()
    assert set(programs.shares(result)) == {"twin", "twin-2"}


def test_an_agent_keeps_to_its_own_roots(install, archive, bucket):
    """Whoever the coordinator is: a key outside of what this agent is configured for is neither read nor written."""
    installation = install(archive.milvus, bucket, token="", change=lambda values: values["log"].update(console=True))
    values = programs.configuration(archive.milvus, bucket.service, bucket.name)
    inside, outside = "backup/big/binlogs/insert_log/1/2/3/3/4/5", "secrets/key"
    bucket.put(inside, b"rows")
    bucket.put(outside, b"not yours")
    milvus = Bucket(archive.milvus.store, archive.milvus.bucket)
    before = (milvus.sizes(), bucket.sizes())
    with protocol.FakeCoordinator(values) as coordinator:
        agent = installation.start_agent("careful", coordinator.address)
        coordinator.accept()
        for number, (source, destination) in enumerate(
            [
                (outside, "restore-temp-x/key"),
                (inside, "files/insert_log/1/2/3/4/5"),
                (inside, "elsewhere/key"),
                ("backup/../secrets/key", "restore-temp-x/key"),
                (inside, "restore-temp-x/../files/key"),
                ("/etc/passwd", "restore-temp-x/key"),
                ("backup//big/key", "restore-temp-x/key"),
                (inside, "/restore-temp-x/key"),
                (inside, "restore-temp-x//key"),
                (inside, "restore-temp-x/"),
            ],
            start=1,
        ):
            coordinator.assign(number, [(source, destination, 4)])
            failure = coordinator.expect(protocol.FAILED)
            assert failure["lease"]["shard"] == number
            assert failure["code"] == "invalidArgument"
            assert "refused: key" in failure["message"]
        coordinator.assign(99, [(inside, "restore-temp-x/key", 4)])
        assert coordinator.expect(protocol.COMPLETED)["lease"]["shard"] == 99
        assert milvus.get("restore-temp-x/key") == b"rows"
        milvus.delete("restore-temp-x/key")
        coordinator.send(protocol.FINISH)
    assert (milvus.sizes(), bucket.sizes()) == before
    assert agent.stop().code == 0


def test_an_agent_tells_a_coordinator_of_nothing_but_probes(install, archive, bucket):
    """Before it works for one, it reads objects for it and tells their content: only those made for that."""
    installation = install(archive.milvus, bucket, token="", change=lambda values: values["log"].update(console=True))
    values = programs.configuration(archive.milvus, bucket.service, bucket.name)
    bucket.put("backup/nightly/meta/backup_meta.json", b"the users and their rights")
    with protocol.FakeCoordinator(values) as coordinator:
        agent = installation.start_agent("discreet", coordinator.address)
        with pytest.raises(protocol.Closed):
            coordinator.accept(probes=[{"storage": "backup", "key": "backup/nightly/meta/backup_meta.json"}])
    ended = agent.wait(20)
    assert ended.code == 1
    assert "no probe below the root of storage" in ended.errors
    assert "their rights" not in ended.errors


def test_an_agent_waits_for_a_coordinator_without_filling_its_log(install, archive, bucket, coordinator_address):
    installation = install(archive.milvus, bucket)
    agent = installation.start_agent("patient", coordinator_address)
    assert wait_until(lambda: "cannot reach the coordinator" in agent.errors, 10)
    began = time.monotonic()
    assert wait_until(lambda: time.monotonic() - began > 1.5, 5)  # Several tries later.
    assert agent.errors.count("cannot reach the coordinator") == 1
    assert agent.stop().code == 0
