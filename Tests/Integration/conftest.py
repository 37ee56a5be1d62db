"""Fixtures of the integration tests: the testbed's servers, unique names, and the programs under test.

The tests use the testbed that is running, or start it and stop it at the end. TESTBED_DIR names another directory
than .testbed. When several processes of pytest share the tests, each has a testbed of its own.
"""

import contextlib
import os
import re
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))

from testkit import data, programs  # noqa: E402
from testkit.layout import DEFAULT_DIRECTORY, HOST, Layout  # noqa: E402
from testkit.management import Management  # noqa: E402
from testkit.objects import Bucket  # noqa: E402
from testkit.processes import wait_until  # noqa: E402
from testkit.proxy import Proxy  # noqa: E402
from testkit.server_connection import Connection  # noqa: E402
from testkit.testbed import Testbed  # noqa: E402


def testbed_directory():
    """Where the testbed of this process is."""
    directory = Path(os.environ.get("TESTBED_DIR") or DEFAULT_DIRECTORY)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    if worker == "gw0":
        return directory
    # Those are the first one's ports.
    os.environ.pop("TESTBED_PORT_BASE", None)
    return directory / worker


@pytest.fixture(scope="session")
def testbed():
    """The running testbed with its default servers."""
    bed = Testbed(Layout.with_free_ports(testbed_directory()))
    was_up = bed.is_up()
    bed.up([])
    yield bed
    if not was_up:
        bed.down([])


@pytest.fixture(scope="session")
def layout(testbed):
    return testbed.layout


@pytest.fixture(scope="session")
def milvus_a(layout):
    return layout.named("milvus-a")


@pytest.fixture(scope="session")
def milvus_b(layout):
    return layout.named("milvus-b")


@pytest.fixture(scope="module")
def start_server(testbed):
    """Starts a further server of the layout by name (milvus-c, milvus-d) for the length of a module."""
    started = []

    def start(name):
        service = testbed.layout.named(name)
        if not testbed.servers[name].running:
            started.append(name)
        testbed.up([name])
        return service

    yield start
    if started:
        testbed.down(started)


@pytest.fixture
def name():
    """A name that nothing else has: for a collection, a database, a backup or a prefix."""
    return f"t_{uuid.uuid4().hex[:12]}"


@pytest.fixture
def connect():
    """Opens connections: connect(milvus_a, "shop"). With create_database=True the database goes at the end."""
    connections = []

    def open_connection(milvus, database="default", create_database=False):
        connection = Connection(milvus.address, database, create_database)
        connections.append((connection, create_database))
        return connection

    yield open_connection
    for connection, drop in reversed(connections):
        if drop:
            connection.drop_database()
        connection.close()


@pytest.fixture
def collection_of(connect):
    """Makes a collection with one of testkit.data's functions, and drops it at the end."""
    made = []

    def make(milvus, function, name, database="default", **options):
        connection = connect(milvus, database)
        made.append((connection, name))
        function(connection, name, **options)
        return connection

    yield make
    for connection, collection in reversed(made):
        connection.drop(collection)


@pytest.fixture
def drop_later(connect):
    """Drops a collection of a server at the end, for instance one that a restore makes: drop_later(milvus_b, name).
    A database that was not there yet goes with it."""
    collections = []
    made = []

    def later(milvus, name, database="default"):
        collections.append((milvus, name, database))
        if database not in connect(milvus).databases() and (milvus, database) not in made:
            made.append((milvus, database))

    yield later
    for milvus, name, database in collections:
        if database in connect(milvus).databases():
            connect(milvus, database).drop(name)
    for milvus, database in made:
        if database in connect(milvus).databases():
            connect(milvus, database).drop_database()


@pytest.fixture
def bucket(layout, name):
    """A new bucket of store-b for backups, gone after the test."""
    bucket = Bucket(layout.named("store-b"), name.replace("_", "-")).create()
    yield bucket
    bucket.remove()


@pytest.fixture(scope="session")
def binaries():
    """The directory of the programs under test."""
    for program in ["milvus-backup", "milvus-backup-agent"]:
        if not (programs.BINARIES / program).exists():
            pytest.fail(f"{programs.BINARIES / program} is not there; run `make build` first")
    return programs.BINARIES


@pytest.fixture
def install(binaries, tmp_path):
    """Makes an Installation of the programs: install(milvus_a, bucket) or with changed values,
    install(milvus_a, bucket, change=lambda values: ...). Whatever it started is stopped at the end."""
    installations = []

    def make(milvus, bucket, root="backup", change=None, **options):
        directory = tmp_path / f"installation-{len(installations)}"
        values = programs.configuration(
            milvus, bucket.service, bucket.name, root, log=directory / "tool.log", **options
        )
        if change:
            change(values)
        file = programs.write_configuration(directory / "backup.yaml", values)
        installation = programs.Installation(file, directory)
        installations.append(installation)
        return installation

    yield make
    for installation in installations:
        installation.stop()


@pytest.fixture
def coordinator_address(layout):
    """Where a test's coordinator listens. One test runs at a time."""
    return f"{HOST}:{layout.port_base + 91}"


# MARK: data that several tests read and none changes


@dataclass(frozen=True)
class Source:
    """A database of milvus-a with collections in it."""

    milvus: object
    database: str
    collections: tuple

    @property
    def filter(self):
        return f"{self.database}.*"


@contextlib.contextmanager
def filled_database(milvus, makers):
    """A database of its own with a collection for each maker, by its name."""
    database = f"db_{uuid.uuid4().hex[:8]}"
    with Connection(milvus.address, database, create_database=True) as whole:

        def make(entry):
            name, maker = entry
            with Connection(milvus.address, database) as connection:
                maker(connection, name)

        with ThreadPoolExecutor(max_workers=len(makers)) as pool:
            list(pool.map(make, makers.items()))
        yield Source(milvus, database, tuple(makers))
        whole.drop_database()


@pytest.fixture(scope="session")
def shop(milvus_a):
    """Every kind of field, partitions, deleted rows, a partition key, properties, indexes, and little data."""
    makers = {
        "products": partial(data.make_products, rows=400, rounds=1),
        "documents": partial(data.make_documents, rows=200),
        "orders": partial(data.make_orders, rows=300, partitions=2),
        "drafts": data.make_drafts,
    }
    with filled_database(milvus_a, makers) as source:
        yield source


@pytest.fixture(scope="session")
def archive(milvus_a):
    """8 MB in four large objects and some small ones: enough for several shards."""
    with filled_database(milvus_a, {"photos": partial(data.make_photos, rows=2000, rounds=4)}) as source:
        yield source


@pytest.fixture(scope="session")
def note(milvus_a):
    """A collection of some kilobytes."""
    with filled_database(milvus_a, {"notes": partial(data.make_documents, rows=40)}) as source:
        yield source


@pytest.fixture
def wait_for_log():
    """Waits until a program has logged what a pattern finds, and gives the match."""

    def wait(program, pattern, seconds=60):
        expression = re.compile(pattern)
        wait_until(lambda: expression.search(program.errors) or not program.running, seconds, interval=0.02)
        match = expression.search(program.errors)
        assert match, f"{program.name} does not log {pattern!r}:\n{program.errors[-4000:]}"
        return match

    return wait


@pytest.fixture
def proxy():
    """Makes proxies in front of a server: proxy(store)."""
    proxies = []

    def make(service):
        proxies.append(Proxy(service))
        return proxies[-1]

    yield make
    for each in proxies:
        each.close()


@pytest.fixture
def management():
    """A management port that can pause garbage collection."""
    server = Management()
    yield server
    server.shutdown()
    server.server_close()


# MARK: the REST interface

from rest_fixtures import api, notes_backup, shop_backup, site  # noqa: E402, F401
