"""Makes the collections hello_milvus and hello_milvus2 with 3000 rows each, for trying a backup out.

    python example/prepare_data.py
"""

import numpy
from connection import COLLECTIONS, DIMENSION, ROWS, connect
from pymilvus import Collection, CollectionSchema, DataType, FieldSchema, utility


def fields(name):
    if name == "hello_milvus":
        yield FieldSchema("pk", DataType.INT64, is_primary=True, auto_id=False)
        yield FieldSchema("random", DataType.DOUBLE)
    else:
        yield FieldSchema("pk", DataType.VARCHAR, is_primary=True, auto_id=False, max_length=100)
        yield FieldSchema("random", DataType.FLOAT)
    yield FieldSchema("embeddings", DataType.FLOAT_VECTOR, dim=DIMENSION)


def rows(name, generator):
    keys = list(range(ROWS)) if name == "hello_milvus" else [str(number) for number in range(ROWS)]
    kind = float if name == "hello_milvus" else numpy.float32
    return [keys, generator.random(ROWS).astype(kind), generator.random((ROWS, DIMENSION), dtype=numpy.float32)]


connect()
generator = numpy.random.default_rng(seed=19530)
for name in COLLECTIONS:
    if utility.has_collection(name):
        print(f"{name} is there already; clean_data.py drops it")
        continue
    collection = Collection(name, CollectionSchema(list(fields(name)), f"{name} says hello"))
    collection.insert(rows(name, generator))
    collection.flush()
    collection.create_index("embeddings", {"index_type": "IVF_FLAT", "metric_type": "L2", "params": {"nlist": 128}})
    print(f"{name}: {collection.num_entities} rows")
