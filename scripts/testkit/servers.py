"""How each kind of server of the testbed is started and recognised as ready."""

import glob
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from .layout import (
    ACCESS_KEY,
    HOST,
    REPOSITORY,
    SECRET_KEY,
    VIRTUAL_ENVIRONMENT,
    Azure,
    Google,
    Milvus,
    Moto,
    Store,
    TLSFront,
)
from .processes import Background, ProcessError, listener_of, port_answers, wait_until


def body_of(url, timeout=3, headers=None):
    """What a URL answers, or None while there is no answer."""
    try:
        request = urllib.request.Request(url, headers=headers or {})
        with urllib.request.urlopen(request, timeout=timeout) as response:
            return response.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return f"status {error.code}"
    except (OSError, ValueError):
        return None


class Server:
    """One server of the testbed. Subclasses say how to start it and when it is ready."""

    time_limit = 60

    def __init__(self, service, directory):
        self.service = service
        self.name = service.name
        self.directory = directory
        self.process = Background(service.name, directory)

    @property
    def running(self):
        return self.process.pid is not None

    def ports(self):
        """The ports that have to be free before it starts."""
        raise NotImplementedError

    def launch(self):
        raise NotImplementedError

    def is_ready(self):
        raise NotImplementedError

    def start(self):
        """Starts over, without old data, and waits until the server is ready."""
        self.process.erase()
        self.directory.mkdir(parents=True)
        for port in self.ports():
            if port_answers(HOST, port):
                raise ProcessError(
                    f"{self.name}: port {port} is in use ({listener_of(port)}); "
                    "stop that, or move the testbed with TESTBED_PORT_BASE"
                )
        process = self.launch()
        self._wait_until_ready(process)

    def resume(self):
        """Starts with the data that is there."""
        self._wait_until_ready(self.launch())

    def _wait_until_ready(self, process):
        ready = wait_until(lambda: process.poll() is not None or self.is_ready(), self.time_limit)
        if process.poll() is not None or not ready:
            what = f"ended with status {process.returncode}" if process.poll() is not None else "is not ready"
            raise ProcessError(
                f"{self.name} {what} (after at most {self.time_limit} s); the end of {self.process.log}:\n"
                + self.process.last_lines()
            )

    def stop(self, patience=0):
        self.process.stop(patience)


class StoreServer(Server):
    """JuiceFS' gateway, which is MinIO's server code over a directory."""

    time_limit = 60

    def ports(self):
        return [self.service.port, self.service.metrics_port]

    @property
    def _metadata(self):
        return f"badger://{self.directory / 'metadata'}"

    def _environment(self):
        return {
            "MINIO_ROOT_USER": ACCESS_KEY,
            "MINIO_ROOT_PASSWORD": SECRET_KEY,
            "HOME": str(self.directory),
        }

    def launch(self):
        juicefs = VIRTUAL_ENVIRONMENT / "bin" / "juicefs"
        if not (self.directory / "metadata").exists():
            self._format(juicefs)
        return self.process.start(
            [
                str(juicefs), "gateway", "--multi-buckets", "--keep-etag", "--no-usage-report", "--no-banner",
                "--backup-meta", "0", "--cache-size", "0", "--cache-dir", str(self.directory / "cache"),
                "--log", str(self.directory / "gateway.log"), "--metrics", f"{HOST}:{self.service.metrics_port}",
                self._metadata, f"{HOST}:{self.service.port}",
            ],
            self._environment(),
        )  # fmt: skip

    def _format(self, juicefs):
        result = subprocess.run(
            [
                str(juicefs), "format", "--storage", "file", "--bucket", str(self.directory / "objects"),
                "--trash-days", "0", self._metadata, self.name,
            ],
            env={**os.environ, **self._environment()},
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
        if result.returncode:
            raise ProcessError(f"{self.name}: cannot make the file system: {result.stderr.strip()[-500:]}")

    def is_ready(self):
        return body_of(f"{self.service.endpoint}/minio/health/live") == ""


class MotoServer(Server):
    """moto in memory."""

    def ports(self):
        return [self.service.port]

    def launch(self):
        return self.process.start(
            [str(VIRTUAL_ENVIRONMENT / "bin" / "moto_server"), "-H", HOST, "-p", str(self.service.port)],
            {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY},
        )

    def is_ready(self):
        return body_of(f"{self.service.endpoint}/moto-api/data.json") is not None


class GoogleServer(Server):
    """A fake of Google Cloud Storage."""

    def ports(self):
        return [self.service.port]

    def launch(self):
        return self.process.start(
            [sys.executable, "-m", "testkit.google", str(self.service.port), str(self.directory)],
            {"PYTHONPATH": str(REPOSITORY / "scripts"), "PYTHONDONTWRITEBYTECODE": "1"},
        )

    def is_ready(self):
        return body_of(f"{self.service.endpoint}/") is not None


class TLSFrontServer(Server):
    """stunnel with a certificate made for the occasion."""

    def ports(self):
        return [self.service.port]

    def launch(self):
        if not (self.directory / "server.pem").exists():
            self._make_certificates()
        configuration = self.directory / "stunnel.conf"
        configuration.write_text(
            f"foreground = yes\npid =\n[store]\naccept = {HOST}:{self.service.port}\n"
            f"connect = {HOST}:{self.service.store.port}\ncert = {self.directory}/server.pem\n"
            f"key = {self.directory}/server.key\n"
        )
        return self.process.start(["stunnel", str(configuration)])

    def _make_certificates(self):
        def openssl(*arguments):
            command = ["openssl", *arguments]
            result = subprocess.run(command, cwd=self.directory, capture_output=True, text=True, check=False)
            if result.returncode:
                raise ProcessError(f"{self.name}: {' '.join(command)}: {result.stderr.strip()[-500:]}")

        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl(
            "req", "-x509", *key, "-keyout", "authority.key", "-out", "authority.pem", "-days", "30",
            "-subj", "/CN=testbed authority",
        )  # fmt: skip
        openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=testbed")
        (self.directory / "names").write_text(f"subjectAltName = IP:{HOST}, DNS:localhost\n")
        openssl(
            "x509", "-req", "-in", "server.csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial",
            "-out", "server.pem", "-days", "30", "-extfile", "names",
        )  # fmt: skip

    def is_ready(self):
        return port_answers(HOST, self.service.port)


class AzureFake(Server):
    """See azure.py."""

    def ports(self):
        return [self.service.port]

    def launch(self):
        return self.process.start(
            [
                str(VIRTUAL_ENVIRONMENT / "bin" / "python"), "-m", "testkit.azure", str(self.directory),
                str(self.service.port),
            ],
            {"PYTHONPATH": str(REPOSITORY / "scripts"), "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip

    def is_ready(self):
        return port_answers(HOST, self.service.port)


class MilvusServer(Server):
    """Milvus standalone with etcd and the message queue inside, its data in a store."""

    time_limit = 180
    COMPONENTS = ["proxy", "rootCoord", "queryCoord", "queryNode", "indexNode", "dataCoord", "dataNode"]

    def ports(self):
        service = self.service
        return [service.port, service.management_port, service.etcd_port] + [
            service.private_port + index for index in range(len(self.COMPONENTS) + 1)
        ]

    def launch(self):
        directory, service = self.directory, self.service
        configs = directory / "configs"
        configs.mkdir(exist_ok=True)
        etcd_peer = service.private_port + len(self.COMPONENTS)
        (configs / "milvus.yaml").write_text(self._configuration())
        # Milvus reads its logging flags from here too.
        shutil.copy(glob.glob(f"{VIRTUAL_ENVIRONMENT}/lib/python3*/site-packages/milvus/data/glog.conf")[0], configs)
        (configs / "etcd.yaml").write_text(ETCD_CONFIGURATION.format(client=service.etcd_port, peer=etcd_peer))
        binaries = VIRTUAL_ENVIRONMENT / "milvus-server" / "bin"
        libraries = [str(binaries), os.environ.get("LD_LIBRARY_PATH", "")]
        return self.process.start(
            [str(binaries / "milvus"), "run", "standalone"],
            {
                "DEPLOY_MODE": "STANDALONE",
                "MILVUSCONF": str(configs),
                "MILVUS_RUN_DIR": str(directory / "run"),
                "METRICS_PORT": str(service.management_port),
                "ETCD_CONFIG_PATH": str(configs / "etcd.yaml"),
                "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
            },
        )

    def _configuration(self):
        service = self.service
        ports = {name: service.private_port + index for index, name in enumerate(self.COMPONENTS)}
        return MILVUS_CONFIGURATION.format(
            host=HOST,
            data=self.directory / "data",
            etcd_port=service.etcd_port,
            storage_type="minio" if service.store else "local",
            store_port=service.store.port if service.store else 0,
            access_key=ACCESS_KEY,
            secret_key=SECRET_KEY,
            bucket=service.bucket or "none",  # Milvus wants a name, and looks at nothing of the kind.
            root=service.root if service.store else "files",
            port=service.port,
            ports=ports,
            authorization="true" if service.password else "false",
        )

    def stop(self, patience=0):
        pid = self.process.last_pid
        super().stop(patience)
        # A note to itself that Milvus always leaves there, and only there.
        Path(f"/tmp/milvus/server_id_{pid}").unlink(missing_ok=True)

    def is_ready(self):
        if body_of(f"{self.service.management}/healthz") != "OK":
            return False
        headers = {"Authorization": f"Bearer root:{self.service.password}"} if self.service.password else {}
        answer = body_of(f"http://{self.service.address}/v1/vector/collections", headers=headers)
        return answer is not None and '"code":200' in answer


# The peers' port is the reason for a file: Milvus itself passes only the directory and the log on.
ETCD_CONFIGURATION = """\
listen-client-urls: http://127.0.0.1:{client}
advertise-client-urls: http://127.0.0.1:{client}
listen-peer-urls: http://127.0.0.1:{peer}
initial-advertise-peer-urls: http://127.0.0.1:{peer}
initial-cluster: default=http://127.0.0.1:{peer}
unsafe-no-fsync: true
"""

# Only what differs from Milvus' own defaults. Compaction is off so that a collection keeps the segments, and the
# delete logs, that a test made. An import that was under way when Milvus was killed is never gone on with, and fails when it
# expires: by default after a quarter of an hour.
MILVUS_CONFIGURATION = """\
etcd:
  endpoints: {host}:{etcd_port}
  rootPath: by-dev
  log:
    level: error
  use:
    embed: true
  data:
    dir: {data}/etcd
localStorage:
  path: {data}
minio:
  address: {host}
  port: {store_port}
  accessKeyID: {access_key}
  secretAccessKey: {secret_key}
  useSSL: false
  bucketName: {bucket}
  rootPath: {root}
mq:
  type: rocksmq
rocksmq:
  path: {data}/rocksmq
rootCoord:
  ip: {host}
  port: {ports[rootCoord]}
  importTaskExpiration: 120
dataCoord:
  ip: {host}
  port: {ports[dataCoord]}
  segment:
    assignmentExpiration: 500
  compaction:
    enableAutoCompaction: false
proxy:
  ip: {host}
  port: {port}
  internalPort: {ports[proxy]}
queryCoord:
  ip: {host}
  port: {ports[queryCoord]}
  checkChannelInterval: 100
  checkSegmentInterval: 100
  checkInterval: 100
  distPullInterval: 100
queryNode:
  ip: {host}
  port: {ports[queryNode]}
indexNode:
  ip: {host}
  port: {ports[indexNode]}
dataNode:
  ip: {host}
  port: {ports[dataNode]}
indexCoord:
  scheduler:
    interval: 100
log:
  level: info
  stdout: true
common:
  storageType: {storage_type}
  gracefulStopTimeout: 5
  security:
    authorizationEnabled: {authorization}
quotaAndLimits:
  enabled: false
"""

KINDS = {
    Store: StoreServer,
    Moto: MotoServer,
    Google: GoogleServer,
    TLSFront: TLSFrontServer,
    Azure: AzureFake,
    Milvus: MilvusServer,
}


def server_for(layout, service):
    return KINDS[type(service)](service, layout.service_directory(service))
