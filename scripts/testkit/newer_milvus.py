"""A fake of Milvus 2.5, which cannot run here, for users, roles and grants: python -m testkit.newer_milvus PORT FILE [empty]

It is made of the protobufs of the official client of that version (below `newer` of the virtual environment), so that what our
program writes and reads is judged by them. FILE always has what it knows of users and roles, as JSON.
"""

import json
import sys
import threading
from pathlib import Path

from google.protobuf.json_format import MessageToDict
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from .layout import HOST, VIRTUAL_ENVIRONMENT
from .simulated import Milvus, MilvusService, Population

VERSION = "v2.5.6"
# Where scripts/bootstrap puts the client of that version.
PACKAGES = VIRTUAL_ENVIRONMENT / "newer"


def some_rights():
    """Users with passwords as Milvus gives them out, encrypted; roles; grants on a collection and of a group."""
    meta = milvus_pb2.RBACMeta()
    meta.users.add(user="ada", password="JDJhJDEwJHNlY3JldA==", roles=[milvus_pb2.RoleEntity(name="reader")])
    meta.users.add(user="bob", password="JDJhJDEwJG90aGVy")
    meta.roles.add(name="reader")
    meta.roles.add(name="writer")
    for role, privilege, thing in [("reader", "Search", "orders"), ("writer", "maintenance", "*")]:
        meta.grants.add(
            role=milvus_pb2.RoleEntity(name=role), object=milvus_pb2.ObjectEntity(name="Collection"), object_name=thing,
            grantor=milvus_pb2.GrantorEntity(
                user=milvus_pb2.UserEntity(name="root"), privilege=milvus_pb2.PrivilegeEntity(name=privilege)),
            db_name="default")  # fmt: skip
    group = meta.privilege_groups.add(group_name="maintenance")
    group.privileges.add(name="Compaction")
    group.privileges.add(name="Flush")
    return meta


class NewerService(MilvusService):
    def __init__(self, population, meta, file):
        super().__init__(population)
        self.meta, self.file, self.lock = meta, Path(file), threading.Lock()
        self._write()

    def _write(self):
        self.file.write_text(json.dumps(MessageToDict(self.meta, preserving_proto_field_name=True)))

    def Connect(self, request, context):
        return milvus_pb2.ConnectResponse(
            status=common_pb2.Status(), server_info=common_pb2.ServerInfo(build_tags=VERSION), identifier=1)

    def GetVersion(self, request, context):
        return milvus_pb2.GetVersionResponse(version=VERSION)

    def DescribeDatabase(self, request, context):
        return milvus_pb2.DescribeDatabaseResponse(db_name=request.db_name, dbID=1)

    def ReplicateMessage(self, request, context):
        return milvus_pb2.ReplicateMessageResponse(position="CAEQAQ==")

    def CreateCollection(self, request, context):
        return common_pb2.Status()

    def BackupRBAC(self, request, context):
        return milvus_pb2.BackupRBACMetaResponse(RBAC_meta=self.meta)

    def RestoreRBAC(self, request, context):
        """As the real one: nothing at all when something is there already."""
        with self.lock:
            names = [
                ("user", {user.user for user in self.meta.users}, {user.user for user in request.RBAC_meta.users}),
                ("role", {role.name for role in self.meta.roles}, {role.name for role in request.RBAC_meta.roles}),
            ]
            for kind, present, new in names:
                if present & new:
                    return common_pb2.Status(
                        error_code=common_pb2.UnexpectedError, code=65535,
                        reason=f"{kind} [{min(present & new)}] already exists")  # fmt: skip
            self.meta.MergeFrom(request.RBAC_meta)
            self._write()
        return common_pb2.Status()


def main():
    port, file = sys.argv[1:3]
    meta = milvus_pb2.RBACMeta()
    if sys.argv[3:] == ["empty"]:
        # Somebody of the same name, with another password.
        meta.users.add(user="bob", password="bXluZQ==")
    else:
        meta = some_rights()
    population = Population(0 if sys.argv[3:] else 1, 0)
    server = Milvus(population, HOST, port, NewerService(population, meta, file))
    server.server.wait_for_termination()


if __name__ == "__main__":
    main()
