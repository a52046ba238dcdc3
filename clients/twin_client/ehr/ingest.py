"""Files into twins: read resource by resource, put together by patient, sent exactly once, every entry accounted for.

Nothing is moved, renamed or written beside the files. A run that is cut off is run again: the service knows what it
has.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from twin_client.ehr.codes import tables
from twin_client.ehr.feed import Answer, NoTwinError, Sender
from twin_client.ehr.fhir import read_bundle
from twin_client.ehr.identity import patient_id, patient_of
from twin_client.ehr.reading import Reading
from twin_client.ehr.report import FileReport, Report
from twin_client.ehr.site import Site
from twin_client.ehr.sources import Entry, FileRefusedError, entries_of
from twin_client.ehr.spool import Kept, Spool

CHUNK = 2000
"""Resources of one patient read together; observations beyond follow in chunks of their own."""


SAID_AGAIN = "LIKELY_DUPLICATE: the same value stands in the chart under another id, close in time"


@dataclass(frozen=True)
class Options:
    """How records are read: whose words, whether orders count as given, which lesions were chosen at baseline."""

    site: Site = field(default_factory=Site)
    trust_requests: bool = False
    target_lesions: Collection[str] = ()


class Ingest:
    """One run over files: `read` each, then `send`; again for files that arrive later."""

    def __init__(self, sender: Sender, options: Options) -> None:
        self._sender, self._options = sender, options
        self._spool = Spool()
        self._files: list[FileReport] = []
        self.twins_made = 0

    def close(self) -> None:
        """Let go of what was read."""
        self._spool.close()

    @property
    def report(self) -> Report:
        """What became of everything so far."""
        return Report(tuple(self._files), self.twins_made)

    def read(self, name: str, stream: IO[bytes], tell: Callable[[int], None] = lambda entries: None) -> FileReport:
        """Read one file into the spool. A file that stops being FHIR JSON is refused whole: nothing of it is sent."""
        number, report = len(self._files), FileReport(name)
        self._files.append(report)
        try:
            for entry in entries_of(stream):
                report.entries += 1
                self._keep(number, report, entry)
                if report.entries % 500 == 0:
                    tell(report.entries)
        except FileRefusedError as refused:
            self._spool.forget(number)
            report.refuse(str(refused))
        return report

    def send(self, tell: Callable[[int, int], None] = lambda done, patients: None) -> None:
        """Send what was read and not sent yet, patient by patient. Raises ClientError when the service is away."""
        patients = _Patients(self._spool.patients(), self._options.site)
        groups = patients.groups(self._spool.fresh_subjects())
        used: set[int] = set()
        for done, (key, subjects) in enumerate(groups.items()):
            tell(done, len(groups))
            rows = [k for k in self._spool.about(subjects) if k.subject or patients.only_one(k.file) == key]
            self._send_patient(patients, key, rows, used)
        tell(len(groups), len(groups))
        self._without_patient(patients)
        for kept in self._spool.unused_medications(used):
            self._files[kept.file].fates["nothing"] += 1
        self._spool.sent()

    def _keep(self, number: int, report: FileReport, entry: Entry) -> None:
        if entry.reason:
            report.fates["held"] += 1
            report.reasons[entry.reason, entry.remedy] += 1
        elif entry.body is None:
            report.fates["ignored"] += 1
            report.kinds[entry.kind] += 1
        else:
            self._spool.add(number, entry.body, entry.url)

    def _without_patient(self, patients: _Patients) -> None:
        """Resources that say of nobody whom they are about, in a file of several patients or none."""
        for kept in self._spool.about([""]):
            if kept.is_new and not patients.only_one(kept.file):
                self._held(kept, "it does not say whom it is about", "send subject")

    def _send_patient(self, patients: _Patients, key: str, rows: Sequence[Kept], used: set[int]) -> None:
        patient, older = patients.resource(key), [k for k in rows if k.kind == "Patient"]
        others = [k for k in rows if k.kind != "Patient"]
        for kept in older:
            if kept.is_new and (patient is None or kept.seq != patient.seq):
                self._files[kept.file].fates["repeated"] += 1
        name = patients.twin(key)
        if not name:
            for kept in [*others, *([patient] if patient else [])]:
                if kept.is_new:
                    self._held(kept, "which twin it belongs to is not known", "send the Patient with its identifier")
            return
        counted = patient is None or not patient.is_new
        for chunk in _chunks(others) or [[]]:
            medications = self._spool.medications(list(_medications(chunk)))
            whole = [*([patient] if patient else []), *medications, *chunk]
            fresh = [bool(k.is_new) and k.seq not in used and not (counted and k is patient) for k in whole]
            used |= {k.seq for k in medications}
            counted = True
            self._send_chunk(name, whole, fresh)

    def _send_chunk(self, name: str, kept: Sequence[Kept], fresh: Sequence[bool]) -> None:
        options = self._options
        reading = read_bundle(
            {"resourceType": "Bundle", "type": "collection", "entry": [k.entry for k in kept]},
            trust_requests=options.trust_requests,
            target_lesions=options.target_lesions,
            site=options.site,
        )
        try:
            answers = self._sender.send(name, reading.events, reading.origins) if reading.events else {}
        except NoTwinError as missing:
            answers = {
                e.id: Answer("held", reason=str(missing), remedy="name a model, or create the twin")
                for e in reading.events
            }
        marks = _settled(reading, answers)
        for k, mark, is_fresh in zip(kept, marks, fresh, strict=True):
            if is_fresh:
                self._files[k.file].fates[mark] += 1
        self._tell_reasons([k if f else None for k, f in zip(kept, fresh, strict=True)], reading, answers)

    def _tell_reasons(self, kept: Sequence[Kept | None], reading: Reading, answers: dict[str, Answer]) -> None:
        """Reasons under the file of each resource; None in `kept`: told before."""
        files = [k.file for k in kept if k is not None]
        if not files:
            return
        by_name = {k.name: k.file for k in kept if k is not None}
        for held in reading.held:
            place = held.resource.split(" ")[0]
            at = kept[int(place[6:-1])] if place.startswith("entry[") else None
            file = at.file if at is not None else by_name.get(held.resource)
            if file is not None:
                self._files[file].reasons[held.reason, held.remedy] += 1
        for note in reading.notes:
            if note.resource in by_name:
                self._files[by_name[note.resource]].notes[note.said] += 1
        for identity, answer in answers.items():
            origin = reading.origins.get(identity)
            at = kept[origin.entry] if origin is not None else None
            if origin is not None and at is None:
                continue
            report = self._files[at.file if at is not None else files[-1]]
            report.events["known" if answer.fate == "taken" and answer.is_known else answer.fate] += 1
            if answer.fate != "taken":
                report.reasons[_general(answer.reason), answer.remedy] += 1

    def _held(self, kept: Kept, reason: str, remedy: str) -> None:
        self._files[kept.file].fates["held"] += 1
        self._files[kept.file].reasons[reason, remedy] += 1


def _settled(reading: Reading, answers: dict[str, Answer]) -> list[str]:
    """The mark of each entry after the service has spoken: an entry is taken when any event of it was."""
    said: dict[int, set[str]] = defaultdict(set)
    for identity, origin in reading.origins.items():
        if identity in answers:
            said[origin.entry].add(answers[identity].fate)
    return [
        next((f for f in ("taken", "held", "refused") if f in said[i]), mark) if mark == "taken" else mark
        for i, mark in enumerate(reading.marks)
    ]


def _general(reason: str) -> str:
    """A reason without the id of the event it compares with: one line of a report, not one for each event."""
    return SAID_AGAIN if reason.startswith("LIKELY_DUPLICATE") else reason


def _chunks(rows: Sequence[Kept]) -> list[list[Kept]]:
    """Orders and administrations belong together, lesions by their day; other observations are independent."""
    if len(rows) <= CHUNK:
        return [list(rows)]
    marks = tuple(f'"{code}"' for code in tables().lesions)
    alone = [k.kind == "Observation" and not any(m in k.body for m in marks) for k in rows]
    single = [k for k, is_alone in zip(rows, alone, strict=True) if is_alone]
    together = [k for k, is_alone in zip(rows, alone, strict=True) if not is_alone]
    return [together, *(single[i : i + CHUNK] for i in range(0, len(single), CHUNK))]


def _medications(rows: Iterable[Kept]) -> Iterator[str]:
    for kept in rows:
        if kept.kind.startswith("Medication") and '"medicationReference"' in kept.body:
            reference = json.loads(kept.body)["medicationReference"]
            target = str(reference.get("reference") or "") if isinstance(reference, dict) else ""
            if target and not target.startswith("#"):
                yield target.split("/_history/")[0]


class _Patients:
    """Everyone the files speak of: under which names, and by which resource, the newest."""

    def __init__(self, resources: Sequence[Kept], site: Site) -> None:
        self._site = site
        self._newest: dict[str, Kept] = {}
        self._alias: dict[str, str] = {}
        self._in_file: dict[int, set[str]] = defaultdict(set)
        for kept in resources:
            self._newest[kept.subject] = max(self._newest.get(kept.subject, kept), kept, key=_age)
            self._in_file[kept.file].add(kept.subject)
            if kept.url:
                self._alias[kept.url if kept.url.startswith("urn:") else "/".join(kept.url.split("/")[-2:])] = (
                    kept.subject
                )

    def groups(self, subjects: Sequence[str]) -> dict[str, list[str]]:
        """For each patient that `subjects` name: every name of theirs, and "" for resources that say none."""
        keys = sorted({self._alias.get(s, s) for s in subjects if s})
        if "" in subjects:
            keys = sorted({*keys, *(next(iter(p)) for p in self._in_file.values() if len(p) == 1)})
        names: dict[str, list[str]] = {key: [key, ""] for key in keys}
        for alias, key in self._alias.items():
            if key in names and alias != key:
                names[key].append(alias)
        return names

    def only_one(self, file: int) -> str:
        """The one patient of a file, "" where it has several or none."""
        found = self._in_file.get(file, set())
        return next(iter(found)) if len(found) == 1 else ""

    def resource(self, key: str) -> Kept | None:
        return self._newest.get(key)

    def twin(self, key: str) -> str:
        """The id of the twin, "" where it is not known."""
        kept = self._newest.get(key)
        if kept is not None:
            return patient_of(json.loads(kept.body), self._site)
        if self._site.identifier_system or not key.startswith("Patient/"):
            return ""
        return patient_id(key.removeprefix("Patient/"))


def _age(kept: Kept) -> tuple[str, int]:
    body: dict[str, Any] = json.loads(kept.body)
    meta = body.get("meta")
    return str(meta.get("lastUpdated") or "") if isinstance(meta, dict) else "", kept.seq


def counts(report: Report) -> Counter[str]:
    """Entries of all files by fate."""
    return sum((f.fates for f in report.files), Counter[str]())
