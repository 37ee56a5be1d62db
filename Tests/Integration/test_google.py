"""Backups in Google Cloud Storage: against the testbed's fake of it, which checks keys, tokens and conditions."""

import json

from testkit import programs
from testkit.compare import compare


def in_google(layout, bucket, credentials=None):
    """Puts the backups into the fake."""

    def change(values):
        values["backup"]["shard"] = {"maxSizeMiB": 1}
        values["backup"]["storage"] = {
            "provider": "gcpnative",
            "address": "127.0.0.1",
            "port": layout.google.port,
            "bucketName": bucket,
            "rootPath": "backup",
            "auth": {"type": "serviceAccount", "credentialsFile": str(credentials or layout.google_credentials)},
        }

    return change


def test_the_whole_life_of_a_backup(layout, install, bucket, archive, milvus_b, connect, coordinator_address, name):
    place = in_google(layout, bucket.name)

    def listening(values):
        place(values)
        values["coordinator"]["listen"] = coordinator_address

    tool = install(archive.milvus, bucket, change=place)
    checked = tool.run("check")
    assert "backup.storage: delete" in checked.output, checked  # The bucket was made, too.

    server = install(archive.milvus, bucket, change=listening)
    agent = server.start_agent("agent", coordinator_address)
    created = server.run("create", "-n", name, "--filter", archive.filter)
    assert created.code == 0, created
    assert set(programs.shares(created)) == {"agent"}, created
    agent.stop()
    assert name in tool.run("list").output
    verified = tool.run("verify", "-n", name, "--deep")
    assert verified.code == 0, verified
    assert json.loads(tool.run("get", "-n", name).output)["name"] == name

    target = connect(milvus_b, name, create_database=True)
    restored = install(milvus_b, bucket, change=place).run(
        "restore", "-n", name, "--rename", f"{archive.database}.*:{target.database}.*"
    )
    assert restored.code == 0, restored
    original = connect(archive.milvus, archive.database)
    assert all(compare(original, one, target, one, indexes=False).same for one in archive.collections)

    # Copied by the store itself; objects beyond a MiB in two calls.
    copied = tool.run("l0compact", "-n", name, "--output", f"{name}_2")
    assert copied.code == 0, copied
    assert tool.run("verify", "-n", f"{name}_2", "--deep").code == 0
    assert tool.run("delete", "-n", name).code == 0
    assert name not in tool.run("list").output.replace(f"{name}_2", "")


def test_a_bad_key_is_one_line(layout, install, bucket, archive, tmp_path):
    content = json.loads(layout.google_credentials.read_text())
    secret = content["private_key"].splitlines()[1]
    file = tmp_path / "key.json"
    for change, words in [
        ({"private_key": "nothing"}, "has a private_key that is not an RSA key in PEM form"),
        ({"type": "authorized_user"}, 'is of type "authorized_user"'),
        ({"client_email": "somebody@else"}, "invalid_grant"),
    ]:
        file.write_text(json.dumps(content | change))
        failed = install(archive.milvus, bucket, change=in_google(layout, bucket.name, file)).run("list")
        said = failed.output + failed.errors
        assert failed.code != 0 and words in said and secret not in said, failed
        assert len(failed.errors.strip().splitlines()) == 1, failed
