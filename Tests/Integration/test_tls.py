"""TLS between coordinator and agents: who gets in, who does not, and what both are told."""

import datetime
import ipaddress
import re
import socket
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from testkit import programs, protocol
from testkit.processes import wait_until

HOST = "127.0.0.1"


@pytest.fixture
def certificates(install, note, bucket, tmp_path):
    """Directories of certificates made by the program: certificates("ours")."""
    installation = install(note.milvus, bucket)

    def make(name, agents="n1"):
        directory = tmp_path / name
        made = installation.run("certs", "--out", directory, "--hosts", HOST, "--agents", agents)
        assert made.code == 0, str(made)
        return directory

    return make


def coordinator_tls(directory, mutual=True, **more):
    tls = {"certPath": f"{directory}/coordinator.crt", "keyPath": f"{directory}/coordinator.key"}
    if mutual:
        tls["caPath"] = f"{directory}/ca.crt"
    return tls | more


def agent_tls(directory, name="n1", **more):
    tls = {"caPath": f"{directory}/ca.crt"}
    if name:
        tls |= {"certPath": f"{directory}/agent-{name}.crt", "keyPath": f"{directory}/agent-{name}.key"}
    return tls | more


@pytest.fixture
def create(note, install, bucket, coordinator_address, name):
    """Starts `create` with these `coordinator.tls`; the result starts agents with these `agent.tls`."""

    class Run:
        def __init__(self, tls):
            def change(values):
                values["log"]["console"] = True
                if tls:
                    values["coordinator"]["tls"] = {key: str(value) for key, value in tls.items() if key != "allowedAgents"}
                    values["coordinator"]["tls"]["allowedAgents"] = tls.get("allowedAgents", [])

            self.installation = install(note.milvus, bucket, change=change)
            self.coordinator = self.installation.start(
                "create", "-n", name, "--filter", note.filter, "--listen", coordinator_address, "--min-agents", 1
            )

        def agent(self, name, tls):
            values = programs.configuration(note.milvus, bucket.service, bucket.name, log="")
            if tls:
                values["agent"] = {"tls": tls}
            file = programs.write_configuration(self.installation.directory / f"{name}-{len(tls or {})}.yaml", values)
            return self.installation.start_agent(name, coordinator_address, configuration_file=file)

        def succeeds_with(self, name, tls):
            self.agent(name, tls)
            result = self.coordinator.wait(60)
            assert result.code == 0, str(result)
            assert list(programs.shares(result)) == [name]

    return Run


def self_made(directory, name, usage, ends, address=None):
    """A certificate of the authority in `directory` that the program would not make: an expired one, or a wrong name."""
    authority = x509.load_pem_x509_certificate((directory / "ca.crt").read_bytes())
    authority_key = serialization.load_pem_private_key((directory / "ca.key").read_bytes(), None)
    key = ec.generate_private_key(ec.SECP256R1())
    alternative = x509.IPAddress(ipaddress.ip_address(address)) if address else x509.DNSName(name)
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=2))
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    paths = {"certPath": directory / f"made-{name}.crt", "keyPath": directory / f"made-{name}.key"}
    paths["certPath"].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths["keyPath"].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return {key: str(path) for key, path in paths.items()}


DAY = datetime.timedelta(days=1)


def test_agents_work_over_tls_on_one_side_and_on_both(create, certificates, wait_for_log):
    ours = certificates("ours")
    run = create(coordinator_tls(ours, mutual=False))
    wait_for_log(run.coordinator, r"listening for agents address=\S+ tls=on")
    run.succeeds_with("anybody", agent_tls(ours, name=None))


def test_nothing_of_the_work_can_be_read_on_the_way(create, certificates, coordinator_address, wait_for_log):
    ours = certificates("ours")
    run = create(coordinator_tls(ours, allowedAgents=["n1"]))
    wait_for_log(run.coordinator, "listening for agents .*tls=mutual")
    with Wiretap(coordinator_address) as tap:
        values_tls = agent_tls(ours)
        agent = run.agent("n1", values_tls)
        # A second agent of the same name goes through the tap.
        agent.stop()
        tapped = run.installation.start_agent(
            "n1", tap.address, configuration_file=run.installation.directory / f"n1-{len(values_tls)}.yaml"
        )
        result = run.coordinator.wait(60)
        assert result.code == 0, str(result)
        tapped.stop()
        heard = tap.heard()
    assert len(heard) > 1000
    assert heard[:3] == b"\x16\x03\x01"
    for word in [b"insert_log", b"nonce", b"backup", b"n1"]:
        assert word not in heard


class Wiretap:
    """Passes on what two sides say to each other, and keeps it."""

    def __init__(self, target):
        import threading

        self._target = target
        self._heard = []
        self._listener = socket.create_server((HOST, 0))
        self.address = f"{HOST}:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        import threading

        while True:
            try:
                client, _ = self._listener.accept()
                server = protocol.dial(self._target)
            except OSError:
                return
            for source, destination in [(client, server), (server, client)]:
                threading.Thread(target=self._pass_on, args=(source, destination), daemon=True).start()

    def _pass_on(self, source, destination):
        try:
            while data := source.recv(65536):
                self._heard.append(data)
                destination.sendall(data)
            destination.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def heard(self):
        return b"".join(self._heard)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()


# What the agent has, what its last line says, and what the coordinator's log says.
WRONG = {
    "no TLS": (lambda ours, theirs: None, "it speaks TLS only; set agent.tls.caPath", "speaks no TLS, which is due here"),
    "another authority": (
        lambda ours, theirs: agent_tls(theirs),
        "the coordinator's certificate is not accepted",
        "does not accept our certificate",
    ),
    "a certificate of another authority": (
        lambda ours, theirs: agent_tls(theirs) | {"caPath": f"{ours}/ca.crt"},
        "does not accept our certificate",
        "the agent's certificate is not accepted",
    ),
    "no certificate": (
        lambda ours, theirs: agent_tls(ours, name=None),
        "set agent.tls.certPath and agent.tls.keyPath",
        "it shows no certificate, and coordinator.tls.caPath asks for one",
    ),
    "the certificate of another": (
        lambda ours, theirs: agent_tls(ours, name="n2"),
        "agent n1 shows the certificate of n2",
        "agent n1 shows the certificate of n2",
    ),
    "an expired certificate": (
        lambda ours, theirs: agent_tls(ours) | self_made(ours, "n1", ExtendedKeyUsageOID.CLIENT_AUTH, -DAY),
        "certificate expired",
        "certificate has expired",
    ),
    "another server name": (
        lambda ours, theirs: agent_tls(ours, serverName="elsewhere"),
        "not for elsewhere: set agent.tls.serverName",
        "does not accept our certificate",
    ),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_agent_is_refused_and_the_right_one_works(create, certificates, wait_for_log, kind):
    make, heard, told = WRONG[kind]
    ours, theirs = certificates("ours", "n1,n2"), certificates("theirs")
    run = create(coordinator_tls(ours))
    wait_for_log(run.coordinator, "waiting for agents")
    ended = run.agent("n1", make(ours, theirs)).wait(20)
    assert ended.code == 1, str(ended)
    last = ended.errors.splitlines()[-1]
    assert last.startswith("Error: ") and heard in last, last
    refusal = wait_for_log(run.coordinator, r"agent refused .*")[0]
    assert told in refusal, refusal
    assert run.coordinator.errors.count("agent refused") == 1
    run.succeeds_with("n2", agent_tls(ours, name="n2"))


def test_an_agent_that_is_not_on_the_list_is_refused(create, certificates, wait_for_log):
    ours = certificates("ours", "n1,n2")
    run = create(coordinator_tls(ours, allowedAgents=["n2"]))
    wait_for_log(run.coordinator, "waiting for agents")
    ended = run.agent("n1", agent_tls(ours)).wait(20)
    assert ended.code == 1
    assert "agent n1 is not in coordinator.tls.allowedAgents" in ended.errors
    run.succeeds_with("n2", agent_tls(ours, name="n2"))


def test_an_expired_certificate_of_the_coordinator_is_not_believed(create, certificates, wait_for_log):
    ours = certificates("ours")
    expired = self_made(ours, "coordinator", ExtendedKeyUsageOID.SERVER_AUTH, -DAY, address=HOST)
    run = create(expired)
    wait_for_log(run.coordinator, "the certificate in coordinator.tls.certPath has run out")
    wait_for_log(run.coordinator, "waiting for agents")
    ended = run.agent("n1", agent_tls(ours)).wait(20)
    assert ended.code == 1
    assert "certificate has expired" in ended.errors


def test_an_agent_with_tls_waits_for_a_coordinator_that_has_it(create, certificates, wait_for_log):
    """It says nothing in plain text, and a coordinator may get its TLS later."""
    run = create(None)
    wait_for_log(run.coordinator, "waiting for agents")
    agent = run.agent("n1", agent_tls(certificates("ours")))
    wait_for_log(run.coordinator, r"agent refused .*it speaks TLS, and TLS is not on here")
    wait_for_log(agent, r"cannot work for the coordinator .*during the TLS handshake.*must both be set")
    assert agent.running
    assert agent.stop().code == 0
    run.succeeds_with("n2", None)


def test_no_older_version_is_spoken(create, certificates, coordinator_address, wait_for_log):
    ours = certificates("ours")
    run = create(coordinator_tls(ours, mutual=False))
    wait_for_log(run.coordinator, "waiting for agents")
    context = ssl.create_default_context(cafile=ours / "ca.crt")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with protocol.dial(coordinator_address) as connection:
        with pytest.raises(ssl.SSLError, match="(?i)protocol.version"):
            context.wrap_socket(connection, server_hostname=HOST)
    wait_for_log(run.coordinator, r"agent refused .*older version than 1.3")
    context = ssl.create_default_context(cafile=ours / "ca.crt")
    with protocol.dial(coordinator_address) as connection:
        with context.wrap_socket(connection, server_hostname=HOST) as secured:
            assert secured.version() == "TLSv1.3"
    run.succeeds_with("n1", agent_tls(ours, name=None))


def test_an_open_port_without_tls_says_what_that_means(install, note, bucket, name, layout):
    """Only where others can come in."""
    port = layout.port_base + 92
    installation = install(note.milvus, bucket, change=lambda values: values["log"].update(console=True))
    coordinator = installation.start(
        "create", "-n", name, "--filter", note.filter, "--listen", f"0.0.0.0:{port}", "--min-agents", 1
    )
    assert wait_until(lambda: "connections of agents are not encrypted" in coordinator.errors, 30), coordinator.errors
    assert len(re.findall("not encrypted", coordinator.errors)) == 1
    coordinator.stop()


def test_files_that_cannot_be_used_are_named(install, note, bucket, name, coordinator_address, tmp_path):
    def change(values):
        values["coordinator"]["tls"] = {"certPath": "/nowhere.crt", "keyPath": "/nowhere.key"}
        values["agent"] = {"tls": {"caPath": "/nowhere.crt"}}

    installation = install(note.milvus, bucket, change=change)
    result = installation.run("create", "-n", name, "--filter", note.filter, "--listen", coordinator_address)
    assert result.code == 1
    assert "coordinator.tls.certPath: cannot use /nowhere.crt: No such file or directory" in result.errors
    agent = installation.start_agent("n1", coordinator_address).wait(20)
    assert agent.code == 1
    assert "agent.tls.caPath: cannot use /nowhere.crt: No such file or directory" in agent.errors
