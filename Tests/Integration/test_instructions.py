"""The hot loops, in instructions of this program as valgrind counts them: the same on a slow machine as on a fast one.

A bound is what was counted when it was written, and a quarter. Whoever makes a loop cheaper lowers it.
"""

import os
import re
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from testkit import plan_bench, programs
from testkit.layout import ACCESS_KEY, HOST, REPOSITORY, SECRET_KEY
from testkit.objects import Bucket
from testkit.simulated import Population

MILLION = 10**6
SMALL, LARGE = 16 << 10, 16 << 20


CALLGRIND = ("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null")


def instructions(text):
    return int(re.search(r"Collected : (\d+)", text)[1])


def counted(command):
    """Runs a program under valgrind: how many instructions it took."""
    result = subprocess.run([*CALLGRIND, *map(str, command)], capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-3000:]
    return instructions(result.stderr)


@pytest.fixture(scope="module")
def copying(layout, tmp_path_factory):
    """Counts what it takes to copy some objects."""
    build = ["swift", "build", "-c", "release", "--static-swift-stdlib", "--product", "copy-benchmark"]
    subprocess.run(build, cwd=REPOSITORY, check=True, capture_output=True)
    stores = [Bucket(store, f"instructions-{uuid.uuid4().hex[:8]}").create() for store in layout.stores]
    directory = tmp_path_factory.mktemp("instructions")

    def storage(bucket, root):
        return (
            f"{{provider: minio, address: {HOST}, port: {bucket.service.port}, bucketName: {bucket.name}, rootPath: {root}, "
            f"auth: {{type: static, accessKeyID: {ACCESS_KEY}, secretAccessKey: {SECRET_KEY}}}}}"
        )

    def count(number, size, fast_path="auto", mode="streaming"):
        prefix = f"{number}-{size}"
        content = os.urandom(size)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda index: stores[0].put(f"files/{prefix}/{index}", content), range(number)))
        target = stores[0] if mode == "direct" else stores[1]
        file = directory / "backup.yaml"
        file.write_text(
            f"configVersion: v2\nmilvus:\n  storage: {storage(stores[0], 'files')}\n"
            f"backup:\n  storage: {storage(target, 'backup')}\ntransfer: {{mode: {mode}, fastPath: {fast_path}}}\n"
        )
        name = uuid.uuid4().hex
        taken = counted(
            [programs.BINARIES / "copy-benchmark", "--config", file, "--source", f"{prefix}/", "--name", name,
             "--concurrency", 8])  # fmt: skip
        copies = target.sizes(f"backup/{name}/")
        assert [copies[key] for key in copies if not key.endswith("/")] == [size] * number
        return taken

    yield count
    for bucket in stores:
        bucket.remove()


@pytest.mark.parametrize(
    "options, bound",
    [
        ({}, 0.75),
        ({"fast_path": "checksummed"}, 0.75),
        ({"mode": "direct"}, 0.6),
        ({"fast_path": "off"}, 2.5),
    ],
)
def test_a_small_object(copying, options, bound):
    """The difference of many and few is what one of them takes, without the start of the program."""
    few, many = copying(20, SMALL, **options), copying(120, SMALL, **options)
    print((many - few) / 100 / MILLION)
    assert (many - few) / 100 < bound * MILLION


@pytest.mark.parametrize(
    "options, bound",
    [({}, 1.04), ({"fast_path": "checksummed"}, 9)],
)
def test_a_large_object(copying, options, bound):
    few, many = copying(1, LARGE, **options), copying(5, LARGE, **options)
    print((many - few) / 4 / MILLION)
    assert (many - few) / 4 < bound * MILLION


def test_planning_takes_the_same_for_every_object(layout, tmp_path):
    """From the listing to the metadata, with a simulated Milvus, store and agents."""

    def count(segments):
        with plan_bench.simulated(Population(2, segments), layout, tmp_path / str(segments)) as (installation, options):
            result = installation.run("create", "-n", plan_bench.NAME, *options, prefix=CALLGRIND)
        assert result.code == 0, str(result)
        return instructions(result.errors), Population(2, segments).objects

    # Far apart: each run also does what takes time and not objects, such as beats.
    few, some, many = map(count, [80, 160, 320])
    each = [(b[0] - a[0]) / (b[1] - a[1]) for a, b in [(few, some), (some, many)]]
    print(each)
    assert each[1] < 1.15 * each[0]
    assert each[1] < 0.3 * MILLION
