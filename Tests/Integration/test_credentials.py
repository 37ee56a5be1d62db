"""Keys of a store that are replaced while a job runs."""

import pytest
import yaml
from testkit import programs
from testkit.layout import SECRET_KEY, Store
from testkit.objects import Bucket
from testkit.processes import wait_until
from testkit.servers import StoreServer

NEW_KEY = "the-second-access-key"


class RekeyedStore(StoreServer):
    """A store whose access key can be replaced."""

    access_key = None

    def _environment(self):
        environment = super()._environment()
        return environment | ({"MINIO_ROOT_USER": self.access_key} if self.access_key else {})

    def replace_key(self, access_key):
        self.stop()
        self.access_key = access_key
        self.resume()


@pytest.fixture
def rekeyed(testbed, layout, tmp_path):
    server = RekeyedStore(Store("store-keys", layout.port_base + 93, layout.port_base + 94), tmp_path / "store-keys")
    server.start()
    yield server
    server.stop()


def test_a_new_access_key_is_read_from_the_configuration(install, archive, rekeyed, coordinator_address, name, wait_for_log):
    """The store no longer takes the old key, and the file has the new one by then: coordinator and agent read it again."""
    bucket = Bucket(rekeyed.service, name.replace("_", "-")).create()

    def change(values):
        values["log"].update(console=True)
        # No fast end before the key is replaced.
        values["transfer"] = {"bandwidth": "1MiB"}

    site = install(archive.milvus, bucket, change=change)
    options = ["--listen", coordinator_address, "--min-agents", 1]
    creating = site.start("create", "-n", name, "--filter", archive.filter, *options)
    agent = site.start_agent("mover", coordinator_address)
    assert wait_until(lambda: bucket.sizes(f"backup/{name}/binlogs/"), 60), creating.errors

    before = site.configuration_file.read_text()
    values = yaml.safe_load(before)
    values["backup"]["storage"]["auth"]["accessKeyID"] = NEW_KEY
    programs.write_configuration(site.configuration_file, values)
    rekeyed.replace_key(NEW_KEY)
    made = creating.wait(120)
    assert made.code == 0, str(made)
    for program in [creating, agent]:
        wait_for_log(program, "refuses the access key; taking the one the configuration has now", 1)
        assert SECRET_KEY not in program.errors

    # The old key would not do, and the new one finds the backup whole.
    old = programs.Installation(site.directory / "old.yaml", site.directory)
    old.configuration_file.write_text(before)
    refused = old.run("list")
    assert refused.code == 1 and "is not known to" in refused.errors, str(refused)
    checked = site.run("verify", "-n", name, "--deep")
    assert checked.code == 0, str(checked)
