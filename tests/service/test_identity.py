"""Who may call: tokens of an identity provider, roles and scopes, and no server beyond loopback without identity."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.service.conftest import COURSE, Client, refused, rid, server_settings, simulate_request, spec
from twin_service.outcome import Refusal
from twin_service.service.door.lane import CallerScope
from twin_service.service.handlers.table import ROUTES
from twin_service.service.server import Server
from twin_service.v1 import library_pb2, trial_pb2, twin_pb2

DENIED, UNKNOWN = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


class Issuer:
    """An identity provider with a JWKS endpoint."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "jwks.json"
        handler = functools.partial(_Quiet, directory=str(folder))
        self._http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.uri = f"http://127.0.0.1:{self._http.server_port}/jwks.json"
        self.keys: dict[str, tuple[str, Any]] = {}
        self.add("es", "ES384", ec.generate_private_key(ec.SECP384R1()))
        self.add("rs", "RS384", rsa.generate_private_key(65537, 2048))

    def add(self, kid: str, algorithm: str, key: Any) -> None:
        self.keys[kid] = (algorithm, key)
        self.publish()

    def publish(self) -> None:
        made = []
        for kid, (name, key) in self.keys.items():
            public = jwt.get_algorithm_by_name(name).to_jwk(key.public_key(), as_dict=True)
            made.append({**public, "kid": kid, "alg": name, "use": "sig"})
        self.path.write_text(json.dumps({"keys": made}))

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def mint(self, kid: str = "es", **claims: Any) -> list[tuple[str, str]]:
        algorithm, key = self.keys[kid]
        now = int(time.time())
        body = {
            "iss": "https://id.test",
            "aud": "twin-service",
            "sub": "dr-1",
            "exp": now + 300,
            "tenant": "acme",
            "roles": ["clinician", "integrator"],
            **claims,
        }
        body = {k: v for k, v in body.items() if v is not None}
        return [("authorization", f"Bearer {jwt.encode(body, key, algorithm, headers={'kid': kid})}")]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    made = Issuer(tmp_path_factory.mktemp("issuer"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def guarded(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    settings = server_settings(tmp_path_factory.mktemp("guarded"), oidc_issuer="https://id.test", oidc_jwks=issuer.uri)
    server = Server(settings)
    server.start()
    client = Client(server.port)
    yield client
    client.channel.close()
    server.stop()


def create(client: Client, who: list[tuple[str, str]], patient: str, tenant: str = "acme") -> str:
    request = twin_pb2.CreateTwinRequest(parent=f"tenants/{tenant}", patient_id=patient, spec=spec(), request_id=rid())
    return str(client.twins.CreateTwin(request, metadata=who).twin.name)


@pytest.mark.parametrize("kid", ["es", "rs"])
def test_a_token_of_either_algorithm_speaks_for_its_tenant(guarded: Client, issuer: Issuer, kid: str) -> None:
    name = create(guarded, issuer.mint(kid), f"p-{kid}")
    asked = twin_pb2.GetTwinRequest(name=name)
    assert guarded.twins.GetTwin(asked, metadata=issuer.mint(kid)).twin.name == name
    other = issuer.mint(kid, tenant="other")
    assert refused(lambda: guarded.twins.GetTwin(asked, metadata=other)).code is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": int(time.time()) - 120},
        {"exp": None},
        {"aud": "another-service"},
        {"iss": "https://evil.test"},
        {"sub": None},
        {"tenant": None},
        {"tenant": "acme/patients"},
        {"nbf": int(time.time()) + 900},
    ],
    ids=lambda c: next(iter(c)),
)
def test_a_token_that_is_not_for_here_is_not_believed(guarded: Client, issuer: Issuer, claims: dict[str, Any]) -> None:
    asked = twin_pb2.ListTwinsRequest(parent="tenants/acme")
    found = refused(lambda: guarded.twins.ListTwins(asked, metadata=issuer.mint(**claims)))
    assert found.code is UNKNOWN and "acme" not in found.message


def test_a_forged_token_is_not_believed(guarded: Client, issuer: Issuer, tmp_path: Path) -> None:
    asked = twin_pb2.ListTwinsRequest(parent="tenants/acme")
    forger = Issuer(tmp_path)
    good = issuer.mint()[0][1].split(".")
    body = {"iss": "https://id.test", "aud": "twin-service", "sub": "x", "exp": time.time() + 99, "tenant": "acme"}
    unsigned = jwt.encode(body, None, "none")
    hmac = jwt.encode(body, "k" * 64, "HS384", headers={"kid": "es"})
    for header in (
        forger.mint(),
        [("authorization", f"Bearer {unsigned}")],
        [("authorization", f"Bearer {hmac}")],
        [("authorization", ".".join([*good[:2], "AAAA"]))],
        [("authorization", "Bearer a.b.c")],
        [("authorization", "Basic abc")],
        [],
    ):
        assert refused(lambda h=header: guarded.twins.ListTwins(asked, metadata=h)).code is UNKNOWN
    forger.close()


def test_keys_rotate(guarded: Client, issuer: Issuer) -> None:
    issuer.add("es-2", "ES384", ec.generate_private_key(ec.SECP384R1()))
    assert create(guarded, issuer.mint("es-2"), "p-rotated")


def test_every_scope_a_caller_does_not_hold_is_denied_on_every_rpc(guarded: Client, issuer: Issuer) -> None:
    """Generated from the routes: with no scope every unary RPC is denied before its content is looked at."""
    nobody = issuer.mint(roles=[], scope="")
    for route in ROUTES:
        if route.unary is None:
            continue
        call = guarded.channel.unary_unary(route.method)
        with pytest.raises(grpc.RpcError) as caught:
            call(b"", metadata=nobody)
        assert caught.value.code() is DENIED, route.method


@pytest.mark.parametrize(
    ("claims", "may_read", "may_write", "may_run"),
    [
        ({"roles": ["clinician"]}, True, True, False),
        ({"roles": ["statistician"]}, False, False, True),
        ({"roles": ["auditor"]}, False, False, False),
        ({"roles": [], "scope": "system/*.read"}, True, False, False),
        ({"roles": [], "scope": "user/Observation.rs openid"}, True, False, False),
        ({"roles": [], "scope": "system/*.write"}, False, True, False),
        ({"roles": [], "scope": "trial.run"}, False, False, True),
    ],
)
def test_roles_and_scopes_say_what_a_caller_may_do(
    guarded: Client, issuer: Issuer, claims: dict[str, Any], may_read: bool, may_write: bool, may_run: bool
) -> None:
    name = create(guarded, issuer.mint(), f"r{abs(hash(json.dumps(claims))) % 10**9}")
    who = issuer.mint(**claims)
    record = twin_pb2.RecordEventsRequest(name=name, events=COURSE[:1], request_id=rid())
    rows = [
        trial_pb2.TrialRow(subject=str(i), treated=i % 2 == 0, outcome=i, prognostic_score=i % 7) for i in range(40)
    ]
    calls = [
        (may_read, lambda: guarded.twins.GetTwin(twin_pb2.GetTwinRequest(name=name), metadata=who)),
        (may_read, lambda: guarded.simulation.Simulate(simulate_request(name), metadata=who)),
        (may_write, lambda: guarded.twins.RecordEvents(record, metadata=who)),
        (
            may_run,
            lambda: guarded.trial.AnalyzeTrial(
                trial_pb2.AnalyzeTrialRequest(parent="tenants/acme", rows=rows), metadata=who
            ),
        ),
    ]
    for allowed, call in calls:
        if allowed:
            call()
        else:
            assert refused(call).code is DENIED


def test_breaking_the_glass_needs_the_role_and_a_reason(guarded: Client, issuer: Issuer) -> None:
    name = create(guarded, issuer.mint(), "p-glass")
    asked = twin_pb2.GetTwinRequest(name=name)
    on_call = issuer.mint(roles=["auditor", "break-glass"])
    assert refused(lambda: guarded.twins.GetTwin(asked, metadata=on_call)).code is DENIED
    said = [*on_call, ("twin-break-glass", "unconscious, no team on site")]
    assert guarded.twins.GetTwin(asked, metadata=said).twin.name == name
    without = [*issuer.mint(roles=["auditor"]), ("twin-break-glass", "curious")]
    assert refused(lambda: guarded.twins.GetTwin(asked, metadata=without)).code is DENIED


def test_a_server_that_others_can_reach_must_know_who_calls(tmp_path: Path) -> None:
    with pytest.raises(Refusal) as caught:
        Server(server_settings(tmp_path).model_copy(update={"listen": "0.0.0.0:0"}))
    assert caught.value.reason == "NO_IDENTITY" and not (tmp_path / "twin.db").exists()
    tokens = tmp_path / "tokens.toml"
    digest = hashlib.sha256(b"t").hexdigest()
    tokens.write_text(f'[tokens]\n{digest} = {{ tenant = "acme", roles = ["clinician"], subject = "dev" }}\n')
    settings = server_settings(tmp_path, tenant_tokens=tokens).model_copy(update={"listen": "0.0.0.0:0"})
    server = Server(settings)
    server.start()
    client = Client(server.port)
    assert client.library.ListDrugs(library_pb2.ListDrugsRequest(), metadata=[("authorization", "Bearer t")]).drugs
    client.channel.close()
    server.stop()


def test_every_route_needs_a_scope() -> None:
    assert all(isinstance(r.scope, CallerScope) for r in ROUTES)
