"""A short run of `make chaos`: agents and coordinators are killed and stopped, stores fail and lie."""

from functools import partial

from testkit import data
from testkit.chaos import Chaos

LITTLE = {
    "documents": partial(data.make_documents, rows=100),
    "leaflets": partial(data.make_leaflets, rows=24, partitions=6),
}


def test_rounds_of_chaos(layout, binaries, milvus_b):
    with Chaos(layout, 7, makers=LITTLE, restarts=False) as chaos:
        chaos.run(seconds=3600, rounds=2)
    print(chaos.counts)
    assert chaos.counts["rounds"] == 2 and chaos.counts["rows compared"] > 0
    # That something was broken at all.
    assert chaos.counts["requests"] > 100
