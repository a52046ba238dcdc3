"""JSON over HTTP answers as gRPC does: same messages, same validation, same status, same identity."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Iterator

import pytest
from google.rpc import error_details_pb2

pytest.importorskip("starlette", reason="the extra `web` is not installed")
httpx = pytest.importorskip("httpx", reason="httpx is not installed")

from tests.clients.live import live_address, live_web  # noqa: E402
from twin_client import TwinClient, quantity  # noqa: E402
from twin_client.errors import ClientError  # noqa: E402
from twin_client.web.app import create_app  # noqa: E402
from twin_client.web.methods import methods  # noqa: E402
from twin_client.web.ward import WebSettings  # noqa: E402
from twin_service.v1 import twin_pb2  # noqa: E402

TWINS = "/twin_service.v1.TwinService"
TOKEN = "a-token-of-this-test"
Doors = tuple[httpx.Client, TwinClient]


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("json")
    tokens = folder / "tokens.toml"
    tokens.write_text(f'[tokens]\n{hashlib.sha256(TOKEN.encode()).hexdigest()} = "test"\n')
    with live_address(folder, tenant_tokens=tokens) as server:
        with live_web(create_app(WebSettings(server, bytes(64)))) as page:
            with httpx.Client(base_url=page, timeout=120) as web, TwinClient(server, "test", token=TOKEN) as client:
                yield web, client


def post(web: httpx.Client, path: str, body: object, **headers: str) -> tuple[int, dict, dict]:
    given = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"} | headers
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = web.post(path, content=content, headers={k.replace("_", "-"): v for k, v in given.items()})
    return answer.status_code, answer.json(), dict(answer.headers)


def create(patient: str) -> dict[str, object]:
    spec = {
        "model": {"poppk": "phenobarbital_neonate"},
        "epochTime": "2024-01-01T00:00:00Z",
        "covariates": [{"name": "weight_kg", "value": {"value": 1400, "unit": "g"}}],
    }
    return {"parent": "tenants/test", "patientId": patient, "spec": spec, "requestId": str(uuid.uuid4())}


def test_every_unary_method_of_the_contract_has_a_path() -> None:
    known = methods()
    assert f"{TWINS}/RecordEvents" in known and "/twin_service.v1.SimulationService/Recommend" in known
    assert {m.path.rpartition("/")[2] for m in known.values() if m.streams} >= {"StreamEvents", "WatchTwin"}


def test_a_twin_made_by_json_is_the_twin_read_by_grpc(doors: Doors) -> None:
    web, client = doors
    status, made, _ = post(web, f"{TWINS}/CreateTwin", create("j1"))
    assert status == 200 and made["twin"]["name"] == "tenants/test/patients/j1/twin"
    status, read, _ = post(web, f"{TWINS}/GetTwin", {"name": made["twin"]["name"]})
    assert status == 200
    assert read["covariates"][0]["value"]["value"] == client.twin("j1").covariates[0].value.value == 1.4
    assert read["basis"]["beliefDigest"] == client.twin("j1").basis.belief_digest


def test_binary_bodies_are_taken_too(doors: Doors) -> None:
    web, client = doors
    client.create_twin("j2", poppk="phenobarbital_neonate", covariates={"weight_kg": quantity(1.2, "kg")})
    request = twin_pb2.GetTwinRequest(name=client.name_of("j2"))
    headers = {"content-type": "application/proto", "authorization": f"Bearer {TOKEN}"}
    answer = web.post(f"{TWINS}/GetTwin", content=request.SerializeToString(), headers=headers)
    assert answer.headers["content-type"] == "application/proto"
    assert twin_pb2.GetTwinResponse.FromString(answer.content).twin == client.twin("j2").twin


def test_a_refusal_is_the_services_own_with_its_details(doors: Doors) -> None:
    web, client = doors
    status, said, headers = post(web, f"{TWINS}/GetTwin", {"name": "tenants/test/patients/nobody/twin"})
    with pytest.raises(ClientError) as by_grpc:
        client.twin("nobody")
    assert (status, said["code"], said["message"]) == (404, "not_found", by_grpc.value.message)
    assert headers["cache-control"] == "no-store"
    kinds = {d["type"]: d for d in said["details"]}
    info = error_details_pb2.ErrorInfo()
    value = kinds["google.rpc.ErrorInfo"]["value"]
    info.ParseFromString(base64.b64decode(value + "=" * (-len(value) % 4)))
    assert info.reason == by_grpc.value.reason and kinds["google.rpc.ErrorInfo"]["debug"]["reason"] == info.reason


def test_validation_names_the_field(doors: Doors) -> None:
    web, _ = doors
    wrong = create("j3") | {"patientId": "not a pseudonym!"}
    status, said, _ = post(web, f"{TWINS}/CreateTwin", wrong)
    assert (status, said["code"]) == (400, "invalid_argument")
    bad = next(d for d in said["details"] if d["type"] == "google.rpc.BadRequest")
    assert bad["debug"]["fieldViolations"][0]["field"] == "patient_id"


@pytest.mark.parametrize("token", ["", "Bearer wrong"])
def test_without_a_known_token_nothing_is_answered(doors: Doors, token: str) -> None:
    status, said, _ = post(doors[0], f"{TWINS}/ListTwins", {"parent": "tenants/test"}, authorization=token)
    assert (status, said["code"]) == (401, "unauthenticated")


def test_another_tenant_is_not_found(doors: Doors) -> None:
    status, said, _ = post(doors[0], f"{TWINS}/ListTwins", {"parent": "tenants/other"})
    assert (status, said["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "code"),
    [
        (f"{TWINS}/Nothing", {}, {}, 404, "unimplemented"),
        ("/other.Service/Get", {}, {}, 404, "unimplemented"),
        (f"{TWINS}/StreamEvents", {}, {}, 501, "unimplemented"),
        (f"{TWINS}/GetTwin", {}, {"content_type": "text/plain"}, 415, "unknown"),
        (f"{TWINS}/GetTwin", {}, {"content_encoding": "gzip"}, 501, "unimplemented"),
        (f"{TWINS}/GetTwin", {}, {"connect_protocol_version": "2"}, 400, "invalid_argument"),
        (f"{TWINS}/GetTwin", {}, {"connect_timeout_ms": "soon"}, 400, "invalid_argument"),
        (f"{TWINS}/GetTwin", {"nmae": "x"}, {}, 400, "invalid_argument"),
        (f"{TWINS}/GetTwin", b"<xml/>", {}, 400, "invalid_argument"),
        (f"{TWINS}/GetTwin", b"\xff\xfe", {}, 400, "invalid_argument"),
        (f"{TWINS}/GetTwin", b'{"name":' + b"[" * 100_000, {}, 400, "invalid_argument"),
    ],
)
def test_what_the_door_does_not_understand_is_refused_by_name(
    doors: Doors, path: str, body: object, headers: dict, status: int, code: str
) -> None:
    got, said, _ = post(doors[0], path, body, **headers)
    assert (got, said["code"]) == (status, code) and said["message"]


def test_a_body_beyond_the_limit_is_not_read_to_its_end(doors: Doors) -> None:
    status, said, _ = post(doors[0], f"{TWINS}/GetTwin", b" " * (33 * 1024 * 1024))
    assert (status, said["code"]) == (413, "resource_exhausted")


def test_the_callers_deadline_is_kept(doors: Doors) -> None:
    """One millisecond is not enough to compose a whole-body model of four drugs."""
    asked = {"model": {"drugs": ["rifampicin", "digoxin", "quinidine", "efavirenz"]}}
    status, said, _ = post(doors[0], "/twin_service.v1.LibraryService/DescribeModel", asked, connect_timeout_ms="1")
    assert (status, said["code"]) == (504, "deadline_exceeded")
