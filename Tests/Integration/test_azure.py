"""Backups in Azure Blob Storage: the fake of testkit.azure, which Microsoft's own client has checked, stands for it."""

import base64
import json

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceExistsError
from azure.storage.blob import BlobServiceClient, generate_blob_sas
from testkit import azure, programs
from testkit.compare import compare

CONTAINER = "backups"
COLLECTIONS = ("documents", "drafts")


@pytest.fixture
def service(tmp_path):
    with azure.AzureServer(tmp_path / "azure") as server:
        yield server


@pytest.fixture
def storage(service):
    """`backup.storage` in the fake."""
    return {
        "provider": "azure",
        "address": azure.HOST,
        "port": service.port,
        "caCertPath": str(service.authority),
        "accountName": azure.ACCOUNT,
        "bucketName": CONTAINER,
        "rootPath": "backup",
        "auth": {"type": "sharedKey", "accountKey": azure.KEY},
    }


@pytest.fixture
def installed(install, bucket, storage):
    """Installations that keep their backups there: installed(milvus, auth={...})."""

    def make(milvus, **changes):
        def change(values):
            values["backup"]["storage"] = storage | changes
            values["backup"]["shard"] = {"maxObjects": 4}
            values["log"] |= {"level": "debug", "console": True}

        return install(milvus, bucket, change=change)

    return make


def sizes(service, prefix=""):
    with service.client() as client:
        return {blob.name: blob.size for blob in client.get_container_client(CONTAINER).list_blobs(prefix)}


def run(installation, address, agents, command, *options):
    """Gives how many objects the only worker has copied."""
    if agents == 0:
        result = installation.run(command, *options)
    else:
        coordinator = installation.start(command, *options, "--listen", address, "--min-agents", agents)
        workers = installation.start_agents(agents, address)
        result = coordinator.wait(300)
        for worker in workers:
            assert worker.stop().code == 0
    assert result.code == 0, str(result)
    assert len(programs.shares(result)) == max(agents, 1)
    return sum(share.objects for share in programs.shares(result).values())


def test_microsofts_client_is_content_with_the_fake(service):
    """If it were not, all that is tested with it would prove nothing."""
    client = service.client(max_single_put_size=1000, max_block_size=1 << 20)
    container = client.get_container_client("one")
    container.create_container()
    contents = {"a/ä +&b.txt": b"hello", "blocks": bytes(range(256)) * 10_000, "empty": b"", "d": b"x"}
    for name, content in contents.items():
        container.upload_blob(name, content)
    assert {blob.name: blob.size for blob in container.list_blobs()} == {n: len(c) for n, c in contents.items()}
    assert [blob.name for blob in container.walk_blobs()] == ["a/", "blocks", "d", "empty"]
    first, *_ = container.list_blobs(results_per_page=3).by_page()
    assert [blob.name for blob in first] == ["a/ä +&b.txt", "blocks", "d"]
    for name, content in contents.items():
        assert container.download_blob(name).readall() == content
    assert container.download_blob("blocks", offset=255, length=3).readall() == b"\xff\x00\x01"
    with pytest.raises(ResourceExistsError):
        container.upload_blob("d", b"y")
    sas = generate_blob_sas(
        azure.ACCOUNT, "one", "blocks", account_key=azure.KEY, permission="r", expiry="2099-01-01T00:00:00Z"
    )
    copy = container.get_blob_client("copy")
    copy.upload_blob_from_url(f"{service.url}/one/blocks?{sas}")
    assert copy.download_blob().readall() == contents["blocks"]
    with pytest.raises(HttpResponseError, match="CannotVerifyCopySource"):
        copy.upload_blob_from_url(f"{service.url}/one/blocks?{sas.replace('sig=', 'sig=a')}", overwrite=True)
    container.delete_blob("d")
    assert not container.get_blob_client("d").exists()
    wrong = BlobServiceClient(
        service.url, credential=base64.b64encode(b"wrong").decode(), connection_verify=str(service.authority)
    )
    with pytest.raises(ClientAuthenticationError):
        list(wrong.get_container_client("one").list_blobs())


@pytest.mark.parametrize("agents", [0, 1], ids=["alone", "agent"])
def test_backup_and_restore(
    service, installed, shop, milvus_b, connect, drop_later, coordinator_address, name, agents
):
    """From Milvus' S3 to Azure, by one worker, and from there into another Milvus."""
    source = installed(shop.milvus)
    listed = ",".join(f"{shop.database}.{each}" for each in COLLECTIONS)
    copied = run(source, coordinator_address, agents, "create", "-n", name, "--filter", listed)
    stored = sizes(service, f"backup/{name}/binlogs/")
    assert copied == len(stored) > 5

    # Every object has a checksum of the bytes that passed: nothing is left to be believed.
    checked = source.run("verify", "-n", name, "--deep", "--json")
    report = json.loads(checked.output)["verification"]
    assert (checked.code, report["damaged"], report["unproven"], report["objects"]) == (0, False, 0, copied), str(checked)

    for each in COLLECTIONS:
        drop_later(milvus_b, each, shop.database)
    target = installed(milvus_b)
    assert run(target, coordinator_address, agents, "restore", "-n", name, "--rebuild_index") == copied
    for each in COLLECTIONS:
        comparison = compare(connect(shop.milvus, shop.database), each, connect(milvus_b, shop.database), each)
        assert comparison.same, f"{each}: {comparison}"
        assert comparison.digest.rows > 0 or each == "drafts"

    # Inside the account the service copies by itself, with the right to read each source.
    assert source.run("l0compact", "-n", name, "-o", f"{name}_copy").code == 0
    duplicate = sizes(service, f"backup/{name}_copy/binlogs/")
    assert {key.replace("_copy/", "/", 1): size for key, size in duplicate.items()} == stored
    assert service.account.copies == copied
    assert source.run("list").output.splitlines() == [">> Backups:", name, f"{name}_copy"]
    for backup in [name, f"{name}_copy"]:
        assert source.run("delete", "-n", backup).code == 0
    assert sizes(service) == {}

    assert "AuthenticationFailed" not in service.account.refusals
    for installation in [source, target]:
        texts = [path.read_text(errors="replace") for path in installation.directory.iterdir() if path.suffix != ".yaml"]
        assert len(texts) > 2 and not [text for text in texts if azure.KEY in text or "sig=" in text]


def test_flipped_byte_in_azure_is_found(service, installed, note, name):
    """There is no ETag that could tell."""
    installation = installed(note.milvus)
    assert installation.run("create", "-n", name, "--filter", note.filter).code == 0
    key = max(stored := sizes(service, f"backup/{name}/binlogs/"), key=stored.get)
    with service.client() as client:
        blob = client.get_blob_client(CONTAINER, key)
        content = bytearray(blob.download_blob().readall())
        content[len(content) // 2] ^= 1
        blob.upload_blob(bytes(content), overwrite=True)
    assert installation.run("verify", "-n", name).code == 0
    result = installation.run("verify", "-n", name, "--deep")
    assert result.code == 3 and "CRC-32C" in result.output, str(result)


def test_an_identity_in_place_of_a_key(service, installed, note, name):
    """`auth.type: default` with an application of Entra ID, whose tokens the fake gives out, too."""
    installation = installed(note.milvus, auth={"type": "default"})
    environment = {
        "AZURE_TENANT_ID": "tenant",
        "AZURE_CLIENT_ID": "client",
        "AZURE_CLIENT_SECRET": azure.TOKEN_SECRET,
        "AZURE_AUTHORITY_HOST": f"https://{azure.HOST}:{service.port}",
        "SSL_CERT_FILE": str(service.authority),
    }
    result = installation.run("create", "-n", name, "--filter", note.filter, environment=environment)
    assert result.code == 0, str(result)
    result = installation.run("l0compact", "-n", name, environment=environment)
    assert result.code == 0, str(result)
    assert service.account.copies == len(sizes(service, f"backup/{name}_l0compacted/binlogs/")) > 5
    result = installation.run("list", environment=environment | {"AZURE_CLIENT_SECRET": "not-the-secret"})
    line = result.errors.splitlines()[-1]
    assert result.code == 1 and line.startswith("Error: no credentials for the store were found"), str(result)
    assert "environment (AZURE_CLIENT_SECRET): HTTP 401" in line and "invalid_client" in line
    assert "not-the-secret" not in result.errors + result.output


WRONG = {
    "key": (
        {"auth": {"type": "sharedKey", "accountKey": base64.b64encode(b"not the key").decode()}},
        f'the account key does not belong to the account "{azure.ACCOUNT}" at https://127.0.0.1:',
    ),
    "no key": (
        {"auth": {"type": "sharedKey", "accountKey": "not base 64!"}},
        "auth.accountKey is no account key: it is not base 64",
    ),
    "account": ({"accountName": "somebodyelse"}, 'there is no storage account "somebodyelse" at https://127.0.0.1:'),
    "name of an account": ({"accountName": "a/b"}, 'accountName "a/b" is no name of a storage account'),
    "container": ({"bucketName": "missing"}, 'container "missing" does not exist at https://127.0.0.1:'),
    "authority": ({"caCertPath": ""}, "is not trusted"),
    "host": (
        {"address": "nowhere.invalid", "port": 443},
        f"cannot resolve host {azure.ACCOUNT}.blob.nowhere.invalid; check the storage's accountName and address",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_told_in_one_line(service, installed, note, what):
    changes, told = WRONG[what]
    installation = installed(note.milvus, **changes)
    result = installation.run("restore", "-n", "any", timeout=120)
    line = result.errors.splitlines()[-1]
    assert result.code == 1 and line.startswith("Error: backup.storage"), str(result)
    assert told in line, line
    assert "accountKey" not in changes.get("auth", {}) or changes["auth"]["accountKey"] not in result.errors
    assert "sig=" not in result.errors
    assert CONTAINER not in service.account.containers, "nothing is made by a restore"


def test_check_looks_at_the_container(service, installed, note):
    result = installed(note.milvus).run("check")
    assert f"https://{azure.HOST}" not in result.errors
    assert f'bucket "{CONTAINER}" at {azure.HOST}:{service.port}/{azure.ACCOUNT}' in result.output, str(result)
    assert CONTAINER in service.account.containers and sizes(service) == {}
