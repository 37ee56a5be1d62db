"""Files that the commands write, on a disk that is full: whole or not there, and what was there stays."""

import contextlib

import pytest
from testkit.disk import DiskError, TinyDisk

NO_SPACE = "No space left on device"


@pytest.fixture
def disk(tmp_path):
    with contextlib.ExitStack() as stack:
        try:
            disk = stack.enter_context(TinyDisk(tmp_path / "disk", size=64 * 1024))
        except DiskError as error:
            pytest.skip(f"nothing can be mounted here: {error}")
        yield disk


def test_a_translated_configuration(install, milvus_a, bucket, disk):
    installation = install(milvus_a, bucket)
    installation.configuration_file.write_text("minio:\n  bucketName: theirs\n")
    new = disk.directory / "new.yaml"
    new.write_text("what was there before\n")
    disk.fill()

    def migrate(output, *options):
        return installation.run("config", "migrate", "--output", output, *options)

    for output, options in [(new, ["--force"]), (disk.directory / "third.yaml", [])]:
        result = migrate(output, *options)
        assert result.code == 1, str(result)
        assert result.errors.splitlines()[-1].startswith(f"Error: cannot write {output}: {NO_SPACE}"), str(result)
    assert sorted(path.name for path in disk.directory.iterdir()) == ["ballast", "new.yaml"]
    assert new.read_text() == "what was there before\n"

    disk.ballast.unlink()
    assert migrate(new, "--force").code == 0
    assert "bucketName: theirs" in new.read_text() and new.stat().st_mode & 0o777 == 0o600


def test_certificates(install, milvus_a, bucket, disk):
    installation = install(milvus_a, bucket)
    disk.fill()
    result = installation.run("certs", "--out", disk.directory, "--hosts", "localhost", "--agents", "n1")
    assert result.code == 1 and NO_SPACE in result.errors.splitlines()[-1], str(result)
    assert [path.name for path in disk.directory.iterdir()] == ["ballast"]
