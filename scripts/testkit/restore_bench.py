"""`make bench-restore`: how long a restore of 350 MB in four segments takes, with the backup in the store that the restoring
Milvus uses, and in another one. Everything is real, and most of the time is Milvus' own, which imports and indexes.
"""

import argparse
import contextlib
import shutil
import statistics
import sys

from . import original, vectors
from .layout import REPOSITORY, Layout
from .objects import Bucket
from .pages import machine, write_section
from .programs import BINARIES
from .testbed import Testbed

HEADING = "Restores"
NAME = "bench"
OURS, ORIGINAL = "milvus-backup", "the original"
# Of milvus-backup 0.5.9 with as much data, by the project's notes: for when it is not there to run beside ours.
KNOWN = {"same": 15, "other": 24}


def measure(layout, directory, where, programs, runs, log):
    """Seconds of each restore, by the program's name, and how many bytes the backup has. The programs run in turn."""
    source, target = layout.named("milvus-a"), layout.named("milvus-b")
    store = target.store if where == "same" else source.store
    bucket = Bucket(store, target.bucket if where == "same" else "bench-restore").create()

    def tool(program, milvus):
        values = original.configuration(milvus, store, bucket.name, "bench-restore")
        return original.Tool(program, directory / f"{milvus.name}-{where}.yaml", values)

    seconds = {name: [] for name in programs}
    with contextlib.ExitStack() as closing:
        closing.callback(tool(programs[OURS], source).delete, NAME)
        made = tool(programs[OURS], source).create(NAME)
        sizes = bucket.sizes(f"bench-restore/{NAME}/")
        vectors.check_backup(sizes, made.output)
        for _ in range(runs):
            for name, program in programs.items():
                vectors.drop(target)
                cost = tool(program, target).restore(NAME)
                if missing := vectors.missing(target):
                    sys.exit(f"bench-restore: {name} has not restored {missing} rows:\n{cost.output}")
                seconds[name].append(cost.wall)
                log(f"{where}: {name} {cost.wall:.1f} s")
    return seconds, sum(sizes.values())


def page(results):
    megabytes = results["other"][1] / 1e6
    beside = ORIGINAL in results["other"][0]
    known = "the original's figures are those known of 0.5.9 with 350 MB; it was not run beside this"
    lines = [
        f"`make bench-restore`: {megabytes:.0f} MB in {vectors.SEGMENTS} segments into an empty Milvus, with the backup in the",
        "store that this Milvus uses, and in another one, from which it is staged. Nearly all of the time Milvus imports;",
        f"{'both programs ran in turn' if beside else known}.", "",
        f"{machine()}", "",
        f"| backup in | restored in, s (median, all) | {ORIGINAL if beside else 'milvus-backup 0.5.9'}, s |", "|---|---|---|",
    ]  # fmt: skip

    def shown(seconds):
        return f"{statistics.median(seconds):.1f} ({', '.join(f'{each:.1f}' for each in seconds)})"

    for where, words in [("same", "the same store"), ("other", "another store")]:
        seconds = results[where][0]
        others = shown(seconds[ORIGINAL]) if beside else KNOWN[where]
        lines.append(f"| {words} | {shown(seconds[OURS])} | {others} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench-restore", description=__doc__.split("\n\n")[0])
    parser.add_argument("--runs", type=int, default=3, help="restores from each store (3)")
    parser.add_argument("--output", default=str(REPOSITORY / "docs" / "benchmarks.md"), help="the page with the section")
    arguments = parser.parse_args()
    if not (BINARIES / "milvus-backup").exists():
        sys.exit(f"bench-restore: {BINARIES / 'milvus-backup'} is not there; run `make build` first")
    peer = original.path()
    programs = {OURS: BINARIES / "milvus-backup", **({ORIGINAL: peer} if peer else {})}

    def log(text):
        print(text, flush=True)

    layout = Layout.with_free_ports()
    testbed = Testbed(layout, log=log)
    was_up = testbed.is_up()
    directory = layout.directory / "bench-restore"
    try:
        testbed.up(["milvus-a", "milvus-b"])
        vectors.fill(layout.named("milvus-a"))
        results = {
            where: measure(layout, directory, where, programs, arguments.runs, log) for where in ["same", "other"]
        }  # fmt: skip
        for name in ["milvus-a", "milvus-b"]:
            vectors.drop(layout.named(name))
        shutil.rmtree(directory, ignore_errors=True)
        text = page(results)
        write_section(arguments.output, HEADING, text)
        print(text)
    finally:
        if not was_up:
            testbed.down([])


if __name__ == "__main__":
    main()
