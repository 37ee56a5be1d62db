"""The Go program of the same name, where MILVUS_BACKUP_PEER tells its path: it does what ours does, with the same words and
the same configuration file, so that the two can be measured beside each other."""

import os
import shutil
import subprocess
import sys

import yaml

from . import costs, vectors
from .layout import ACCESS_KEY, HOST, SECRET_KEY

VARIABLE = "MILVUS_BACKUP_PEER"


def path():
    """The absolute path of the original; None when nobody named it. Ends the program when it does not run."""
    named = os.environ.get(VARIABLE)
    if not named:
        return None
    program = shutil.which(os.path.abspath(named))
    if not program:
        sys.exit(f"{VARIABLE}: {named} is not a program; name the milvus-backup to measure beside this one")
    return program


def configuration(milvus, store, bucket, root):
    """A version 1 configuration, which is what every milvus-backup reads."""
    crosses = milvus.store != store
    return {
        "log": {"level": "warn", "console": False, "file": {"filename": ""}},
        "milvus": {"address": HOST, "port": milvus.port, "user": "", "password": "", "tlsMode": 0},
        "minio": {
            "storageType": "minio", "address": HOST, "port": milvus.store.port, "useSSL": False,
            "accessKeyID": ACCESS_KEY, "secretAccessKey": SECRET_KEY,
            "bucketName": milvus.bucket, "rootPath": milvus.root,
            "backupStorageType": "minio", "backupAddress": HOST, "backupPort": store.port, "backupUseSSL": False,
            "backupAccessKeyID": ACCESS_KEY, "backupSecretAccessKey": SECRET_KEY,
            "backupBucketName": bucket, "backupRootPath": root,
            # The original finds out by itself only in its later versions.
            "crossStorage": crosses,
        },
        "backup": {
            "parallelism": {"backupCollection": 4, "copydata": 128, "restoreCollection": 2},
            "gcPause": {"enable": True, "seconds": 600, "address": milvus.management},
        },
    }  # fmt: skip


class Tool:
    """A milvus-backup, ours or the original, with a file of version 1."""

    def __init__(self, program, file, values):
        self.program = str(program)
        self.file = file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(values, sort_keys=False))
        told = subprocess.run([self.program, "create", "--help"], capture_output=True, text=True, cwd=file.parent)
        # Up to 0.5.9 a database is chosen by a flag of its own.
        filters = "--filter" in told.stdout + told.stderr
        self.selection = ["--filter", f"{vectors.DATABASE}.*"] if filters else ["--databases", vectors.DATABASE]

    def create(self, name):
        return self._run("create", "-n", name, *self.selection)

    def restore(self, name):
        return self._run("restore", "-n", name)

    def delete(self, name):
        return self._run("delete", "-n", name)

    def _run(self, *words):
        # Older ones say in words alone that they failed, and are found out by what they have left behind.
        return costs.run([self.program, *words, "--config", self.file])
