"""Looks whether restored collections hold what prepare_data.py has made, and searches in them.

    python example/verify_data.py [COLLECTION...]

Without names: hello_milvus_recover and hello_milvus2_recover.
"""

import sys

import numpy
from connection import COLLECTIONS, DIMENSION, ROWS, connect
from pymilvus import Collection, utility

connect()
generator = numpy.random.default_rng(seed=19530)
names = sys.argv[1:] or [f"{name}_recover" for name in COLLECTIONS]
wrong = 0
for name in names:
    if not utility.has_collection(name):
        print(f"{name} is not there")
        wrong += 1
        continue
    collection = Collection(name)
    if not collection.has_index():
        collection.create_index("embeddings", {"index_type": "IVF_FLAT", "metric_type": "L2", "params": {"nlist": 128}})
    collection.load()
    count = collection.query("", output_fields=["count(*)"], consistency_level="Strong")[0]["count(*)"]
    found = collection.search(
        generator.random((1, DIMENSION), dtype=numpy.float32).tolist(),
        "embeddings",
        {"metric_type": "L2", "params": {"nprobe": 10}},
        limit=3,
        output_fields=["random"],
    )
    print(f"{name}: {count} rows; next to a random vector: {', '.join(str(hit.id) for hit in found[0])}")
    collection.release()
    if count != ROWS or len(found[0]) != 3:
        print(f"{name} should have {ROWS} rows")
        wrong += 1
sys.exit(1 if wrong else 0)
