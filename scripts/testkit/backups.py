"""Reading a backup the way any other tool would."""

import json
import re
from concurrent.futures import ThreadPoolExecutor

from .objects import Bucket

METADATA_FILES = [
    "backup_meta.json",
    "collection_meta.json",
    "partition_meta.json",
    "segment_meta.json",
    "full_meta.json",
]


def left_in(milvus):
    """Keys of what our programs have left in the bucket of a Milvus, where all of it is temporary."""
    bucket = Bucket(milvus.store, milvus.bucket)
    found = [*bucket.sizes_outside(milvus.root), *bucket.sizes(f"{milvus.root}/milvus_backup_probe")]
    # Some servers keep the folder of an object that is gone, with a key that ends in a slash.
    return [key for key in found if key.startswith("restore-temp-") and key[-1] != "/" or "milvus_backup_probe" in key]


def metadata(bucket, root, name, file="full_meta.json"):
    return json.loads(bucket.get(f"{root}/{name}/meta/{file}"))


def segments_of(collection):
    for partition in collection.get("partition_backups", []):
        yield from partition.get("segment_backups", [])
    yield from collection.get("l0_segments", [])


def objects_of_plan(bucket, root, name):
    """Key in the backup to (key in Milvus' bucket, size) of every object that the metadata names."""
    planned = {}
    for collection in metadata(bucket, root, name).get("collection_backups", []):
        for segment in segments_of(collection):
            for kind, logs in [("insert_log", "binlogs"), ("delta_log", "deltalogs")]:
                for field in segment.get(logs, []):
                    for log in field.get("binlogs", []):
                        key = destination(kind, segment, field.get("fieldID", 0), log["log_id"])
                        planned[f"{root}/{name}/binlogs/{key}"] = (log["log_path"], log["log_size"])
    return planned


def destination(kind, segment, field, log):
    """Where a log lies below `binlogs/`."""
    parts = [kind, segment["collection_id"], segment["partition_id"]]
    if segment.get("group_id"):
        parts.append(segment["group_id"])
    parts.append(segment["segment_id"])
    if kind == "insert_log":
        parts.append(field)
    return "/".join(map(str, [*parts, log]))


def compare_bytes(milvus_bucket, bucket, root, name):
    """Compares every object that the metadata names with Milvus' own, byte for byte: (how many, keys of unequal ones). Keys of
    logs of the same segments that the metadata does not name are among these."""
    planned = objects_of_plan(bucket, root, name)
    missing = logs_of_segments(milvus_bucket, [path for path, _ in planned.values()]) - {path for path, _ in planned.values()}
    with ThreadPoolExecutor(max_workers=8) as pool:
        equal = pool.map(lambda entry: milvus_bucket.get(entry[1][0]) == bucket.get(entry[0]), planned.items())
        wrong = [key for key, same in zip(planned, equal, strict=True) if not same]
    return len(planned), wrong + sorted(missing)


SEGMENT = re.compile(r"(.*(?:^|/))(?:insert|delta)_log/(\d+)/(\d+)/(\d+)/")


def logs_of_segments(milvus_bucket, paths):
    """The keys of all logs of the segments that these logs are of."""
    segments = {SEGMENT.match(path).groups() for path in paths}
    found = set()
    for root, collection in {each[:2] for each in segments}:
        for kind in ["insert_log", "delta_log"]:
            for key in milvus_bucket.sizes(f"{root}{kind}/{collection}/"):
                if not key.endswith("/") and SEGMENT.match(key).groups() in segments:
                    found.add(key)
    return found
