"""A short run of `make chaos`: things break, and nothing is lost."""

from functools import partial

from testkit import data
from testkit.chaos import Chaos, Surroundings

LITTLE = {
    "documents": partial(data.make_documents, rows=100),
    "leaflets": partial(data.make_leaflets, rows=24, partitions=6),
}
# By its dice a coordinator and an agent are killed, a host is cut off, and stores fail.
SEED = 7


def test_a_round_of_chaos(testbed, layout, binaries, milvus_b):
    # Other tests share the servers, and the pace.
    with Surroundings(testbed, servers=False) as surroundings, Chaos(layout, SEED, surroundings, makers=LITTLE) as chaos:
        chaos.run(seconds=3600, rounds=1)
    print(chaos.counts)
    assert chaos.counts["rounds"] == 1 and chaos.counts["rows compared"] > 0
    assert chaos.kills and chaos.faults
