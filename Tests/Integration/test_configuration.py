"""Files and ways of access that users of the original have."""

import json
import re

import pytest
from testkit import programs
from testkit.compare import compare
from testkit.layout import ACCESS_KEY, HOST, SECRET_KEY
from testkit.rest import Server


@pytest.fixture
def version1(install, milvus_a, bucket):
    """An installation with a file as releases of 2024 had it."""
    installation = install(milvus_a, bucket)
    values = {
        "log": {"level": "info", "console": False, "file": {"rootPath": str(installation.directory / "v1.log")}},
        "http": {"simpleResponse": True},
        "milvus": {
            "address": HOST, "port": milvus_a.port, "authorizationEnabled": False, "tlsMode": 0, "user": "",
            "password": "",
        },
        "minio": {
            "storageType": "minio", "address": HOST, "port": milvus_a.store.port, "accessKeyID": ACCESS_KEY,
            "secretAccessKey": SECRET_KEY, "useSSL": False, "bucketName": milvus_a.bucket, "rootPath": milvus_a.root,
            "backupStorageType": "minio", "backupAddress": HOST, "backupPort": bucket.service.port,
            "backupAccessKeyID": ACCESS_KEY, "backupSecretAccessKey": SECRET_KEY, "backupBucketName": bucket.name,
            "backupRootPath": "old", "crossStorage": "true",
        },
        "backup": {"maxSegmentGroupSize": "2G", "gcPause": {"enable": False}},
    }  # fmt: skip
    programs.write_configuration(installation.configuration_file, values)
    return installation


def test_a_file_of_the_original_works_as_it_is(version1, note, bucket, name, drop_later, connect):
    made = version1.run("create", "-n", name, "-a", f'{{"{note.database}": []}}')
    assert made.code == 0, str(made)
    assert bucket.sizes(f"old/{name}/meta/")
    drop_later(note.milvus, f"notes_{name}", note.database)
    restored = version1.run("restore", "-n", name, "-s", f"_{name}", "--restore_index")
    assert restored.code == 0, str(restored)
    connection = connect(note.milvus, note.database)
    comparison = compare(connection, "notes", connection, f"notes_{name}")
    assert comparison.same, str(comparison)
    assert version1.run("delete", "-n", name).code == 0
    assert not bucket.sizes()


def test_environment_and_set_go_before_the_file(version1, bucket):
    wrong = {"MINIO_BACKUP_BUCKET_NAME": "no-such-bucket"}
    refused = version1.run("restore", "-n", "x", environment=wrong)
    assert 'bucket "no-such-bucket" does not exist' in refused.errors
    found = version1.run("restore", "-n", "x", "--set", f"minio.backupBucketName={bucket.name}", environment=wrong)
    assert "backup x not found" in found.errors


def test_a_store_behind_tls(install, layout, milvus_a, bucket, note, name):
    """Its authority is nobody's but the testbed's: it must be named, in the file or in the environment."""
    beside = layout.tls

    def change(trust):
        def apply(values):
            values["backup"]["storage"].update(
                address=HOST, port=beside.port, useSSL=True, caCertPath=trust, bucketName="conformance", rootPath=name
            )

        return apply

    create = ["create", "-n", name, "--filter", note.filter]
    authority = str(layout.certificate_authority)
    refused = install(milvus_a, bucket, change=change("")).run(*create)
    assert refused.code == 1, str(refused)
    assert refused.errors.count("\n") == 1
    assert "certificate" in refused.errors

    missing = install(milvus_a, bucket, change=change("/nowhere.pem")).run(*create)
    assert missing.code == 1, str(missing)
    assert "/nowhere.pem" in missing.errors

    for trust, environment in [(authority, {}), ("", {"SSL_CERT_FILE": authority})]:
        installation = install(milvus_a, bucket, change=change(trust))
        made = installation.run(*create, environment=environment)
        assert made.code == 0, str(made)
        assert installation.run("delete", "-n", name, environment=environment).code == 0


def test_check_tells_whether_all_is_well(install, milvus_a, bucket):
    installation = install(milvus_a, bucket)
    result = installation.run("check")
    assert result.code == 0, str(result)
    assert result.output.startswith("Configuration:\n")
    assert "Milvus version: v2.3.5" in result.output
    assert result.output.rstrip().endswith("Success!")
    for line in [
        r"warning  management port +http://\S+ answers, and this Milvus does not offer to pause",
        r"ok       backup.storage: delete ",
        r"ok       clock of milvus.storage +as that of this machine",
        r"ok       agent port +none",
    ]:
        assert re.search(line, result.output), line + "\n" + result.output
    empty = installation.run("check", "--set", "milvus.storage.rootPath=nothing-here")
    assert empty.code == 0
    assert "!!! Milvus root path is empty !!!" in empty.output
    assert not bucket.sizes()


def test_check_tells_everything_that_is_wrong(install, milvus_a, bucket):
    def change(values):
        values["milvus"]["management"]["endpoint"] = "http://127.0.0.1:1"
        values["backup"]["storage"]["auth"] = {"type": "static", "accessKeyID": "nobody", "secretAccessKey": "nothing1"}

    installation = install(milvus_a, bucket, change=change)
    result = installation.run("check")
    assert result.code == 1
    assert "warning  management port" in result.output and "Success!" not in result.output
    assert "error    backup.storage: list" in result.output
    assert 'the access key "nobody" is not known' in result.errors.splitlines()[-1]
    # A document in any case, with the error in it.
    document = json.loads(installation.run("check", "--json").output)
    verdicts = {check["name"]: check["result"] for check in document["checks"]}
    assert verdicts["Milvus"] == "ok" and verdicts["backup.storage: list"] == "error"
    assert document["error"]["code"] == "permissionDenied"


def test_check_knows_a_running_server(install, milvus_a, bucket):
    server = Server(install(milvus_a, bucket, change=lambda values: values["log"].update(console=True)))
    try:
        line = f"ok       REST port .*127.0.0.1:{server.port}: a server of milvus-backup answers"
        result = install(milvus_a, bucket).run("check", environment={"SERVER_PORT": str(server.port)})
        assert re.search(line, result.output), result.output
        assert "this server answers" in server.client().get("/check").text
    finally:
        server.program.stop()
