"""Files into twins of a live service: every entry accounted for, exactly once, bad files refused whole by name."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.live import live_client
from tests.clients.test_fhir import ucum
from twin_client import ClientError, TwinClient
from twin_client.ehr.feed import Sender
from twin_client.ehr.folder import Folder, opened
from twin_client.ehr.ingest import CHUNK, Ingest, Options
from twin_client.ehr.report import Report
from twin_client.ehr.site import Site, TwinModel
from twin_service.demo.doors.records import make_patients
from twin_service.service.server import Server
from twin_service.settings import Settings

MODEL = TwinModel(poppk="vancomycin_goti")
LOINC, RXNORM = "http://loinc.org", "http://www.nlm.nih.gov/research/umls/rxnorm"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwinClient]:
    with live_client(tmp_path_factory.mktemp("ingest")) as found:
        yield found


def person(p: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": p, "gender": "female", "birthDate": "1950-07-01"} | more


def lab(p: str, k: int, value: float = 1.0, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{k}",
        "status": "final",
        "subject": {"reference": f"Patient/{p}"},
        "code": {"coding": [{"system": LOINC, "code": "2160-0"}]},
        "effectiveDateTime": f"2024-03-{1 + k // 24 % 28:02d}T{k % 24:02d}:00:00+01:00",
        "valueQuantity": ucum(value + k / 1000, "mg/dL"),
    } | more


def dose(p: str, k: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "MedicationAdministration",
        "id": f"m{k}",
        "status": "completed",
        "subject": {"reference": f"Patient/{p}"},
        "medicationReference": {"reference": "Medication/vanc"},
        "effectiveDateTime": f"2024-03-01T{8 + k:02d}:30:00+01:00",
        "dosage": {
            "dose": {"value": 1, "unit": "vial"},
            "route": {"coding": [{"system": "http://snomed.info/sct", "code": "47625008"}]},
        },
    } | more


VIAL = {
    "resourceType": "Medication",
    "id": "vanc",
    "code": {"coding": [{"system": RXNORM, "code": "1807513", "display": "vancomycin 1000 MG Injection"}]},
}


def bundle(*resources: dict[str, Any], kind: str = "collection", **more: Any) -> bytes:
    return json.dumps(
        {"resourceType": "Bundle", "type": kind, "entry": [{"resource": r} for r in resources]} | more
    ).encode()


def lines(*resources: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(r).encode() + b"\n" for r in resources)


def take(client: TwinClient, *files: bytes, model: TwinModel = MODEL, site: Site | None = None) -> Report:
    work = Ingest(Sender(client, model), Options(site or Site()))
    try:
        for k, content in enumerate(files):
            work.read(f"f{k}", io.BytesIO(content))
        work.send()
        report = work.report
    finally:
        work.close()
    assert report.unaccounted == 0
    return report


def said(client: TwinClient, patient: str) -> list[tuple[str, str, float]]:
    found = []
    for r in client.events(patient):
        if r.in_force and r.event.WhichOneof("payload") in ("lab", "dose"):
            body = r.event.lab if r.event.HasField("lab") else r.event.dose
            value = body.value.value if r.event.HasField("lab") else body.amount.value
            found.append((r.event.id, r.event.WhichOneof("payload") or "", round(value, 6)))
    return sorted(found)


def test_a_bulk_export_is_put_together_by_patient_across_its_files(client: TwinClient) -> None:
    """Patients, drugs and results lie in files of their own, in any order; sent again, nothing changes."""
    files = [
        lines(*(lab(p, k) for k in range(3) for p in ("bulk-a", "bulk-b"))),
        lines(VIAL),
        lines(dose("bulk-a"), dose("bulk-b"), {"resourceType": "Encounter", "id": "e"}),
        lines(person("bulk-a"), person("bulk-b")),
    ]
    report = take(client, *files)
    assert [f.fates["taken"] for f in report.files] == [6, 1, 2, 2] and report.total("ignored") == 1
    before = {p: said(client, p) for p in ("bulk-a", "bulk-b")}
    assert (
        all(len(b) == 4 for b in before.values())
        and ("MedicationAdministration/m0", "dose", 1000.0) in before["bulk-a"]
    )
    again = take(client, *reversed(files))
    assert all(set(f.events) <= {"known"} for f in again.files)
    assert {p: said(client, p) for p in before} == before


@pytest.mark.parametrize("kind", ["transaction", "batch", "searchset", "collection", "history", "document", "message"])
def test_bundles_of_any_type_are_read(client: TwinClient, kind: str) -> None:
    p = f"kind-{kind}"
    old = lab(p, 0, meta={"lastUpdated": "2024-03-02T00:00:00Z"})
    new = lab(p, 0, 2.0, meta={"lastUpdated": "2024-03-03T00:00:00Z"})
    resources = [person(p), old, new] if kind == "history" else [person(p), new]
    page = bundle(*resources, kind=kind, total=2, link=[{"relation": "next", "url": "http://x/next"}])
    take(client, page)
    assert said(client, p) == [("Observation/o0", "lab", 2.0)]


def test_one_resource_and_standard_input_style_streams_are_read(client: TwinClient) -> None:
    class Pipe(io.BytesIO):
        def seek(self, *args: Any) -> int:
            raise OSError("a pipe")

    work = Ingest(Sender(client, MODEL), Options())
    work.read("-", Pipe(b"\xef\xbb\xbf" + json.dumps(lab("single", 0), indent=2).encode()))
    work.send()
    assert work.report.total("taken") == 1 and len(said(client, "single")) == 1
    work.close()


def test_an_amended_result_corrects_and_setting_it_back_corrects_again(client: TwinClient) -> None:
    for day, value in ((2, 1.0), (3, 9.0), (4, 1.0)):
        take(
            client,
            bundle(
                person("am"), lab("am", 0, value, status="amended", meta={"lastUpdated": f"2024-03-0{day}T00:00:00Z"})
            ),
        )
    assert said(client, "am") == [("Observation/o0", "lab", 1.0)]


BAD = {
    "xml": (b"<Bundle xmlns='http://hl7.org/fhir'/>", "XML"),
    "empty": (b" \n", "empty"),
    "hl7": (b"MSH|^~\\&|A", "HL7 v2"),
    "array": (b"[1, 2]", "does not begin"),
    "cut": (bundle(person("cut"), lab("cut", 0))[:-20], "not JSON to its end"),
    "garbage": (b'{"resourceType": "Patient", oops', "not JSON"),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_what_is_no_fhir_json_is_refused_whole_by_name(client: TwinClient, name: str) -> None:
    content, why = BAD[name]
    report = take(client, content)
    assert why in report.files[0].error and report.total("taken") == 0
    with pytest.raises(ClientError):
        client.twin("cut")


def test_deep_nesting_and_references_in_a_circle_hold_one_resource_and_no_more(client: TwinClient) -> None:
    deep: Any = {}
    for _ in range(5000):
        deep = {"a": deep}
    text = json.dumps(lab("deep", 1)).replace('"status"', '"x": ' + '{"a": ' * 5000 + "{}" + "}" * 5000 + ', "status"')
    circle = VIAL | {"contained": [VIAL | {"id": "inner"}]}
    loop = dose(
        "deep",
        1,
        medicationReference={"reference": "#self"},
        contained=[
            {"resourceType": "Medication", "id": "self", "ingredient": [{"itemReference": {"reference": "#self"}}]}
        ],
    )
    whole = (
        b'{"resourceType": "Bundle", "type": "batch", "entry": ['
        + b",".join(
            b'{"resource": ' + r + b"}"
            for r in (
                text.encode(),
                json.dumps(person("deep")).encode(),
                json.dumps(lab("deep", 2)).encode(),
                json.dumps(loop).encode(),
                json.dumps(circle).encode(),
            )
        )
        + b"]}"
    )
    report = take(client, whole)
    assert len(said(client, "deep")) == 1
    reasons = " | ".join(r for r, _ in report.files[0].reasons)
    assert "nested deeper" in reasons and report.total("held") == 2


def test_nobody_and_a_stranger_are_held_with_a_remedy(client: TwinClient) -> None:
    orphan = lab("x", 0)
    del orphan["subject"]
    report = take(client, bundle(person("a1"), person("b1"), orphan), lines(lab("no-twin", 0)), model=TwinModel())
    reasons = " | ".join(r for f in report.files for r, _ in f.reasons)
    assert "does not say whom" in reasons and "has no twin" in reasons and report.total("held") == 2


def test_the_same_value_under_two_ids_is_one_line_of_the_report(client: TwinClient) -> None:
    twice = [lab("twin-ids", k, id=f"{c}{k}") for k in range(0, 90, 30) for c in "ab"]
    (found,) = (f for f in take(client, bundle(person("twin-ids"), *twice)).files)
    (line,) = found.reasons.items()
    assert line[0][0].startswith("LIKELY_DUPLICATE") and line[1] == found.fates["held"] == 3


def test_the_identifier_of_the_site_names_the_twin(client: TwinClient) -> None:
    site = Site(identifier_system="urn:mrn")
    known = person("fhir-id", identifier=[{"system": "urn:mrn", "value": "MRN 77"}])
    take(client, bundle(known, lab("fhir-id", 0)), site=site)
    report = take(client, bundle(person("other"), lab("other", 0)), site=site)
    assert report.total("held") == 2
    from twin_client.ehr.identity import patient_id

    assert len(said(client, patient_id("MRN 77"))) == 1


def test_a_long_record_is_read_in_chunks(client: TwinClient) -> None:
    report = take(
        client,
        bundle(
            person("long"),
            VIAL,
            dose("long"),
            *(
                lab(
                    "long",
                    k,
                    effectiveDateTime=f"20{10 + k // 365}-{1 + k // 31 % 12:02d}-{1 + k % 28:02d}T{k % 24:02d}:00:00Z",
                )
                for k in range(CHUNK + 300)
            ),
        ),
    )
    assert report.total("taken") == CHUNK + 303 and report.files[0].events["taken"] >= CHUNK + 301


def test_a_folder_gives_each_file_once_and_waits_for_one_being_written(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(bundle(person("a")))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.ndjson.gz").write_bytes(gzip.compress(lines(person("b"))))
    for name in (".hidden.json", "c.json.part", "notes.txt"):
        (tmp_path / name).write_text("{}")
    folder = Folder(tmp_path)
    assert [p.name for p in folder.files()] == ["a.json", "b.ndjson.gz"] and folder.files() == []
    with opened(tmp_path / "sub" / "b.ndjson.gz") as stream:
        assert json.loads(stream.read()) == person("b")
    late = tmp_path / "late.json"
    late.write_text("{")
    assert folder.settled() == []
    late.write_text('{"resourceType": "Patient", "id": "z"}')
    assert folder.settled() == []
    assert [p.name for p in folder.settled()] == ["late.json"] and folder.settled() == []


MEASURE = """
import io, json, resource, sys
sys.path[:0] = ["clients", "."]
from twin_client.ehr.sources import entries_of
from twin_client.ehr.spool import Spool
class Made(io.RawIOBase):
    def __init__(self, size):
        self.left, self.n, self.buffer = size, 0, b'{"resourceType": "Bundle", "type": "batch", "entry": ['
        self.entry = sys.argv[2].encode()
    def read(self, size=-1):
        while len(self.buffer) < size and self.left > 0:
            part = (b"," if self.n else b"") + self.entry.replace(b"o0", b"o%d" % self.n)
            self.n += 1
            self.left -= len(part)
            self.buffer += part if self.left > 0 else part + b"]}"
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken
made, spool = Made(int(sys.argv[1])), Spool()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for k, entry in enumerate(entries_of(made)):
    spool.add(0, entry.body, entry.url)
print(made.n, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.parametrize("megabytes", [30, pytest.param(200, marks=pytest.mark.slow)])
def test_a_large_bundle_is_read_in_bounded_memory(megabytes: int) -> None:
    entry = json.dumps({"resource": lab("big", 0, note=[{"text": "x" * 700}])})
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(megabytes << 20), entry], capture_output=True, text=True, check=True
    )
    count, grown_mb = done.stdout.split()
    assert int(count) > megabytes * 500 and float(grown_mb) < 60.0


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_where_an_unbroken_one_does(tmp_path: Path) -> None:
    """kill -9 of `twin ingest` at random moments; the last run finishes, and the record is that of one clean run."""
    folder = tmp_path / "in"
    folder.mkdir()
    for name, found in make_patients(5, 20):
        (folder / name).write_text(json.dumps(found))
    server = Server(Settings(listen="127.0.0.1:0", metrics_port=-1, database_url=f"sqlite:///{tmp_path}/twin.db"))
    server.start()
    rng = random.Random(4)
    try:
        for tenant, kills in (("broken", 6), ("clean", 0)):
            args = ["ingest", str(folder), "--server", f"127.0.0.1:{server.port}", "--tenant", tenant]
            command = [sys.executable, "-m", "twin_service", *args, "--poppk", "vancomycin_goti"]
            for _ in range(kills):
                process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(rng.uniform(2.0, 12.0))
                process.kill()
                process.wait()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=200)
        patients = [p.name for p in folder.iterdir()]
        records = []
        for tenant in ("broken", "clean"):
            with TwinClient(f"127.0.0.1:{server.port}", tenant, timeout_s=60.0) as client:
                records.append(
                    {
                        k: sorted((r.event.id, r.event.SerializeToString(deterministic=True)) for r in client.events(k))
                        for k in ids(folder)
                    }
                )
        assert records[0] == records[1] and sum(map(len, records[0].values())) > 50 * len(patients) / 2
    finally:
        server.stop(0.5)


def ids(folder: Path) -> list[str]:
    bundles = [json.loads(p.read_text()) for p in folder.iterdir()]
    found = [e["resource"]["id"] for b in bundles for e in b["entry"] if e["resource"]["resourceType"] == "Patient"]
    return sorted(found)
