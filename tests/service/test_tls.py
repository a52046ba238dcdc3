"""Encrypted channels, on real sockets with certificates made for the test: who is let in and who is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import trustme

from tests.service.conftest import server_settings
from twin_client import TwinClient
from twin_client.errors import ClientError
from twin_service.outcome import Refusal
from twin_service.service.server import Server


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def serving(folder: Path, authority: trustme.CA, *, clients: trustme.CA | None = None) -> Server:
    made = authority.issue_cert("localhost", "127.0.0.1")
    certificate, key, known = folder / "server.pem", folder / "server.key", folder / "clients.pem"
    certificate.write_bytes(b"".join(p.bytes() for p in made.cert_chain_pems))
    key.write_bytes(made.private_key_pem.bytes())
    more = {}
    if clients is not None:
        clients.cert_pem.write_to_path(str(known))
        more["tls_client_authority"] = known
    server = Server(server_settings(folder, tls_certificate=certificate, tls_key=key, **more))
    server.start()
    return server


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[Server]:
    server = serving(tmp_path_factory.mktemp("tls"), authority)
    yield server
    server.stop(0.5)


@pytest.fixture(scope="module")
def mutual(tmp_path_factory: pytest.TempPathFactory, authority: trustme.CA) -> Iterator[Server]:
    """Clients must present a certificate of the same authority."""
    server = serving(tmp_path_factory.mktemp("mtls"), authority, clients=authority)
    yield server
    server.stop(0.5)


def trusting(authority: trustme.CA, own: trustme.LeafCert | None = None) -> grpc.ChannelCredentials:
    root = authority.cert_pem.bytes()
    if own is None:
        return grpc.ssl_channel_credentials(root)
    chain = b"".join(p.bytes() for p in own.cert_chain_pems)
    return grpc.ssl_channel_credentials(root, own.private_key_pem.bytes(), chain)


def reached(server: Server, tls: grpc.ChannelCredentials | None) -> bool:
    """Whether a call is answered within three seconds."""
    with TwinClient(f"localhost:{server.port}", "acme", tls=tls, timeout_s=3.0) as client:
        try:
            return len(client.drugs()) > 0
        except ClientError as error:
            assert error.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
            return False


def test_a_client_that_trusts_the_authority_is_served(encrypted: Server, authority: trustme.CA) -> None:
    assert reached(encrypted, trusting(authority))


def test_plain_text_is_not_served(encrypted: Server) -> None:
    assert not reached(encrypted, None)


def test_a_client_refuses_a_server_that_its_authority_does_not_know(encrypted: Server) -> None:
    assert not reached(encrypted, trusting(trustme.CA()))


def test_where_clients_must_show_a_certificate_one_of_the_authority_is_served(
    mutual: Server, authority: trustme.CA
) -> None:
    assert reached(mutual, trusting(authority, authority.issue_cert("ehr.example")))


def test_where_clients_must_show_a_certificate_none_and_a_strangers_are_not_served(
    mutual: Server, authority: trustme.CA
) -> None:
    assert not reached(mutual, trusting(authority))
    assert not reached(mutual, trusting(authority, trustme.CA().issue_cert("ehr.example")))


def test_a_certificate_that_is_not_one_stops_the_start_by_name(tmp_path: Path) -> None:
    wrong = tmp_path / "server.pem"
    wrong.write_text("not a certificate")
    with pytest.raises(Refusal, match="cannot listen"):
        Server(server_settings(tmp_path, tls_certificate=wrong, tls_key=wrong))


@pytest.mark.parametrize("given", ["tls_certificate", "tls_key", "tls_client_authority"])
def test_half_a_configuration_never_means_plain_text(tmp_path: Path, given: str) -> None:
    with pytest.raises(Refusal, match="tls_certificate and tls_key together"):
        Server(server_settings(tmp_path, **{given: tmp_path / "some.pem"}))
