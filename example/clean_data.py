"""Drops the collections of the other examples, those that were restored as well.

    python example/clean_data.py
"""

from connection import COLLECTIONS, connect
from pymilvus import utility

connect()
for name in [*COLLECTIONS, *(f"{name}_recover" for name in COLLECTIONS)]:
    if utility.has_collection(name):
        utility.drop_collection(name)
        print(f"{name} dropped")
