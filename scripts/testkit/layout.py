"""The testbed on paper: which servers there are, on which ports, in which directories.

Ports count from a base and stay within two hundred of it. The base is what TESTBED_PORT_BASE says; else the first of
23500, 24500, ... where all ports were free when the testbed first came up.

    +1, +2    the S3 stores store-a and store-b        +6, +7    their metrics
    +3        moto, another S3 implementation
    +4        store-a once more, behind TLS
    +5        the fake of Azure Blob Storage
    +8        a fake Google Cloud Storage
    +10 n     Milvus n: +0 gRPC and REST, +1 management (health, metrics), +2 etcd
    +50+10 n  the ports that only Milvus n itself uses
    +90 ...   whatever tests and the demo start
    +110, +150 the same for milvus-e, which comes fifth
    +120, +160 the same for milvus-f, the sixth
"""

import os
from dataclasses import dataclass
from pathlib import Path

from . import azure
from .processes import port_answers

REPOSITORY = Path(__file__).resolve().parents[2]
VIRTUAL_ENVIRONMENT = Path(os.environ.get("MILVUS_BACKUP_TEST_VENV") or REPOSITORY / ".testbed" / "venv")
DEFAULT_DIRECTORY = REPOSITORY / ".testbed"
HOST = "127.0.0.1"
DEFAULT_PORT_BASE = 23500

# Of servers that live on this machine's loopback interface for the length of a test run.
ACCESS_KEY = "testbed-access"
SECRET_KEY = "testbed-secret"


@dataclass(frozen=True)
class Store:
    """A MinIO-protocol server of its own, with its own disk directory."""

    name: str
    port: int
    metrics_port: int

    @property
    def endpoint(self):
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True)
class Moto:
    """moto's S3 server: in memory, other behaviour in the corners."""

    name: str
    port: int

    @property
    def endpoint(self):
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True)
class Google:
    """A fake of Google Cloud Storage, in memory."""

    name: str
    port: int

    @property
    def endpoint(self):
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True)
class TLSFront:
    """Takes TLS off and passes on to a store; its certificate is signed by an authority of the testbed's own."""

    name: str
    store: Store
    port: int

    @property
    def endpoint(self):
        return f"https://{HOST}:{self.port}"


@dataclass(frozen=True)
class Azure:
    """A fake of Azure Blob Storage, see azure.py; its certificate is signed by an authority of its own."""

    name: str
    port: int

    @property
    def endpoint(self):
        return f"https://{HOST}:{self.port}"


@dataclass(frozen=True)
class Milvus:
    """A Milvus standalone whose data lives at `root` in `bucket` of `store`; without a store in files at `root`."""

    name: str
    store: Store | None
    bucket: str
    root: str
    port: int
    management_port: int
    etcd_port: int
    private_port: int
    password: str = ""  # Of the user root, where users have to say who they are.

    @property
    def store_name(self):
        return self.store.name if self.store else ""

    @property
    def address(self):
        return f"{HOST}:{self.port}"

    @property
    def management(self):
        return f"http://{HOST}:{self.management_port}"


class Layout:
    """All servers of one testbed and the directory it lives in."""

    def __init__(self, directory=None, port_base=None):
        self.directory = Path(directory or DEFAULT_DIRECTORY).resolve()
        wanted = port_base or os.environ.get("TESTBED_PORT_BASE")
        base = self.port_base = int(wanted or self._recorded_port_base() or DEFAULT_PORT_BASE)
        store_a = Store("store-a", base + 1, base + 6)
        store_b = Store("store-b", base + 2, base + 7)
        self.stores = [store_a, store_b]
        self.moto = Moto("moto", base + 3)
        self.google = Google("google", base + 8)
        self.tls = TLSFront("store-a-tls", store_a, base + 4)
        local_data = str(self.directory / "services" / "milvus-f" / "data")
        self.azure = Azure("azure", base + 5)
        table = [
            ("milvus-a", store_a, "milvus-a", "files"),
            ("milvus-b", store_b, "milvus-b", "files"),
            ("milvus-c", store_a, "milvus-a", "other"),  # beside milvus-a in one bucket
            ("milvus-d", store_a, "milvus-d", "files"),  # another bucket of milvus-a's store
            ("milvus-e", store_a, "milvus-e", "files"),  # asks for user and password
            ("milvus-f", None, "", local_data),  # keeps its data in a directory
        ]
        first_ports = [base + 10, base + 20, base + 30, base + 40, base + 110, base + 120]
        self.milvus = [
            Milvus(
                name=name,
                store=store,
                bucket=bucket,
                root=root,
                port=first,
                management_port=first + 1,
                etcd_port=first + 2,
                private_port=first + 40,
                password="Milvus" if name == "milvus-e" else "",
            )
            for first, (name, store, bucket, root) in zip(first_ports, table, strict=True)
        ]
        self.default_names = ["store-a", "store-b", "moto", "google", "store-a-tls", "azure", "milvus-a", "milvus-b"]

    @property
    def _port_base_file(self):
        return self.directory / "port-base"

    def _recorded_port_base(self):
        try:
            return int(self._port_base_file.read_text())
        except (FileNotFoundError, ValueError):
            return None

    def record_port_base(self):
        self.directory.mkdir(parents=True, exist_ok=True)
        self._port_base_file.write_text(f"{self.port_base}\n")

    @classmethod
    def with_free_ports(cls, directory=None):
        """The testbed of a directory, on ports that nobody uses if it does not have its ports yet."""
        layout = cls(directory)
        if os.environ.get("TESTBED_PORT_BASE") or layout._recorded_port_base():
            return layout
        for base in range(DEFAULT_PORT_BASE, DEFAULT_PORT_BASE + 5000, 1000):
            if not any(port_answers(HOST, port) for port in range(base, base + 200)):
                return cls(directory, base)
        return layout

    def forget(self):
        """Removes what tells others where the testbed is."""
        self._port_base_file.unlink(missing_ok=True)
        self.environment_file.unlink(missing_ok=True)

    @property
    def all(self):
        return [*self.stores, self.moto, self.google, self.tls, self.azure, *self.milvus]

    def named(self, name):
        for service in self.all:
            if service.name == name:
                return service
        raise KeyError(f"no server {name!r} in the testbed; there are {', '.join(s.name for s in self.all)}")

    def with_dependencies(self, names):
        """The named servers and the stores they need, in the order in which to start them."""
        wanted = {name for name in names}
        for name in names:
            store = getattr(self.named(name), "store", None)
            if store:
                wanted.add(store.name)
        return [service for service in self.all if service.name in wanted]

    def service_directory(self, service):
        return self.directory / "services" / service.name

    @property
    def google_credentials(self):
        """The key file of the fake's service account."""
        return self.service_directory(self.google) / "credentials.json"

    @property
    def certificate_authority(self):
        """The certificate by which one trusts the testbed's TLS."""
        return self.service_directory(self.tls) / "authority.pem"

    @property
    def environment_file(self):
        return self.directory / "environment"

    def environment(self):
        """The variables by which tests find the testbed."""
        a, b = self.milvus[0], self.milvus[1]
        store_a, store_b = self.stores

        def url(service, bucket):
            return service.endpoint.replace("://", f"://{ACCESS_KEY}:{SECRET_KEY}@") + f"/{bucket}"

        return {
            "MILVUS_BACKUP_TEST_DIRECTORY": str(self.directory),
            "MILVUS_BACKUP_TEST_MILVUS": a.address,
            "MILVUS_BACKUP_TEST_MILVUS_MANAGEMENT": a.management,
            "MILVUS_BACKUP_TEST_MILVUS_ETCD": f"{HOST}:{a.etcd_port}",
            "MILVUS_BACKUP_TEST_MILVUS_STORE": url(store_a, a.bucket),
            "MILVUS_BACKUP_TEST_MILVUS_SECOND": b.address,
            "MILVUS_BACKUP_TEST_MILVUS_SECOND_MANAGEMENT": b.management,
            "MILVUS_BACKUP_TEST_MILVUS_SECOND_STORE": url(store_b, b.bucket),
            # Buckets of no Milvus, for tests of object storage itself.
            "MILVUS_BACKUP_TEST_S3": url(store_a, "conformance"),
            "MILVUS_BACKUP_TEST_S3_OTHER_SERVER": url(store_b, "conformance"),
            "MILVUS_BACKUP_TEST_S3_SECOND": url(self.moto, "conformance"),
            "MILVUS_BACKUP_TEST_GOOGLE": f"{self.google.endpoint}/conformance",
            "MILVUS_BACKUP_TEST_GOOGLE_CREDENTIALS": str(self.google_credentials),
            "MILVUS_BACKUP_TEST_S3_TLS": url(self.tls, "conformance"),
            "MILVUS_BACKUP_TEST_S3_TLS_CA": str(self.certificate_authority),
            "MILVUS_BACKUP_TEST_AZURE": f"{self.azure.endpoint}/{azure.ACCOUNT}",
            "MILVUS_BACKUP_TEST_AZURE_KEY": azure.KEY,
            "MILVUS_BACKUP_TEST_AZURE_CA": str(self.service_directory(self.azure) / "authority.pem"),
        }

    def write_environment(self):
        lines = ["# The running testbed; read it with `. FILE`."]
        lines += [f"export {name}='{value}'" for name, value in self.environment().items()]
        self.environment_file.write_text("\n".join(lines) + "\n")
