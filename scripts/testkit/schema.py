"""What may stand in the metadata of a backup, written down from the description of the format and not from the program.

A rule is a type with the keys of an object. `always` are the keys that are there whatever their value; every other key
is left out when its value is zero, false, empty or null.
"""

I64, U64, INT, TEXT, BOOL = "i64", "u64", "int", "text", "bool"
RANGES = {I64: (-(2**63), 2**63 - 1), U64: (0, 2**64 - 1), INT: (-(2**31), 2**31 - 1)}


class Object:
    """Its keys in the order of their declaration."""

    def __init__(self, always=(), **keys):
        self.always = set(always)
        self.keys = keys

    def without(self, *left_out, **changed):
        keys = {key: changed.get(key, rule) for key, rule in self.keys.items() if key not in left_out}
        return Object(self.always, **keys)


class List:
    def __init__(self, item):
        self.item = item


class Map:
    """Text to something."""

    def __init__(self, item):
        self.item = item


PAIR = Object(key=TEXT, value=TEXT)
FIELD = Object(
    fieldID=I64, name=TEXT, is_primary_key=BOOL, description=TEXT, data_type=INT, type_params=List(PAIR),
    index_params=List(PAIR), autoID=BOOL, element_type=INT, is_dynamic=BOOL, is_partition_key=BOOL, nullable=BOOL,
    is_function_output=BOOL, default_value_base64=TEXT,
)  # fmt: skip
FUNCTION = Object(
    name=TEXT, id=I64, description=TEXT, type=INT, input_field_names=List(TEXT), input_field_ids=List(I64),
    output_field_names=List(TEXT), output_field_ids=List(I64), params=List(PAIR),
)  # fmt: skip
STRUCT = Object(fieldID=I64, name=TEXT, description=TEXT, fields=List(FIELD))
SCHEMA = Object(
    name=TEXT, description=TEXT, autoID=BOOL, fields=List(FIELD), enable_dynamic_field=BOOL, properties=List(PAIR),
    functions=List(FUNCTION), struct_array_fields=List(STRUCT),
)  # fmt: skip
INDEX = Object(field_name=TEXT, index_name=TEXT, index_type=TEXT, params=Map(TEXT), index_id=I64)
LOG = Object(always=["log_size"], log_path=TEXT, log_size=I64, log_id=I64)
FIELD_LOGS = Object(fieldID=I64, binlogs=List(LOG))
SEGMENT = Object(
    always=["size"], segment_id=I64, collection_id=I64, partition_id=I64, num_of_rows=I64, binlogs=List(FIELD_LOGS),
    deltalogs=List(FIELD_LOGS), size=I64, group_id=I64, is_l0=BOOL, v_channel=TEXT, storage_version=I64,
)  # fmt: skip
PARTITION = Object(
    always=["size"], partition_id=I64, partition_name=TEXT, collection_id=I64, segment_backups=List(SEGMENT), size=I64,
    load_state=TEXT,
)  # fmt: skip
COLLECTION = Object(
    always=["size", "has_index"], id=TEXT, collection_id=I64, db_name=TEXT, collection_name=TEXT, schema=SCHEMA,
    shards_num=INT, consistency_level=INT, partition_backups=List(PARTITION), backup_timestamp=U64, size=I64,
    has_index=BOOL, index_infos=List(INDEX), load_state=TEXT, backup_physical_timestamp=U64,
    channel_checkpoints=Map(TEXT), l0_segments=List(SEGMENT), properties=List(PAIR), db_id=I64, created_timestamp=U64,
    virtual_channel_names=List(TEXT), physical_channel_names=List(TEXT), aliases=List(TEXT),
)  # fmt: skip
DATABASE = Object(db_name=TEXT, db_id=I64, properties=List(PAIR), ezk=TEXT)
BACKUP = Object(
    always=["state_code", "size"], id=TEXT, state_code=INT, name=TEXT, collection_backups=List(COLLECTION), size=I64,
    milvus_version=TEXT, database_backups=List(DATABASE), flush_all_msgs_base64=Map(TEXT), control_channel_name=TEXT,
    physical_channel_names=List(TEXT), format=TEXT,
)  # fmt: skip

# The level files: nothing in them is below another level.
PARTITION_ALONE = PARTITION.without("segment_backups")
COLLECTION_ALONE = COLLECTION.without("l0_segments", partition_backups=List(PARTITION_ALONE))
BACKUP_ALONE = BACKUP.without(
    "collection_backups", "database_backups", "flush_all_msgs_base64", "control_channel_name", "physical_channel_names"
)

# With --backup_index_extra.
INDEX_WITH_EXTRA = Object(
    **INDEX.keys, field_id=I64, create_time=U64, type_params=List(PAIR), index_params=List(PAIR),
    user_index_params=List(PAIR), is_auto_index=BOOL, min_index_version=INT, max_index_version=INT,
)  # fmt: skip
FULL_WITH_INDEX_EXTRA = BACKUP.without(
    collection_backups=List(COLLECTION.without(index_infos=List(INDEX_WITH_EXTRA)))
)

FILES = {
    "full_meta.json": BACKUP,
    "backup_meta.json": BACKUP_ALONE,
    "collection_meta.json": Object(infos=List(COLLECTION_ALONE)),
    "partition_meta.json": Object(infos=List(PARTITION_ALONE)),
    "segment_meta.json": Object(infos=List(SEGMENT)),
}


def problems(value, rule, place=""):
    """What in a parsed file is not as the format says, in words."""
    if isinstance(rule, Object):
        if not isinstance(value, dict):
            return [f"{place}: no object"]
        found = [f"{place}.{key}: no such key" for key in value if key not in rule.keys]
        found += [f"{place}.{key}: missing" for key in rule.always if key not in value]
        for key in value.keys() & rule.keys.keys():
            if key not in rule.always and not value[key] and value[key] != [{}]:
                found.append(f"{place}.{key}: {value[key]!r} should be left out")
            found += problems(value[key], rule.keys[key], f"{place}.{key}")
        return found + order_problems(list(value), list(rule.keys), place)
    if isinstance(rule, (List, Map)):
        kind = list if isinstance(rule, List) else dict
        if not isinstance(value, kind):
            return [f"{place}: no {kind.__name__}"]
        members = enumerate(value) if kind is list else value.items()
        return [text for key, member in members for text in problems(member, rule.item, f"{place}[{key}]")]
    if rule == TEXT:
        return [] if isinstance(value, str) else [f"{place}: {value!r} is no text"]
    if rule == BOOL:
        return [] if isinstance(value, bool) else [f"{place}: {value!r} is no boolean"]
    low, high = RANGES[rule]
    whole = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    return [] if whole else [f"{place}: {value!r} is no {rule}"]


def order_problems(keys, known, place):
    """Keys come in the order of their declaration. Nobody depends on it; a difference would show a slip."""
    expected = [key for key in known if key in keys]
    return [] if [key for key in keys if key in known] == expected else [f"{place}: keys in another order: {keys}"]
