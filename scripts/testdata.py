"""Fills a Milvus with known collections, prints digests of what is in one, and compares two.

    scripts/testdata.py create  --milvus 127.0.0.1:23510
    scripts/testdata.py digest  --milvus 127.0.0.1:23510 [--collection shop.orders]
    scripts/testdata.py compare --milvus 127.0.0.1:23510 --with 127.0.0.1:23520 [--suffix _restored]

Run it with the testbed's Python: .testbed/venv/bin/python.
"""

import argparse
import sys
import time

from testkit.compare import compare
from testkit.data import COLLECTIONS, make_all
from testkit.digest import digest
from testkit.server_connection import Connection


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["create", "digest", "compare"])
    parser.add_argument("--milvus", required=True, metavar="HOST:PORT")
    parser.add_argument("--with", dest="other", metavar="HOST:PORT", help="compare: the server with the copies")
    parser.add_argument("--suffix", default="", help="compare: what the copies' names end with")
    parser.add_argument("--collection", action="append", metavar="DATABASE.NAME", help="default: all that create makes")
    arguments = parser.parse_args()
    if arguments.command == "compare" and not arguments.other:
        parser.error("compare needs --with")
    names = [tuple(name.split(".", 1)) for name in arguments.collection or []]
    names = names or [(database, name) for database, name, _ in COLLECTIONS]

    began = time.monotonic()
    good = True
    if arguments.command == "create":
        make_all(arguments.milvus)
    for database, name in names if arguments.command == "digest" else []:
        with Connection(arguments.milvus, database) as connection:
            print(f"{database}.{name}: {digest(connection, name)}", flush=True)
    for database, name in names if arguments.command == "compare" else []:
        with Connection(arguments.milvus, database) as source, Connection(arguments.other, database) as target:
            result = compare(source, name, target, name + arguments.suffix)
            print(f"{database}.{name}: {result} ({result.digest})", flush=True)
            good = good and result.same
    print(f"{time.monotonic() - began:.1f} s")
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
