"""A connection to one database of a Milvus, at the level of its protocol messages."""

import itertools
import warnings

warnings.filterwarnings("ignore", category=UserWarning)  # pymilvus' way of finding its own version

from pymilvus import Collection, CollectionSchema, connections, db, utility  # noqa: E402
from pymilvus.grpc_gen import common_pb2, milvus_pb2  # noqa: E402

_numbers = itertools.count()


class MilvusError(Exception):
    """A call that Milvus refused."""


class Connection:
    """One database of one Milvus. Several may be open at once, of one server or of several."""

    def __init__(self, address, database="default", create_database=False):
        self.address = address
        self.database = database
        self.alias = f"testkit-{next(_numbers)}"
        host, _, port = address.rpartition(":")
        connections.connect(alias=self.alias, host=host, port=port, db_name="default", timeout=30)
        if create_database and database not in self.databases():
            db.create_database(database, using=self.alias)
        if database != "default":
            connections.disconnect(self.alias)
            connections.connect(alias=self.alias, host=host, port=port, db_name=database, timeout=30)

    def close(self):
        connections.disconnect(self.alias)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def databases(self):
        return db.list_database(using=self.alias)

    def drop_database(self):
        """Drops the database with its collections."""
        for name in self.collections():
            self.drop(name)
        db.drop_database(self.database, using=self.alias)

    def collections(self):
        return sorted(utility.list_collections(using=self.alias))

    def collection(self, name):
        return Collection(name, using=self.alias)

    def create(self, name, schema: CollectionSchema, **options):
        return Collection(name, schema=schema, using=self.alias, **options)

    def has(self, name):
        return utility.has_collection(name, using=self.alias)

    def drop(self, name):
        if self.has(name):
            utility.drop_collection(name, using=self.alias)

    def call(self, method, request, allowed_errors=()):
        """Calls a method of Milvus' service by name and checks the status in its answer."""
        stub = connections._fetch_handler(self.alias)._stub
        response = getattr(stub, method)(request, timeout=300)
        status = getattr(response, "status", response)
        if status.error_code and status.error_code not in allowed_errors:
            raise MilvusError(f"{method}: {status.reason}")
        return response

    def describe(self, name):
        return self.call(
            "DescribeCollection", milvus_pb2.DescribeCollectionRequest(db_name=self.database, collection_name=name)
        )

    def partitions(self, name):
        """Partition names to their ids."""
        response = self.call(
            "ShowPartitions", milvus_pb2.ShowPartitionsRequest(db_name=self.database, collection_name=name)
        )
        return dict(zip(response.partition_names, response.partitionIDs, strict=True))

    def indexes(self, name):
        """Per indexed field: the index' name and parameters."""
        request = milvus_pb2.DescribeIndexRequest(db_name=self.database, collection_name=name)
        response = self.call("DescribeIndex", request, allowed_errors=(common_pb2.IndexNotExist,))
        return {
            index.field_name: (index.index_name, {pair.key: pair.value for pair in index.params})
            for index in response.index_descriptions
        }

    def segments(self, name):
        """The flushed segments of a collection."""
        request = milvus_pb2.GetPersistentSegmentInfoRequest(dbName=self.database, collectionName=name)
        flushed = (common_pb2.Flushed, common_pb2.Flushing)
        return [info for info in self.call("GetPersistentSegmentInfo", request).infos if info.state in flushed]

    def is_loaded(self, name):
        response = self.call(
            "GetLoadState", milvus_pb2.GetLoadStateRequest(db_name=self.database, collection_name=name)
        )
        return response.state == common_pb2.LoadStateLoaded
