"""Collections with known contents: one of each shape that a backup must carry.

Everything follows from a seed; two servers filled with the same arguments hold the same rows. Ids that the server
itself makes (`orders`) are the exception.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy
from pymilvus import CollectionSchema, DataType, FieldSchema

from .server_connection import Connection

VECTOR_DIMENSION = 128
BINARY_DIMENSION = 512
BATCH = 10_000


@dataclass(frozen=True)
class Made:
    """A collection that was filled: how many rows it answers with, and what else a copy must show."""

    database: str
    name: str
    rows: int
    loaded: bool


def field(name, data_type, **options):
    return FieldSchema(name=name, dtype=data_type, **options)


def batches(start, stop, size=BATCH):
    for first in range(start, stop, size):
        yield range(first, min(first + size, stop))


# MARK: products: every scalar type, user partitions, deleted and replaced rows


def products_schema():
    return CollectionSchema(
        [
            field("id", DataType.INT64, is_primary=True, description="article number"),
            field("grade", DataType.INT8),
            field("weight", DataType.INT16),
            field("stock", DataType.INT32, description="pieces in stock"),
            field("created", DataType.INT64),
            field("price", DataType.FLOAT),
            field("rating", DataType.DOUBLE),
            field("title", DataType.VARCHAR, max_length=200, description='as printed: é, 漢字, "quotes"'),
            field("available", DataType.BOOL),
            field("attributes", DataType.JSON),
            field("sizes", DataType.ARRAY, element_type=DataType.INT32, max_capacity=8),
            field("labels", DataType.ARRAY, element_type=DataType.VARCHAR, max_capacity=4, max_length=32),
            field("embedding", DataType.FLOAT_VECTOR, dim=VECTOR_DIMENSION),
        ],
        description="Articles of a shop",
    )


COLOURS = ["red", "green", "blue", "größer", "黒"]


def products_rows(ids, generator):
    """One list per field for the given ids."""
    count = len(ids)
    embedding = generator.random((count, VECTOR_DIMENSION), dtype=numpy.float32)
    created = generator.integers(-(2**62), 2**62, count).tolist()
    return [
        list(ids),
        generator.integers(-128, 128, count).tolist(),
        generator.integers(-(2**15), 2**15, count).tolist(),
        generator.integers(-(2**31), 2**31, count).tolist(),
        created,
        generator.random(count, dtype=numpy.float32).tolist(),
        generator.standard_normal(count).tolist(),
        [f"Article {number} — {COLOURS[number % 5]}" for number in ids],
        [number % 3 == 0 for number in ids],
        [
            {"colour": COLOURS[number % 5], "stamp": stamp, "nested": {"list": [number, None, 0.5, True]}}
            for number, stamp in zip(ids, created, strict=True)
        ],
        [[number % 7, -number, 2**31 - 1][: number % 4] for number in ids],
        [[COLOURS[number % 5], f"label {number % 11}"][: number % 3] for number in ids],
        embedding.tolist(),
    ]


def make_products(connection, name="products", rows=100_000, seed=1, rounds=3):
    """Two user partitions and two shards, flushed `rounds` times (so at least 4 * rounds segments); then 1 % of the
    rows are deleted and a quarter per cent replaced. Indexed on the vector and two scalar fields, loaded, with a time
    to live."""
    generator = numpy.random.default_rng(seed)
    collection = connection.create(
        name, products_schema(), num_shards=2, properties={"collection.ttl.seconds": 8_640_000}
    )
    partitions = ["europe", "asia"]
    for partition in partitions:
        collection.create_partition(partition, description=f"articles for {partition}")
    home = {}
    per_round = -(-rows // rounds)
    for first in range(0, rows, per_round):
        for number, ids in enumerate(batches(first, min(first + per_round, rows), max(1, min(BATCH, per_round // 2)))):
            home.update(dict.fromkeys(ids, partitions[number % 2]))
            collection.insert(products_rows(ids, generator), partition_name=partitions[number % 2])
        collection.flush()
    deleted = list(range(0, rows, 100))
    for ids in batches(0, len(deleted), 1000):
        collection.delete(f"id in {deleted[ids.start : ids.stop]}")
    # A replacement in another partition would leave the row it replaces.
    replaced = [number for number in range(1, rows, 200) if home[number] == "europe"]
    collection.upsert(products_rows(replaced, generator), partition_name="europe")
    collection.flush()
    collection.create_index(
        "embedding",
        {"index_type": "IVF_FLAT", "metric_type": "L2", "params": {"nlist": 64}},
        index_name="embedding_index",
    )
    collection.create_index("created", index_name="created_index")
    collection.create_index("title", {"index_type": "Trie"}, index_name="title_index")
    collection.load()
    return Made(connection.database, name, rows - len(deleted), loaded=True)


# MARK: documents: text keys, a binary vector and fields that the schema does not know


def make_documents(connection, name="documents", rows=20_000, seed=2):
    """Dynamic field; 3 % of the rows deleted; an index with parameters; never loaded."""
    generator = numpy.random.default_rng(seed)
    schema = CollectionSchema(
        [
            field("key", DataType.VARCHAR, is_primary=True, max_length=64),
            field("language", DataType.VARCHAR, max_length=8),
            field("fingerprint", DataType.BINARY_VECTOR, dim=BINARY_DIMENSION),
        ],
        description="Pages with their fingerprints",
        enable_dynamic_field=True,
    )
    collection = connection.create(name, schema, num_shards=1, consistency_level="Strong")
    for ids in batches(0, rows, max(1, min(BATCH, rows // 2))):
        collection.insert([document(number, generator) for number in ids])
        collection.flush()
    deleted = [document_key(number) for number in range(7, rows, 33)]
    for ids in batches(0, len(deleted), 1000):
        collection.delete(f"key in {deleted[ids.start : ids.stop]}".replace("'", '"'))
    collection.flush()
    collection.create_index(
        "fingerprint", {"index_type": "BIN_IVF_FLAT", "metric_type": "HAMMING", "params": {"nlist": 32}}
    )
    return Made(connection.database, name, rows - len(deleted), loaded=False)


def document_key(number):
    return f"page/{number:07d}/ü"


def document(number, generator):
    row = {
        "key": document_key(number),
        "language": ["de", "en", "zh"][number % 3],
        "fingerprint": generator.bytes(BINARY_DIMENSION // 8),
        "words": number * 3,
    }
    if number % 2:
        row["author"] = {"name": f"Author {number % 97}", "active": number % 5 == 0}
    if number % 5 == 0:
        row["tags"] = ["a", "b", number]
    return row


# MARK: orders: a partition key and ids made by the server


def make_orders(connection, name="orders", rows=20_000, seed=3, partitions=8):
    generator = numpy.random.default_rng(seed)
    schema = CollectionSchema(
        [
            field("id", DataType.INT64, is_primary=True, auto_id=True),
            field("customer", DataType.VARCHAR, max_length=32, is_partition_key=True),
            field("total", DataType.DOUBLE),
            field("taste", DataType.FLOAT_VECTOR, dim=32),
        ],
        description="Orders, apart by customer",
    )
    collection = connection.create(
        name, schema, num_shards=1, num_partitions=partitions, consistency_level="Eventually"
    )
    for ids in batches(0, rows):
        count = len(ids)
        collection.insert(
            [
                [f"customer {number % 40}" for number in ids],
                generator.random(count).tolist(),
                generator.random((count, 32), dtype=numpy.float32).tolist(),
            ]
        )
    collection.flush()
    collection.create_index(
        "taste",
        {"index_type": "HNSW", "metric_type": "IP", "params": {"M": 8, "efConstruction": 64}},
        index_name="taste_index",
    )
    collection.load()
    return Made(connection.database, name, rows, loaded=True)


# MARK: photos: weight


def make_photos(connection, name="photos", rows=24_000, seed=4, rounds=4):
    """Rows of 4 KiB in `rounds` large segments; not indexed, not loaded."""
    generator = numpy.random.default_rng(seed)
    schema = CollectionSchema(
        [field("id", DataType.INT64, is_primary=True), field("features", DataType.FLOAT_VECTOR, dim=1024)]
    )
    collection = connection.create(name, schema, num_shards=1)
    for part in batches(0, rows, -(-rows // rounds)):
        for ids in batches(part.start, part.stop, 3000):
            collection.insert([list(ids), generator.random((len(ids), 1024), dtype=numpy.float32).tolist()])
        collection.flush()
    return Made(connection.database, name, rows, loaded=False)


# MARK: leaflets: many small objects


def make_leaflets(connection, name="leaflets", rows=1000, seed=5, partitions=100):
    """A few rows in each of many partitions: one segment of some fifteen objects for each."""
    generator = numpy.random.default_rng(seed)
    collection = connection.create(name, products_schema(), num_shards=1)
    for number, ids in enumerate(batches(0, rows, -(-rows // partitions))):
        collection.create_partition(f"sheet_{number}")
        collection.insert(products_rows(ids, generator), partition_name=f"sheet_{number}")
    collection.flush()
    return Made(connection.database, name, rows, loaded=False)


# MARK: drafts: nothing in it


def make_drafts(connection, name="drafts"):
    """A collection without a row or an index."""
    schema = CollectionSchema(
        [field("id", DataType.INT64, is_primary=True), field("vector", DataType.FLOAT_VECTOR, dim=4)]
    )
    connection.create(name, schema, num_shards=1, properties={"collection.ttl.seconds": 3600})
    return Made(connection.database, name, 0, loaded=False)


# MARK: all of them

COLLECTIONS = [
    ("default", "products", make_products),
    ("default", "photos", make_photos),
    ("default", "documents", make_documents),
    ("shop", "orders", make_orders),
    ("shop", "drafts", make_drafts),
]


def make_all(address, log=print):
    """Fills a server with all collections, in place of any of the same name."""
    Connection(address, "shop", create_database=True).close()

    def make(entry):
        database, name, function = entry
        with Connection(address, database) as connection:
            connection.drop(name)
            made = function(connection)
            log(f"{database}.{name}: {made.rows} rows in {len(connection.segments(name))} segments")
            return made

    with ThreadPoolExecutor(max_workers=len(COLLECTIONS)) as pool:
        return list(pool.map(make, COLLECTIONS))
