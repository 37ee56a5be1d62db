"""Is this collection the same as that one? Every answer is a list of differences in words, empty for yes."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pymilvus.grpc_gen import common_pb2, schema_pb2

from .digest import Digest, digests


@dataclass
class Comparison:
    """Per aspect of a collection (schema, properties, partitions, indexes, rows) what differs, and the rows' digest."""

    differences: dict = field(default_factory=dict)
    digest: object = None

    @property
    def same(self):
        return not any(self.differences.values())

    def __str__(self):
        return "; ".join(f"{aspect}: {text}" for aspect, texts in self.differences.items() for text in texts) or "same"


def compare(source, source_name, target, target_name=None, rows=True, indexes=True):
    """Compares a collection of `source` with one of `target` (both connections to a database)."""
    target_name = target_name or source_name
    if not target.has(target_name):
        return Comparison({"schema": [f"there is no collection {target_name}"]})
    descriptions = source.describe(source_name), target.describe(target_name)
    result = Comparison()
    result.differences["schema"] = values_differ(*map(schema_of, descriptions))
    result.differences["properties"] = values_differ(*map(properties_of, descriptions))
    partitions = sorted(source.partitions(source_name)), sorted(target.partitions(target_name))
    result.differences["partitions"] = values_differ({"names": partitions[0]}, {"names": partitions[1]})
    if indexes:
        result.differences["indexes"] = values_differ(source.indexes(source_name), target.indexes(target_name))
    if rows:
        result.differences["rows"], result.digest = compare_rows((source, source_name), (target, target_name))
    return result


def compare_rows(source, target):
    """The differences, and the digest of all of the source's rows."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        expected, found = pool.map(lambda collection: digests(*collection), [source, target])
    differences = [
        f"partition {partition or ''}: {expected.get(partition)} became {found.get(partition)}"
        for partition in {**expected, **found}
        if expected.get(partition) != found.get(partition)
    ]
    return differences, sum(expected.values(), Digest(0, 0, 0))


def schema_of(description):
    """What makes a collection's schema, as a flat dictionary."""
    schema = description.schema
    values = {
        "description": schema.description,
        "dynamic field": schema.enable_dynamic_field,
        "shards": description.shards_num,
        "consistency level": common_pb2.ConsistencyLevel.Name(description.consistency_level),
        "fields": [item.name for item in schema.fields],
    }
    if has_partition_key(description):
        values["partitions for the key"] = description.num_partitions
    for item in schema.fields:
        values[f"field {item.name}"] = {
            "id": item.fieldID,
            "type": schema_pb2.DataType.Name(item.data_type),
            "element type": schema_pb2.DataType.Name(item.element_type),
            "description": item.description,
            "primary key": item.is_primary_key,
            "ids by the server": item.autoID,
            "partition key": item.is_partition_key,
            "parameters": {pair.key: pair.value for pair in item.type_params},
            "default": item.default_value.SerializeToString(deterministic=True).hex(),
        }
    return values


def has_partition_key(description):
    return any(item.is_partition_key for item in description.schema.fields)


def properties_of(description):
    return {pair.key: pair.value for pair in description.properties}


def values_differ(expected, found):
    missing = object()
    return [
        f"{name}: {shown(expected.get(name, missing), missing)} became {shown(found.get(name, missing), missing)}"
        for name in {**expected, **found}
        if expected.get(name, missing) != found.get(name, missing)
    ]


def shown(value, missing):
    return "nothing" if value is missing else repr(value)
