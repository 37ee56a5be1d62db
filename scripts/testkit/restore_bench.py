"""`make bench-restore`: how long a restore of 350 MB in four segments takes, with the backup in the store that the restoring
Milvus uses, and in another one. Everything is real, and most of the time is Milvus' own, which imports and indexes.
"""

import argparse
import contextlib
import json
import shutil
import statistics
import sys

import numpy
from pymilvus import CollectionSchema, DataType

from . import data
from .layout import REPOSITORY, Layout
from .objects import Bucket
from .pages import machine, write_section
from .programs import BINARIES, Installation, configuration, write_configuration
from .server_connection import Connection
from .testbed import Testbed

HEADING = "Restores"
DATABASE, NAME = "restores", "bench"
SEGMENTS, ROWS, DIMENSION, BATCH = 4, 28_000, 768, 2000
# Of milvus-backup 0.5.9 with as much data, by the project's notes; it was not run beside this.
PEER = {"same": 15, "other": 24}


def fill(milvus):
    """A collection of vectors, flushed into a segment after each quarter."""
    generator = numpy.random.default_rng(1)
    with Connection(milvus.address, DATABASE, create_database=True) as connection:
        connection.drop("vectors")
        fields = [
            data.field("id", DataType.INT64, is_primary=True), data.field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
        ]  # fmt: skip
        collection = connection.create("vectors", CollectionSchema(fields))
        for segment in range(SEGMENTS):
            for ids in data.batches(segment * ROWS, (segment + 1) * ROWS, BATCH):
                collection.insert([list(ids), generator.random((len(ids), DIMENSION), dtype=numpy.float32)])
            collection.flush()


def drop(milvus):
    with Connection(milvus.address) as whole:
        if DATABASE in whole.databases():
            with Connection(milvus.address, DATABASE) as connection:
                connection.drop_database()


def measure(layout, directory, where, runs, log):
    """Seconds of each restore."""
    source, target = layout.named("milvus-a"), layout.named("milvus-b")
    store = target.store if where == "same" else source.store
    bucket = Bucket(store, target.bucket if where == "same" else "bench-restore").create()

    def installation(milvus):
        values = configuration(milvus, store, bucket.name, "bench-restore")
        values["log"]["level"] = "warn"
        return Installation(write_configuration(directory / f"{milvus.name}-{where}.yaml", values), directory)

    def run(milvus, *words):
        result = installation(milvus).run(*words, timeout=600)
        if result.code:
            sys.exit(f"bench-restore: {result}")
        return result

    seconds = []
    size = 0
    with contextlib.ExitStack() as closing:
        closing.callback(run, source, "delete", "-n", NAME)
        run(source, "create", "-n", NAME, "--filter", f"{DATABASE}.vectors")
        size = sum(bucket.sizes("bench-restore/").values())
        for _ in range(runs):
            drop(target)
            result = run(target, "restore", "-n", NAME, "--json")
            with Connection(target.address, DATABASE) as connection:
                rows = connection.collection("vectors").num_entities
            if rows != SEGMENTS * ROWS:
                sys.exit(f"bench-restore: {rows} rows instead of {SEGMENTS * ROWS}")
            seconds.append(result.seconds)
            log(f"{where}: {result.seconds:.1f} s {json.dumps(json.loads(result.output).get('phases'))}")
    return seconds, size


def page(results):
    megabytes = results["other"][1] / 1e6
    lines = [
        f"`make bench-restore`: {megabytes:.0f} MB in {SEGMENTS} segments into an empty Milvus, with the backup in the store that",
        "this Milvus uses, and in another one, from which it is staged. Nearly all of the time Milvus imports. The original's",
        "figures are those known of 0.5.9 with 350 MB; it was not run beside this.", "",
        f"{machine()}", "",
        "| backup in | restored in, s (median, all) | milvus-backup 0.5.9, s |", "|---|---|---|",
    ]  # fmt: skip
    for where, words in [("same", "the same store"), ("other", "another store")]:
        seconds = results[where][0]
        shown = ", ".join(f"{each:.1f}" for each in seconds)
        lines.append(f"| {words} | {statistics.median(seconds):.1f} ({shown}) | {PEER[where]} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench-restore", description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="restores from each store (3)")
    parser.add_argument("--output", default=str(REPOSITORY / "docs" / "benchmarks.md"), help="the page with the section")
    arguments = parser.parse_args()
    if not (BINARIES / "milvus-backup").exists():
        sys.exit(f"bench-restore: {BINARIES / 'milvus-backup'} is not there; run `make build` first")

    def log(text):
        print(text, flush=True)

    layout = Layout.with_free_ports()
    testbed = Testbed(layout, log=log)
    was_up = testbed.is_up()
    directory = layout.directory / "bench-restore"
    try:
        testbed.up(["milvus-a", "milvus-b"])
        fill(layout.named("milvus-a"))
        results = {where: measure(layout, directory, where, arguments.runs, log) for where in ["same", "other"]}
        for name in ["milvus-a", "milvus-b"]:
            drop(layout.named(name))
        shutil.rmtree(directory, ignore_errors=True)
        text = page(results)
        write_section(arguments.output, HEADING, text)
        print(text)
    finally:
        if not was_up:
            testbed.down([])


if __name__ == "__main__":
    main()
