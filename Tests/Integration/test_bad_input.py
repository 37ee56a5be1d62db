"""Whatever a user gets wrong: one line that says what, the right status, nothing written, and no secret told."""

import contextlib
import json
import socket
from pathlib import Path

import pytest
from testkit import programs
from testkit.objects import Bucket

WRONG_SECRET = "not-the-secret-91d3"
TOKEN = "testbed-token-0123456789"


class Bench:
    """An installation beside which nothing may change."""

    def __init__(self, installation, milvus, bucket):
        self.installation = installation
        self.milvus_bucket = Bucket(milvus.store, milvus.bucket)
        self.root = milvus.root
        self.bucket = bucket

    def contents(self):
        """All objects but Milvus' own files, which it goes on writing by itself."""
        return self.milvus_bucket.sizes_outside(self.root), self.bucket.sizes()

    def fails(self, *arguments, code=1, lines=1, timeout=60):
        """Runs a command that must fail in the way all failures have; gives the text that says why."""
        before = self.contents()
        result = self.installation.run(*arguments, timeout=timeout)
        assert result.code == code, str(result)
        assert result.output == "", str(result)
        assert result.errors.count("\n") == lines, str(result)
        assert result.errors.startswith("Error: ")
        assert not any(trace in result.errors for trace in ["Fatal error", "BackupError", "Swift.", "stack", "0x"])
        assert self.contents() == before
        log = self.installation.directory / "tool.log"
        for text in [result.errors, log.read_text() if log.exists() else ""]:
            for secret in [programs.SECRET_KEY, WRONG_SECRET, TOKEN]:
                assert secret not in text
        return result.errors.rstrip()


@pytest.fixture
def bench(install, milvus_a, bucket):
    return Bench(install(milvus_a, bucket), milvus_a, bucket)


def says(line, *parts):
    for part in parts:
        assert part in line, f"{part!r} is not said in: {line}"


# MARK: what cannot be reached


WRONG_PLACES = {
    "port of Milvus": (
        ["milvus.grpc.port=1"],
        ["cannot reach Milvus at 127.0.0.1:1", "connection refused", "milvus.grpc.port"],
    ),
    "address of Milvus": (
        ["milvus.grpc.address=no.such.host.invalid"],
        ["cannot reach Milvus at no.such.host.invalid", "cannot resolve host"],
    ),
    "a port that is not Milvus'": (["milvus.grpc.port={store}"], ["cannot reach Milvus at 127.0.0.1:{store}"]),
    "bucket of Milvus": (
        ["milvus.storage.bucketName=no-such-bucket"],
        ["milvus.storage", 'bucket "no-such-bucket" does not exist', "{store}"],
    ),
    "access key": (
        ["milvus.storage.auth.accessKeyID=nobody"],
        ["milvus.storage", 'access key "nobody"', "is not known"],
    ),
    "secret key": (
        [f"milvus.storage.auth.secretAccessKey={WRONG_SECRET}"],
        ["milvus.storage", "secret key does not belong to the access key"],
    ),
    "secret key of the backups": (
        [f"backup.storage.auth.secretAccessKey={WRONG_SECRET}"],
        ["backup.storage", "secret key does not belong to the access key"],
    ),
    "port of the backup store": (
        ["backup.storage.port=1"],
        ["backup.storage", "cannot connect to http://127.0.0.1:1", "Connection refused"],
    ),
    "TLS where there is none": (["backup.storage.useSSL=true"], ["backup.storage", "https://127.0.0.1"]),
}


@pytest.mark.parametrize("what", WRONG_PLACES)
def test_wrong_place(bench, layout, milvus_a, name, what):
    settings, words = WRONG_PLACES[what]
    store = milvus_a.store.port
    options = [text for setting in settings for text in ["--set", setting.format(store=store)]]
    line = bench.fails("create", "-n", name, *options)
    says(line, *(word.format(store=store) for word in words))


@pytest.mark.parametrize("command", ["list", "get", "delete", "verify", "restore"])
def test_wrong_port_for_every_command(bench, name, command):
    named = [] if command == "list" else ["-n", name]
    line = bench.fails(command, *named, "--set", "backup.storage.port=1")
    says(line, "cannot connect to http://127.0.0.1:1", "Connection refused")


@pytest.fixture
def silent_port():
    """Nobody takes connections here, and nobody refuses them: as behind a firewall."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as waiting:
        for _ in range(3):
            connection = waiting.enter_context(socket.socket())
            connection.setblocking(False)
            connection.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("setting", ["backup.storage.port", "milvus.grpc.port"])
def test_a_firewall_between(bench, name, silent_port, setting):
    """It is told after the time one connection gets, 10 s, and not after that of many."""
    line = bench.fails("restore", "-n", name, "--set", f"{setting}={silent_port}", timeout=28)
    says(line, f"127.0.0.1:{silent_port} within 10 s", "check")


def test_wrong_password_of_milvus(install, start_server, bucket, name):
    milvus = start_server("milvus-e")
    installation = install(milvus, bucket)
    bench = Bench(installation, milvus, bucket)
    as_root = ["--set", "milvus.user=root"]
    line = bench.fails("create", "-n", name, *as_root, "--set", f"milvus.password={WRONG_SECRET}")
    says(line, 'refuses the user "root"', "milvus.password")
    line = bench.fails("create", "-n", name, "--set", "milvus.user=nobody", "--set", f"milvus.password={WRONG_SECRET}")
    says(line, 'refuses the user "nobody"')
    says(bench.fails("create", "-n", name), "set milvus.user and milvus.password")
    right = {"MILVUS_USER": "root", "MILVUS_PASSWORD": milvus.password}
    made = installation.run("create", "-n", name, environment=right)
    assert made.code == 0, str(made)


# MARK: what is not there, or is there already


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-c", "no_such_collection"], ["default.no_such_collection not found"]),
        (["-c", "{database}.note"], ["{database}.note not found", "did you mean notes?"]),
        (["-d", "no_such_database"], ["database no_such_database not found"]),
        (["--filter", "no_such_database.*"], ["database no_such_database not found"]),
        (["-a", '{{"{database}": ["nots"]}}'], ["{database}.nots not found"]),
        (["--filter", "a;b"], ["invalid filter rule: a;b"]),
        (["-a", '{{"default": "notes"}}'], ["database_collections.default"]),
        (["-a", "{{"], ["database_collections"]),
    ],
)
def test_unknown_collection_or_database(bench, note, name, options, words):
    options = [option.format(database=note.database) for option in options]
    says(bench.fails("create", "-n", name, *options), *(word.format(database=note.database) for word in words))


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ("with blank", "should not contain whitespace"),
        ("1st", "should start with an underscore or letter"),
        ("a-b", "should only contain numbers, letters and underscores"),
        ("ü", "should start with an underscore or letter"),
        ("a/../b", "should only contain numbers, letters and underscores"),
        ("x" * 129, "should not exceed 128"),
    ],
)
def test_invalid_backup_name(bench, wrong, why):
    says(bench.fails("create", "-n", wrong), "backup name", why)


def test_empty_name_of_a_new_backup_is_the_default_one(bench, bucket, note):
    made = bench.installation.run("create", "-n", "", "--filter", note.filter)
    assert made.code == 0, str(made)
    (key,) = [key for key in bucket.sizes() if key.endswith("backup_meta.json")]
    assert key.split("/")[1].startswith("backup_20")


def test_taken_backup_name(bench, bucket, note, name):
    assert bench.installation.run("create", "-n", name, "--filter", note.filter).code == 0
    says(bench.fails("create", "-n", name, "--filter", note.filter), f"backup with name {name} already exist")
    # What is left of a backup that was never finished takes the name, too.
    bucket.put("backup/half/binlogs/insert_log/1/2/3/3/4/5", b"x")
    says(bench.fails("create", "-n", "half", "--filter", note.filter), "half already exist", "delete")


@pytest.mark.parametrize("command", ["restore", "get", "delete"])
def test_backup_that_is_not_there(bench, command):
    says(bench.fails(command, "-n", "nothing"), "backup nothing not found")
    says(bench.fails(command), "backup name is required")
    says(bench.fails(command, "-n", ""), "backup name is required")
    bench.bucket.put("other/x", b"")
    for trick in ["..", "../other", "/", ".", "a/b"]:
        bench.fails(command, "-n", trick)


def test_restore_from_a_bucket_that_is_not_there_makes_none(bench, bucket):
    line = bench.fails("restore", "-n", "x", "--set", "backup.storage.bucketName=no-such-bucket")
    says(line, "backup.storage", 'bucket "no-such-bucket" does not exist')
    assert not Bucket(bucket.service, "no-such-bucket").exists()


# MARK: damaged metadata


@pytest.fixture(scope="module")
def good_backup(layout, note, binaries, tmp_path_factory):
    """A backup of some kilobytes in a bucket of its own; tests damage copies of it."""
    bucket = Bucket(layout.named("store-b"), f"good-{note.database.replace('_', '-')}").create()
    directory = tmp_path_factory.mktemp("good")
    values = programs.configuration(note.milvus, bucket.service, bucket.name, log=directory / "tool.log")
    installation = programs.Installation(programs.write_configuration(directory / "backup.yaml", values), directory)
    made = installation.run("create", "-n", "good", "--filter", note.filter)
    assert made.code == 0, str(made)
    yield bucket
    bucket.remove()


@pytest.fixture
def damaged(install, milvus_a, good_backup, name):
    """damaged({file: change}) makes a copy of the good backup in which these metadata files have another content; None
    removes one. It gives a bench that looks at it."""

    def make(changes):
        for key in good_backup.sizes("backup/good/"):
            copy = key.replace("/good/", f"/{name}/")
            file = Path(key).name
            body = good_backup.get(key)
            if file in changes:
                body = changes[file] and changes[file](body)
            if body is not None:
                good_backup.put(copy, body)
        return Bench(install(milvus_a, good_backup), milvus_a, good_backup)

    yield make
    good_backup.erase(f"backup/{name}/")


def replaced(path, value):
    """A change of one value, named as in collection_backups.0.schema.name."""

    def change(body):
        document = json.loads(body)
        place = document
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in steps:
            place = place[step]
        place[last] = value
        return json.dumps(document).encode()

    return change


DAMAGES = {
    "truncated": (lambda body: body[: len(body) // 2], []),
    "truncated by one byte": (lambda body: body[:-1], []),
    "empty": (lambda body: b"", ["is empty"]),
    "no JSON": (lambda body: b"<html>not found</html>", []),
    "a list": (lambda body: b"[]", []),
    "more after the end": (lambda body: body + b"{}", []),
    "a number for a name": (replaced("collection_backups.0.collection_name", 5), ["collection_name", "string expected"]),
    "a number for a database": (replaced("collection_backups.0.db_name", 5), ["db_name", "string expected"]),
    "text for a number": (replaced("collection_backups.0.collection_id", "5"), ["collection_id"]),
    "a fraction": (replaced("collection_backups.0.size", 1.5), ["size"]),
    "a number too large": (replaced("collection_backups.0.collection_id", 2**64), ["collection_id"]),
    "a number for a field's name": (
        replaced("collection_backups.0.schema.fields.0.name", 7),
        ["schema.fields", "name", "string expected"],
    ),
    "text for a flag": (
        replaced("collection_backups.0.schema.enable_dynamic_field", "yes"),
        ["schema.enable_dynamic_field"],
    ),
    "an object for a list": (replaced("collection_backups.0.partition_backups", {}), ["partition_backups"]),
    "text for a log's size": (
        replaced("collection_backups.0.partition_backups.0.segment_backups.0.binlogs.0.binlogs.0.log_size", "12"),
        ["segment_backups", "log_size"],
    ),
}


@pytest.mark.parametrize("what", DAMAGES)
def test_damaged_metadata(damaged, name, what, note):
    change, words = DAMAGES[what]
    bench = damaged({"full_meta.json": change})
    line = bench.fails("restore", "-n", name, "-s", "_never")
    says(line, f"backup {name} cannot be read", "full_meta.json", *words)
    if what != "empty":
        says(line, "(byte " if not words else "collection_backups[0]")


def test_damaged_metadata_cannot_be_shown_but_deleted(damaged, name):
    bench = damaged({"full_meta.json": lambda body: body[:100]})
    says(bench.fails("get", "-n", name), f"backup {name} cannot be read", "full_meta.json")
    deleted = bench.installation.run("delete", "-n", name)
    assert deleted.code == 0, str(deleted)
    assert not bench.bucket.sizes(f"backup/{name}/")


def test_damaged_level_files_of_an_old_backup(damaged, name):
    bench = damaged({"full_meta.json": None, "segment_meta.json": replaced("infos.0.segment_id", "x")})
    says(bench.fails("restore", "-n", name, "-s", "_never"), "segment_meta.json", "infos[0].segment_id")


def test_level_files_alone_are_a_backup(damaged, name, connect, note, drop_later):
    """Releases before 0.4 write no full_meta.json."""
    bench = damaged({"full_meta.json": None})
    drop_later(note.milvus, f"notes_{name}", note.database)
    restored = bench.installation.run("restore", "-n", name, "-s", f"_{name}", "--meta_only")
    assert restored.code == 0, str(restored)
    assert connect(note.milvus, note.database).has(f"notes_{name}")


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("format", "tape", ['"tape"']),
        ("format", "snapshot", ["snapshot"]),
        ("collection_backups.0.partition_backups.0.segment_backups.0.segment_id", 5, ["is missing in bucket"]),
        ("collection_backups.0.partition_backups.0.segment_backups.0.segment_id", -5, ["an id that is negative"]),
        ("collection_backups.0.partition_backups.0.partition_id", 77, ["is recorded in partition 77"]),
        ("collection_backups.0.collection_id", 77, ["of collection 77"]),
    ],
)
def test_metadata_that_cannot_be_restored(damaged, name, note, connect, path, value, words):
    bench = damaged({"full_meta.json": replaced(path, value)})
    connection = connect(note.milvus, note.database)
    before = connection.collections()
    says(bench.fails("restore", "-n", name, "-s", "_never"), f"backup {name}", *words)
    assert connection.collections() == before


# MARK: configuration


def configured(bench, text, file="other.yaml"):
    path = bench.installation.directory / file
    path.write_text(text)
    bench.installation.configuration_file = path
    return path


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("configVersion: v2\nmilvus: {grpc: {port: abc}}\n", ["milvus.grpc.port", '"abc" is not a number', ":2"]),
        ("configVersion: v2\nmilvus: {grpc: {port: 70000}}\n", ["milvus.grpc.port", "70000"]),
        ("configVersion: v2\nmilvus: [1, 2]\n", ["milvus"]),
        ("configVersion: v2\nbackup: {pauseGC: perhaps}\n", ["backup.pauseGC", "perhaps"]),
        ("configVersion: v3\n", ["configVersion", "v3"]),
        ("configVersion: v2\nbackup: {storage: {provider: floppy}}\n", ["backup.storage.provider", "floppy"]),
        ("configVersion: v2\nlog: {level: loud}\n", ["log.level", "loud"]),
        ("configVersion: v2\n\tmilvus: 1\n", ["other.yaml:2:", "tab"]),
        ("configVersion: v2\nmilvus: {grpc: {port: 1}\n", ["other.yaml:3:"]),
        ("- a\n- b\n", []),
        ("minio: {port: abc}\n", ["minio.port", '"abc" is not a number']),
        ("coordinator: {listen: here}\n", ["coordinator.listen", "here"]),
    ],
)
@pytest.mark.parametrize("command", ["create", "check"])
def test_wrong_configuration(bench, command, text, words):
    path = configured(bench, text)
    line = bench.fails(command)
    says(line, str(path), *words)


def test_all_problems_of_a_configuration_are_told_together(bench):
    configured(bench, "configVersion: v2\nmilvus: {grpc: {port: abc}}\nbackup: {pauseGC: perhaps}\nlog: {level: loud}\n")
    text = bench.fails("check", lines=4)
    says(text, "the configuration has 3 problems", ":2: milvus.grpc.port", ":3: backup.pauseGC", ":4: log.level")


def test_missing_configuration(bench):
    missing = bench.installation.directory / "missing.yaml"
    bench.installation.configuration_file = missing
    says(bench.fails("create"), str(missing))


def test_unknown_keys_are_warned_about(install, milvus_a, bucket):
    def change(values):
        values["log"].update(console=True)
        values["milvus"]["grpc"]["prot"] = 5
        values["bakup"] = {"storage": {"bucketName": "x"}}

    result = install(milvus_a, bucket, change=change).run("list")
    assert result.code == 0, str(result)
    warnings = [line for line in result.errors.splitlines() if " WARN " in line]
    assert any("milvus.grpc.prot" in line and "port" in line for line in warnings), result.errors
    assert any("bakup" in line for line in warnings), result.errors


def test_no_secret_is_shown(install, milvus_a, bucket, note, name, coordinator_address):
    def change(values):
        values["log"].update(console=True, level="debug")
        values["milvus"].update(user="root", password="milvus-password-55")

    installation = install(milvus_a, bucket, change=change)
    agents = [installation.start_agent("one", coordinator_address)]
    results = [
        installation.run("config", "show"),
        installation.run("check"),
        installation.run(
            "create", "-n", name, "--filter", note.filter, "--listen", coordinator_address, "--min-agents", 1
        ),
        installation.run("get", "-n", name),
        *(agent.stop() for agent in agents),
    ]
    for result in results:
        assert result.code == 0, str(result)
        for secret in [programs.SECRET_KEY, TOKEN, "milvus-password-55"]:
            assert secret not in result.output + result.errors
    for secret in [programs.SECRET_KEY, TOKEN, "milvus-password-55"]:
        assert secret not in (installation.directory / "tool.log").read_text()
    assert not any(programs.SECRET_KEY.encode() in bucket.get(key) for key in bucket.sizes(f"backup/{name}/meta/"))


# MARK: usage


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["create", "-n", "x", "--bogus"], ["no option --bogus", "create --help"]),
        (["create", "-n", "x", "--minagents", "2"], ["--minagents", "--min-agents"]),
        (["crate"], ['no command "crate"', "create"]),
        (["create", "x"], ['does not take "x"']),
        (["create", "-n", "x", "--listen", "nonsense"], ["--listen needs HOST:PORT", '"nonsense"']),
        (["create", "-n", "x", "--listen", "127.0.0.1:99999"], ["--listen needs HOST:PORT"]),
        (["create", "-n", "x", "--min-agents", "2"], ["--min-agents", "--listen"]),
        (["create", "-n", "x", "--min-agents", "two"], ["min-agents", "two"]),
        (["create", "-n", "x", "--strategy", "quick"], ["invalid strategy quick"]),
        (["create", "-n", "x", "--set", "nonsense"], ["--set"]),
        (["restore", "-n", "x", "-s", "_a", "-r", "a:b"], ["suffix and rename flag cannot be set at the same time"]),
        (
            ["restore", "-n", "x", "--drop_exist_collection", "--skip_create_collection"],
            ["drop_exist_collection and skip_create_collection cannot be true at the same time"],
        ),
    ],
)
def test_wrong_usage(bench, arguments, words):
    says(bench.fails(*arguments, code=2), *words)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["restore", "-n", "good", "-s", "a b"], ["alphanumeric"]),
        (["restore", "-n", "good", "-s", "/../x"], ["alphanumeric"]),
        (["restore", "-n", "good", "-r", "a"], ["rename"]),
        (["restore", "-n", "good", "-c", "nothing"], ["database default not found in backup good"]),
        (["restore", "-n", "good", "-d", "nothing"], ["database nothing not found in backup good"]),
        (["restore", "-n", "good", "-s", "_x", "--filter", "default.q"], ["no collection of the backup becomes"]),
        (["restore", "-n", "good", "--skip_create_collection", "-s", "_x"], ["collection not exist"]),
    ],
)
def test_wrong_choice_of_what_to_restore(install, milvus_a, good_backup, arguments, words):
    bench = Bench(install(milvus_a, good_backup), milvus_a, good_backup)
    says(bench.fails(*arguments), *words)
