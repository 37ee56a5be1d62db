"""Fixtures of the tests of the REST interface: a server for the length of a module, and backups in it."""

import uuid

import pytest
from testkit import programs
from testkit.objects import Bucket
from testkit.rest import Server


class Site:
    """A running server with a bucket of its own, and what is needed to start another one like it."""

    def __init__(self, milvus, bucket, directory):
        self.milvus = milvus
        self.bucket = bucket
        self.directory = directory
        self.installations = []
        self.server = self.start()
        self.client = self.server.client()

    def installation(self, change=None, bucket=None, **options):
        bucket = bucket or self.bucket
        directory = self.directory / f"installation-{len(self.installations)}"
        values = programs.configuration(self.milvus, bucket.service, bucket.name, **options)
        values["log"]["console"] = True
        if change:
            change(values)
        installation = programs.Installation(
            programs.write_configuration(directory / "backup.yaml", values), directory
        )
        self.installations.append(installation)
        return installation

    def start(self, *arguments, change=None, environment=None, **options):
        """Starts another server, with a changed configuration."""
        return Server(self.installation(change, **options), *arguments, environment=environment)

    def stop(self):
        for installation in self.installations:
            installation.stop()


@pytest.fixture(scope="module")
def site(binaries, layout, milvus_a, tmp_path_factory):
    bucket = Bucket(layout.named("store-b"), f"rest-{uuid.uuid4().hex[:12]}").create()
    site = Site(milvus_a, bucket, tmp_path_factory.mktemp("rest"))
    yield site
    site.stop()
    bucket.remove()


@pytest.fixture(scope="module")
def api(site):
    """A client of the module's server."""
    return site.client


@pytest.fixture(scope="module")
def notes_backup(api, note):
    """A backup of one small collection with its data: its name."""
    name = f"notes_{uuid.uuid4().hex[:8]}"
    api.create(name, filter={note.database: {"colls": ["*"]}}).succeeded()
    return name


@pytest.fixture(scope="module")
def shop_backup(api, shop):
    """A backup of four collections without their data: its name."""
    name = f"shop_{uuid.uuid4().hex[:8]}"
    api.create(name, filter={shop.database: {"colls": ["*"]}}, strategy="meta_only").succeeded()
    return name
