"""Requests that name another bucket or root: only agents that list the place themselves work there."""

import uuid

import pytest
from rest_fixtures import Site
from testkit.compare import compare
from testkit.layout import HOST
from testkit.objects import Bucket
from testkit.processes import wait_until


class ListeningSite(Site):
    """A server that agents dial."""

    def start(self, *arguments, **options):
        def listening(values):
            values["coordinator"]["listen"] = f"{HOST}:0"

        return super().start(*arguments, change=listening, **options)

    def start_agent(self, name, allowed_roots):
        def change(values):
            values["log"]["level"] = "debug"
            values["agent"] = {"allowedRoots": allowed_roots}

        line = next(line for line in self.server.log.splitlines() if "listening for agents" in line)
        agent = self.installation(change).start_agent(name, line.rpartition("address=")[2].strip('"'))
        assert wait_until(lambda: f"agent joined agent={name}" in self.server.log, 30), agent.errors
        return agent


@pytest.fixture
def site(binaries, layout, milvus_a, tmp_path):
    bucket = Bucket(layout.named("store-b"), f"roots-{uuid.uuid4().hex[:12]}").create()
    site = ListeningSite(milvus_a, bucket, tmp_path)
    yield site
    site.stop()
    bucket.remove()


@pytest.fixture
def target(connect, milvus_a, name):
    return connect(milvus_a, name, create_database=True)


def test_only_agents_that_allow_it_work_elsewhere(site, note, target, connect, milvus_a):
    place = "old/backups"
    strict = site.start_agent("strict", ["another-bucket/old/backups", f"{site.bucket.name}/old"])
    worked = lambda agent: "shard assigned" in agent.errors  # noqa: E731
    filter = {note.database: {"colls": ["*"]}}

    # Nobody may: the server does it, and says so.
    site.client.create("alone", filter=filter, backup_root_path=place).succeeded()
    assert "this server copies by itself" in site.server.log
    assert not worked(strict)
    said = site.server.log.count("this server copies by itself")

    # One may: it does it.
    free = site.start_agent("free", [f"{site.bucket.name}/{place}"])
    site.client.create("shared", filter=filter, backup_root_path=place).succeeded()
    assert worked(free) and not worked(strict)
    assert site.server.log.count("this server copies by itself") == said
    keys = list(site.bucket.sizes(f"{place}/shared/binlogs/"))
    assert keys == [key.replace("/alone/", "/shared/") for key in site.bucket.sizes(f"{place}/alone/binlogs/")]
    assert keys

    # And reads from there.
    names = {f"{note.database}.*": f"{target.database}.*"}
    site.client.restore("shared", path=place, collection_renames=names).succeeded()
    assert compare(connect(milvus_a, note.database), "notes", target, "notes", indexes=False).same
    assert not worked(strict)

    # What is configured is everybody's.
    assert free.stop().code == 0
    site.client.create("here", filter=filter).succeeded()
    assert worked(strict)
