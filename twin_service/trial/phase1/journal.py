"""A running trial in one file: the plan, then one event a line, each line chained to those before it.

    line 0     {"plan": {...}, "chain": sha256(plan)}
    line k     {"event": {"kind": "...", ...}, "chain": sha256(chain of line k - 1 + event)}

A line that was altered, removed or put in breaks the chain at that line, and the file is refused.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from types import MappingProxyType
from typing import cast

from pydantic import TypeAdapter, ValidationError

from twin_service.outcome import Refusal, RefusalCode
from twin_service.trial.phase1.escalation_plan import EscalationPlan, running_design
from twin_service.trial.phase1.live import Corrected, DoseAdded, Dosed, ObservedOutcome, TrialEvent, Withdrawn, append
from twin_service.trial.phase1.plan_file import plan_of

KINDS = MappingProxyType(
    {
        "dosed": Dosed,
        "observed": ObservedOutcome,
        "withdrawn": Withdrawn,
        "dose_added": DoseAdded,
        "corrected": Corrected,
    }
)


def event_to_json(event: TrialEvent) -> dict[str, object]:
    """The event with its kind."""
    kind = next(name for name, cls in KINDS.items() if isinstance(event, cls))
    row: dict[str, object] = {"kind": kind, **asdict(event)}
    if isinstance(event, Corrected) and event.to is not None:
        row["to"] = event_to_json(event.to)
    return row


def event_from_json(row: Mapping[str, object], path: str = "event") -> TrialEvent:
    """Raises Refusal for an unknown kind or key, naming the nearest, and for a value of the wrong type."""
    kind = str(row.get("kind", ""))
    if kind not in KINDS:
        raise _refuse(f"{path}.kind", f"{kind!r} is unknown; {_near(kind, list(KINDS))}")
    cls = KINDS[kind]
    known = [f.name for f in fields(cls)]
    for key in set(row) - {"kind", *known}:
        raise _refuse(f"{path}.{key}", f"unknown key {key!r}; {_near(key, known)}")
    values = {k: v for k, v in row.items() if k != "kind"}
    if cls is Corrected and isinstance(values.get("to"), Mapping):
        values["to"] = event_from_json(cast(Mapping[str, object], values["to"]), f"{path}.to")
    try:
        return cast(TrialEvent, TypeAdapter(cls).validate_python(values))
    except ValidationError as error:
        told = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise _refuse(path, told) from None


def open_trial(plan: EscalationPlan, path: Path) -> None:
    """Start the file of a trial. Raises Refusal when it exists, or the design forbids the plan's first dose."""
    running_design(plan)
    if path.exists():
        raise Refusal(RefusalCode.EXISTS, f"{path.name} exists; a trial is opened once", field="trial")
    body = plan.model_dump(mode="json")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"plan": body, "chain": _chain("", body)}) + "\n", encoding="utf-8")


def read_trial(path: Path) -> tuple[EscalationPlan, tuple[TrialEvent, ...]]:
    """Plan and events. Raises Refusal (NOT_FOUND, or at the line where the chain breaks)."""
    if not path.exists():
        raise Refusal(RefusalCode.NOT_FOUND, f"{path.name} does not exist; open the trial first", field="trial")
    chain, plan, events = "", None, []
    for k, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        row = json.loads(line)
        body = row["plan"] if k == 0 else row["event"]
        chain = _chain(chain, body)
        if row["chain"] != chain:
            raise Refusal(
                RefusalCode.PRECONDITION,
                f"{path.name} line {k + 1} was altered, or a line before it is missing",
                field="trial",
                reason="BROKEN_CHAIN",
            )
        if k == 0:
            plan = plan_of(body, EscalationPlan, path.name)
        else:
            events.append(event_from_json(body, f"events[{k - 1}]"))
    if plan is None:
        raise Refusal(RefusalCode.PRECONDITION, f"{path.name} is empty", field="trial")
    return plan, tuple(events)


def record(path: Path, new: Sequence[TrialEvent]) -> tuple[EscalationPlan, tuple[TrialEvent, ...]]:
    """Append events, all or none, durably. Raises Refusal where one contradicts what was recorded."""
    plan, events = read_trial(path)
    for event in new:
        events = append(plan, events, event)
    chain = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])["chain"]
    lines = []
    for event in new:
        body = event_to_json(event)
        chain = _chain(chain, body)
        lines.append(json.dumps({"event": body, "chain": chain}) + "\n")
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(lines))
        file.flush()
        os.fsync(file.fileno())
    return plan, events


def _chain(before: str, body: object) -> str:
    text = before + json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _near(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def _refuse(field: str, message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, f"{field}: {message}", field=field, reason="BAD_TRIAL_EVENT")
