"""A short run of `make chaos`: things break, and nothing is lost."""

from functools import partial

from testkit import data
from testkit.chaos import Chaos, Surroundings

LITTLE = {
    "documents": partial(data.make_documents, rows=60),
    "leaflets": partial(data.make_leaflets, rows=6, partitions=2),
}
# By its dice an agent is killed and a host cut off while they copy, and a tenth of all requests fail.
SEED = 4869


def test_a_round_of_chaos(testbed, layout, binaries, milvus_b):
    # A restarted server would keep the tests after this one waiting.
    with Surroundings(testbed, servers=False) as surroundings, Chaos(layout, SEED, surroundings, makers=LITTLE) as chaos:
        chaos.run(seconds=3600, rounds=1)
    print(chaos.counts)
    assert chaos.counts["rounds"] == 1 and chaos.counts["rows compared"] > 0
    assert chaos.kills and chaos.faults
    assert chaos.counts["cut_agent"] or not surroundings.network
