"""Some hundred megabytes of vectors in few segments: what a whole backup and a whole restore are measured with."""

import sys

import numpy
from pymilvus import CollectionSchema, DataType

from . import data
from .server_connection import Connection

DATABASE, COLLECTION = "vectors", "vectors"
SEGMENTS, ROWS, DIMENSION, BATCH = 4, 28_000, 768, 2000


def fill(milvus):
    """A collection of vectors, flushed into a segment after each quarter."""
    generator = numpy.random.default_rng(1)
    with Connection(milvus.address, DATABASE, create_database=True) as connection:
        connection.drop(COLLECTION)
        fields = [
            data.field("id", DataType.INT64, is_primary=True), data.field("vector", DataType.FLOAT_VECTOR, dim=DIMENSION)
        ]  # fmt: skip
        collection = connection.create(COLLECTION, CollectionSchema(fields))
        for segment in range(SEGMENTS):
            for ids in data.batches(segment * ROWS, (segment + 1) * ROWS, BATCH):
                collection.insert([list(ids), generator.random((len(ids), DIMENSION), dtype=numpy.float32)])
            collection.flush()


def missing(milvus):
    """How many rows there are too few."""
    with Connection(milvus.address) as whole:
        if DATABASE not in whole.databases():
            return SEGMENTS * ROWS
    with Connection(milvus.address, DATABASE) as connection:
        found = connection.collection(COLLECTION).num_entities if connection.has(COLLECTION) else 0
        return SEGMENTS * ROWS - found


def check_backup(sizes, output):
    """Ends the program when these objects, by their keys, are not a whole backup; `output` is what its maker has said."""
    whole = SEGMENTS * ROWS * DIMENSION * 4
    if sum(sizes.values()) < whole or not any(key.endswith("/meta/backup_meta.json") for key in sizes):
        sys.exit(f"bench: a backup of {len(sizes)} objects and {sum(sizes.values())} bytes is not whole:\n{output}")


def drop(milvus):
    with Connection(milvus.address) as whole:
        if DATABASE in whole.databases():
            with Connection(milvus.address, DATABASE) as connection:
                connection.drop_database()
