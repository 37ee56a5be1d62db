"""A Milvus and an object store that exist only as numbers: any count of collections, segments and objects, none of which takes
room. They are fakes, for what cannot run here (a million objects); they answer what `create` and a restore's dry run ask.

Keys are made of numbers of a fixed width, so that their order is that of their index, and a page of a listing is a range.
"""

import bisect
import hashlib
import http.server
import threading
import urllib.parse
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from xml.sax.saxutils import escape

import grpc
from pymilvus.grpc_gen import common_pb2, milvus_pb2, milvus_pb2_grpc, schema_pb2

FIRST_FIELD = 100
# The row id and the timestamp, which every collection has, and 18 of its own; as keys they are in this order too.
FIELD_IDS = [0, 1, *range(FIRST_FIELD, FIRST_FIELD + 18)]
FIELDS = len(FIELD_IDS)
BASE = 450_000_000_000_000_000
SIZE = 65_536
# Behind every key that begins with what it is put behind.
LAST = "\U0010ffff"


def etag(key):
    """The same for an object and its copy: it is made of the last part of the key."""
    return f"{zlib.crc32(key.rpartition('/')[2].encode()):032x}"


@dataclass(frozen=True)
class Population:
    """So many collections, of one partition each, with so many segments each; a segment has an object for each field."""

    collections: int
    segments: int

    @property
    def objects(self):
        return self.collections * self.segments * FIELDS

    @staticmethod
    def collection(number):
        return BASE + number

    @staticmethod
    def partition(number):
        return BASE + 1_000_000 + number

    def segment(self, collection, number):
        return BASE + 10_000_000 + collection * self.segments + number


class Keys:
    """The objects below one root, in the order of their keys. In a backup the id of a segment is there twice, since it is
    also that of its group."""

    def __init__(self, population, root, is_backup=False):
        self.population, self.root, self.is_backup = population, root, is_backup
        self.shown = not is_backup

    def __len__(self):
        return self.population.objects if self.shown else 0

    def __getitem__(self, index):
        segment, field = divmod(index, FIELDS)
        collection = segment // self.population.segments
        number = BASE + 10_000_000 + segment
        group = f"{number}/" if self.is_backup else ""
        return (
            f"{self.root}{BASE + collection}/{BASE + 1_000_000 + collection}/{group}{number}/{FIELD_IDS[field]}/"
            f"{BASE + 100_000_000 + index}"
        )

    def entries(self, prefix, delimiter, after):
        """Keys and common prefixes behind `after`, as (text, size or None)."""
        index = bisect.bisect_left(self, prefix)
        if after:
            index = max(index, bisect.bisect_right(self, after))
        while index < len(self):
            key = self[index]
            if not key.startswith(prefix):
                return
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            if end < 0:
                yield key, SIZE
                index += 1
            else:
                yield key[: end + 1], None
                index = bisect.bisect_left(self, key[: end + 1] + LAST)


class Simulation:
    """What both servers know. Small objects that are put are kept."""

    def __init__(self, population, source_root, backup_root):
        self.population = population
        self.source = Keys(population, source_root)
        self.backup = Keys(population, backup_root, is_backup=True)
        self.objects = {}
        self.lock = threading.Lock()

    def page(self, prefix, delimiter, after, limit):
        with self.lock:
            own = sorted(key for key in self.objects if key.startswith(prefix) and key > after)
        found, seen = [], set()
        for key in own:
            end = key.find(delimiter, len(prefix)) if delimiter else -1
            text = key if end < 0 else key[: end + 1]
            if text > after and text not in seen:
                seen.add(text)
                found.append((text, len(self.objects.get(key, b"")) if end < 0 else None))
        for keys in [self.source, self.backup]:
            rest = limit + 1
            for entry in keys.entries(prefix, delimiter, after + LAST if after.endswith("/") else after):
                if entry[0] not in seen:
                    found.append(entry)
                rest -= 1
                if rest == 0:
                    break
        found.sort()
        return found[:limit], len(found) > limit


class StoreHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    simulation = None

    def log_message(self, *_):
        pass

    def _split(self):
        path, _, query = self.path.partition("?")
        bucket, _, key = urllib.parse.unquote(path.lstrip("/")).partition("/")
        return key, dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

    def _answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _etag(self, key):
        body = self.simulation.objects.get(key)
        return etag(key) if body is None else hashlib.md5(body).hexdigest()

    def _missing(self):
        self._answer(404, b"<Error><Code>NoSuchKey</Code><Message>it does not exist</Message></Error>")

    def do_GET(self):
        key, query = self._split()
        if key:
            return self._read(key)
        if "list-type" not in query:
            return self._answer(200, b"<ListMultipartUploadsResult></ListMultipartUploadsResult>")
        after = query.get("continuation-token") or query.get("start-after") or ""
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        entries, more = self.simulation.page(prefix, delimiter, after, int(query.get("max-keys", 1000)))
        lines = ["<ListBucketResult>", f"<IsTruncated>{str(more).lower()}</IsTruncated>"]
        if more:
            lines.append(f"<NextContinuationToken>{escape(entries[-1][0])}</NextContinuationToken>")
        for text, size in entries:
            if size is None:
                lines.append(f"<CommonPrefixes><Prefix>{escape(text)}</Prefix></CommonPrefixes>")
            else:
                lines.append(
                    f"<Contents><Key>{escape(text)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                    f"<ETag>&quot;{self._etag(text)}&quot;</ETag><Size>{size}</Size></Contents>")  # fmt: skip
        lines.append("</ListBucketResult>")
        self._answer(200, "".join(lines).encode(), [("Content-Type", "application/xml")])

    def _read(self, key):
        body = self.simulation.objects.get(key)
        if body is None:
            return self._missing()
        status, headers = 200, [("ETag", f'"{self._etag(key)}"')]
        given = self.headers.get("Range")
        if given:
            first, _, last = given.removeprefix("bytes=").partition("-")
            last = min(int(last or len(body) - 1), len(body) - 1)
            headers.append(("Content-Range", f"bytes {first}-{last}/{len(body)}"))
            status, body = 206, body[int(first) : last + 1]
        self._answer(status, body, headers)

    do_HEAD = do_GET

    def do_PUT(self):
        key, _ = self._split()
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if key:
            with self.simulation.lock:
                if self.headers.get("If-None-Match") == "*" and key in self.simulation.objects:
                    return self._answer(412, b"<Error><Code>PreconditionFailed</Code></Error>")
                self.simulation.objects[key] = body
        self._answer(200, headers=[("ETag", f'"{hashlib.md5(body).hexdigest()}"')])

    def do_DELETE(self):
        key, _ = self._split()
        with self.simulation.lock:
            self.simulation.objects.pop(key, None)
        self._answer(204)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        with self.simulation.lock:
            for key in list(self.simulation.objects):
                if f"<Key>{escape(key)}</Key>" in body:
                    del self.simulation.objects[key]
        self._answer(200, b"<DeleteResult></DeleteResult>")


class Store:
    """The object store, on a port of its own."""

    def __init__(self, simulation, host, port):
        handler = type("Handler", (StoreHandler,), {"simulation": simulation})
        self.server = http.server.ThreadingHTTPServer((host, port), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()


class MilvusService(milvus_pb2_grpc.MilvusServiceServicer):
    """Version 2.3.5, as far as a backup asks."""

    def __init__(self, population):
        self.population = population

    def Connect(self, request, context):
        return milvus_pb2.ConnectResponse(
            status=common_pb2.Status(), server_info=common_pb2.ServerInfo(build_tags="v2.3.5"), identifier=1)

    def GetVersion(self, request, context):
        return milvus_pb2.GetVersionResponse(version="v2.3.5")

    def ListDatabases(self, request, context):
        return milvus_pb2.ListDatabasesResponse(db_names=["default"])

    def ShowCollections(self, request, context):
        numbers = range(self.population.collections)
        return milvus_pb2.ShowCollectionsResponse(
            collection_names=[f"collection_{number:06}" for number in numbers],
            collection_ids=[self.population.collection(number) for number in numbers])  # fmt: skip

    def HasCollection(self, request, context):
        return milvus_pb2.BoolResponse(value=False)

    @staticmethod
    def _number(request):
        name = getattr(request, "collection_name", "") or getattr(request, "collectionName", "")
        return int(name.split("_")[1]) if name else request.collectionID - BASE

    def DescribeCollection(self, request, context):
        number = self._number(request)
        fields = [
            schema_pb2.FieldSchema(fieldID=FIRST_FIELD, name="id", is_primary_key=True, data_type=schema_pb2.Int64),
            *(
                schema_pb2.FieldSchema(fieldID=id, name=f"field_{id}", data_type=schema_pb2.Int64)
                for id in FIELD_IDS[3:-1]
            ),
            schema_pb2.FieldSchema(
                fieldID=FIELD_IDS[-1], name="vector", data_type=schema_pb2.FloatVector,
                type_params=[common_pb2.KeyValuePair(key="dim", value="8")]),
        ]  # fmt: skip
        name = f"collection_{number:06}"
        return milvus_pb2.DescribeCollectionResponse(
            schema=schema_pb2.CollectionSchema(name=name, fields=fields), collectionID=BASE + number, shards_num=1,
            collection_name=name, virtual_channel_names=[f"by-dev-rootcoord-dml_0_{BASE + number}v0"],
            physical_channel_names=["by-dev-rootcoord-dml_0"], num_partitions=1, db_name="default")  # fmt: skip

    def ShowPartitions(self, request, context):
        return milvus_pb2.ShowPartitionsResponse(
            partition_names=["_default"], partitionIDs=[self.population.partition(self._number(request))],
            inMemory_percentages=[0])  # fmt: skip

    def DescribeIndex(self, request, context):
        return milvus_pb2.DescribeIndexResponse(
            status=common_pb2.Status(error_code=common_pb2.IndexNotExist, code=700, reason="index not found"))

    def GetLoadingProgress(self, request, context):
        return milvus_pb2.GetLoadingProgressResponse(
            status=common_pb2.Status(error_code=common_pb2.UnexpectedError, code=101, reason="collection not loaded"))

    def GetLoadState(self, request, context):
        return milvus_pb2.GetLoadStateResponse(state=common_pb2.LoadStateNotLoad)

    def Flush(self, request, context):
        response = milvus_pb2.FlushResponse()
        for name in request.collection_names:
            response.coll_segIDs[name].data.extend([])
            response.flush_coll_segIDs[name].data.extend([])
            response.coll_seal_times[name] = 1_700_000_000
        return response

    def GetFlushState(self, request, context):
        return milvus_pb2.GetFlushStateResponse(flushed=True)

    def FlushAll(self, request, context):
        return milvus_pb2.FlushAllResponse(flush_all_ts=BASE)

    def GetFlushAllState(self, request, context):
        return milvus_pb2.GetFlushAllStateResponse(flushed=True)

    def GetPersistentSegmentInfo(self, request, context):
        number = self._number(request)
        return milvus_pb2.GetPersistentSegmentInfoResponse(
            infos=[
                milvus_pb2.PersistentSegmentInfo(
                    segmentID=self.population.segment(number, segment), collectionID=BASE + number,
                    partitionID=self.population.partition(number), num_rows=1000, state=common_pb2.Flushed)
                for segment in range(self.population.segments)
            ])  # fmt: skip


class Milvus:
    """The gRPC server, on a port of its own."""

    def __init__(self, population, host, port, service=None):
        self.server = grpc.server(
            ThreadPoolExecutor(16), options=[("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)])
        milvus_pb2_grpc.add_MilvusServiceServicer_to_server(service or MilvusService(population), self.server)
        if not self.server.add_insecure_port(f"{host}:{port}"):
            raise OSError(f"port {port} is taken")
        self.server.start()

    def stop(self):
        self.server.stop(None)
