"""A digest over every row of a collection, the same whatever the order in which rows come."""

import contextlib
import hashlib
import json
from dataclasses import dataclass

import numpy
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

VECTOR_TYPES = {schema_pb2.FloatVector, schema_pb2.BinaryVector}
PAGE = 10_000


@dataclass(frozen=True)
class Digest:
    """`rows` counts what queries answer with, `stored` what count(*) finds: with a key stored twice they differ."""

    rows: int
    stored: int
    value: int

    def __str__(self):
        return f"{self.rows} rows {self.value:032x}" + ("" if self.rows == self.stored else f" ({self.stored} stored)")

    def __add__(self, other):
        return Digest(self.rows + other.rows, self.stored + other.stored, (self.value + other.value) % 2**128)


@contextlib.contextmanager
def queryable(connection, name):
    """Makes a collection answer queries, and puts it back into the state in which it was."""
    collection = connection.collection(name)
    indexed = connection.indexes(name)
    added = []
    loaded = connection.is_loaded(name)
    if not loaded:
        for field in connection.describe(name).schema.fields:
            if field.data_type in VECTOR_TYPES and field.name not in indexed:
                binary = field.data_type == schema_pb2.BinaryVector
                parameters = {"index_type": "BIN_FLAT", "metric_type": "HAMMING"} if binary else {
                    "index_type": "FLAT", "metric_type": "L2"
                }  # fmt: skip
                collection.create_index(field.name, {**parameters, "params": {}}, index_name="for_the_digest")
                added.append("for_the_digest")
        collection.load(timeout=300)
    try:
        yield collection
    finally:
        if not loaded:
            collection.release()
            for index in added:
                collection.drop_index(index_name=index)


def query(connection, name, expression, fields, partition=None, consistency=common_pb2.Eventually):
    """The columns of all rows that match."""
    request = milvus_pb2.QueryRequest(
        db_name=connection.database,
        collection_name=name,
        expr=expression,
        output_fields=fields,
        partition_names=[partition] if partition else [],
        consistency_level=consistency,
        use_default_consistency=False,
    )
    return connection.call("Query", request).fields_data


def count(connection, name, partition=None):
    """count(*) as of now: every stored row, also several of one key."""
    (column,) = query(connection, name, "", ["count(*)"], partition, common_pb2.Strong)
    return column.scalars.long_data.data[0]


def column_values(column):
    """One byte string per row."""
    if column.type == schema_pb2.FloatVector:
        values = numpy.array(column.vectors.float_vector.data, dtype="<f4")
        return values.view(f"V{4 * column.vectors.dim}").tolist()
    if column.type == schema_pb2.BinaryVector:
        width = column.vectors.dim // 8
        data = column.vectors.binary_vector
        return [data[start : start + width] for start in range(0, len(data), width)]
    kind = column.scalars.WhichOneof("data")
    data = getattr(column.scalars, kind).data if kind else []
    if kind == "string_data":
        return [value.encode() for value in data]
    if kind == "json_data":
        # Equal when the values are, however they are written down.
        return [json.dumps(json.loads(value), sort_keys=True).encode() if value else b"" for value in data]
    if kind == "array_data":
        return [value.SerializeToString(deterministic=True) for value in data]
    types = {"bool_data": "?", "int_data": "<i4", "long_data": "<i8", "float_data": "<f4", "double_data": "<f8"}
    values = numpy.array(data, dtype=types[kind]) if kind else numpy.array([], dtype="<i8")
    return values.view(f"V{values.itemsize}").tolist()


def primary_keys(connection, name, key, partition=None):
    """All keys in order, with the literal by which an expression names each."""
    text = key.data_type == schema_pb2.VarChar
    everything = f'{key.name} >= ""' if text else f"{key.name} >= {-(2**63) + 1}"
    columns = query(connection, name, everything, [key.name], partition)
    values = columns[0].scalars
    keys = sorted(values.string_data.data if text else values.long_data.data)
    return keys, json.dumps if text else str


def digests(connection, name):
    """Per partition the digest over all fields of all rows; under None where a key places rows in partitions."""
    schema = connection.describe(name).schema
    key = next(field for field in schema.fields if field.is_primary_key)
    by_key = any(field.is_partition_key for field in schema.fields)
    with queryable(connection, name):
        return {
            partition: digest_of_partition(connection, name, key, partition)
            for partition in ([None] if by_key else sorted(connection.partitions(name)))
        }


def digest(connection, name):
    """The digest over all fields of all rows of a collection."""
    return sum(digests(connection, name).values(), Digest(0, 0, 0))


def digest_of_partition(connection, name, key, partition):
    # This waits until all that was written before can be seen; then it is seen by what follows, too.
    stored = count(connection, name, partition)
    keys, literal = primary_keys(connection, name, key, partition)
    total = 0
    for start in range(0, len(keys), PAGE):
        page = keys[start : start + PAGE]
        expression = f"{key.name} >= {literal(page[0])} && {key.name} <= {literal(page[-1])}"
        columns = query(connection, name, expression, ["*"], partition)
        total += digest_of_rows(sorted(columns, key=lambda column: column.field_name))
    return Digest(len(keys), stored, total % 2**128)


def digest_of_rows(columns):
    """The sum of the rows' digests: it does not depend on their order, and two equal rows do not cancel out."""
    names = [column.field_name.encode() + b"\0" + bytes([column.type % 256]) for column in columns]
    columns = [column_values(column) for column in columns]
    total = 0
    for row in zip(*columns, strict=True):
        state = hashlib.blake2b(digest_size=16)
        for name, value in zip(names, row, strict=True):
            state.update(b"%s\0%d\0" % (name, len(value)))
            state.update(value)
        total += int.from_bytes(state.digest(), "big")
    return total
