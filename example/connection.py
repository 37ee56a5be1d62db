"""Where Milvus is: MILVUS_ADDRESS (localhost:19530), and MILVUS_TOKEN (user:password) where it wants one."""

import os

from pymilvus import connections

COLLECTIONS = ["hello_milvus", "hello_milvus2"]
ROWS = 3000
DIMENSION = 8


def connect():
    host, _, port = os.environ.get("MILVUS_ADDRESS", "localhost:19530").rpartition(":")
    user, _, password = os.environ.get("MILVUS_TOKEN", "").partition(":")
    connections.connect("default", host=host, port=port, user=user, password=password)
