"""Looking into an S3 store from the outside."""

import functools

import boto3
from botocore.config import Config

from .layout import ACCESS_KEY, SECRET_KEY


def client_for(service):
    """A boto3 client of one of the testbed's stores."""
    return _client(service.endpoint)


@functools.cache  # To make one takes longer than most calls; threads may share it.
def _client(endpoint):
    return boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name="us-east-1",
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 3}, max_pool_connections=16),
    )


class Bucket:
    """One bucket of a store."""

    def __init__(self, service, name):
        self.service = service
        self.name = name
        self.client = client_for(service)

    def exists(self):
        return self.name in [entry["Name"] for entry in self.client.list_buckets()["Buckets"]]

    def create(self):
        if not self.exists():
            self.client.create_bucket(Bucket=self.name)
        return self

    def sizes(self, prefix=""):
        """Key to size of every object below a prefix."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return {entry["Key"]: entry["Size"] for page in pages for entry in page.get("Contents", [])}

    def sizes_outside(self, root):
        """Key to size of every object that is not below a directory at the top of the bucket."""
        page = self.client.list_objects_v2(Bucket=self.name, Delimiter="/")
        directories = [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        found = {entry["Key"]: entry["Size"] for entry in page.get("Contents", [])}
        for directory in directories:
            if directory != f"{root}/":
                found |= self.sizes(directory)
        return found

    def get(self, key):
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def put(self, key, body=b""):
        self.client.put_object(Bucket=self.name, Key=key, Body=body)

    def delete(self, key):
        self.client.delete_object(Bucket=self.name, Key=key)

    def erase(self, prefix=""):
        """Deletes every object below a prefix."""
        for key in self.sizes(prefix):
            self.delete(key)

    def remove(self):
        """Deletes the bucket with everything in it."""
        if self.exists():
            self.erase()
            self.client.delete_bucket(Bucket=self.name)
