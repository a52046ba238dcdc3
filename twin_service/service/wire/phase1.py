"""First dose, escalation and selection on the wire."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from twin_service.library.files import parse_text
from twin_service.outcome import Refusal, RefusalCode
from twin_service.report.page import render
from twin_service.service.wire import answer
from twin_service.service.wire.path import at, invalid
from twin_service.store.escalations import EscalationRow
from twin_service.trial.phase1.comparison import DesignComparison
from twin_service.trial.phase1.decision import ChangedDecision, Decision
from twin_service.trial.phase1.escalation_page import answer as answer_line
from twin_service.trial.phase1.escalation_page import comparison_page
from twin_service.trial.phase1.escalation_plan import EscalationPlan
from twin_service.trial.phase1.first_dose import FirstDose
from twin_service.trial.phase1.first_dose_page import first_dose_page
from twin_service.trial.phase1.first_dose_plan import FirstDosePlan
from twin_service.trial.phase1.journal import event_from_json, event_to_json
from twin_service.trial.phase1.live import TrialEvent
from twin_service.trial.phase1.plan_file import plan_of
from twin_service.trial.phase1.selection import Accuracy, Candidates, Reasoned, Validated
from twin_service.v1 import phase1_pb2
from twin_service.v1.phase1_pb2 import (
    CompareDesignsRequest,
    CompareDesignsResponse,
    DecideEscalationRequest,
    DecideEscalationResponse,
    GetDesignComparisonRequest,
    GetDesignComparisonResponse,
    OpenEscalationRequest,
    OpenEscalationResponse,
    ProposeFirstDoseRequest,
    ProposeFirstDoseResponse,
    RecordEscalationEventsRequest,
    RecordEscalationEventsResponse,
    SelectRespondersRequest,
    SelectRespondersResponse,
)

__all__ = [
    "CompareDesignsRequest",
    "CompareDesignsResponse",
    "DecideEscalationRequest",
    "DecideEscalationResponse",
    "GetDesignComparisonRequest",
    "GetDesignComparisonResponse",
    "OpenEscalationRequest",
    "OpenEscalationResponse",
    "ProposeFirstDoseRequest",
    "ProposeFirstDoseResponse",
    "RecordEscalationEventsRequest",
    "RecordEscalationEventsResponse",
    "SelectRespondersRequest",
    "SelectRespondersResponse",
]

TRIALS = 2000
# Fields of an event's message that its kind uses; "to" and "of" belong to corrections.
USED = {
    "dosed": ("dose", "patients", "reason"),
    "observed": ("patient", "toxic"),
    "withdrawn": ("patient", "reason"),
    "dose_added": ("dose", "reason"),
    "corrected": ("of", "reason"),
}


class Asking(NamedTuple):
    """Patients who teach, and those who are asked about."""

    seen: Candidates
    subjects: tuple[str, ...]
    values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]


def first_dose_plan_of(request: ProposeFirstDoseRequest) -> FirstDosePlan:
    return plan_of(parse_text(request.plan, "plan", "plan"), FirstDosePlan)


def escalation_plan_of(text: str) -> EscalationPlan:
    return plan_of(parse_text(text, "plan", "plan"), EscalationPlan)


def trial_name(name: str) -> tuple[str, str]:
    """Tenant and trial of `tenants/{tenant}/escalations/{escalation}`."""
    parts = name.split("/")
    return parts[1], parts[3]


def plan_row(plan: EscalationPlan, name: tuple[str, str], now_us: int) -> EscalationRow:
    return EscalationRow(*name, 0, plan.model_dump_json().encode(), now_us)


def event_rows(events: Sequence[TrialEvent], name: tuple[str, str], start: int, now_us: int) -> list[EscalationRow]:
    """Rows of new events, the first at revision `start`."""
    bodies = (json.dumps(event_to_json(e), sort_keys=True).encode() for e in events)
    return [EscalationRow(*name, start + k, body, now_us) for k, body in enumerate(bodies)]


def trial_of(rows: Sequence[EscalationRow]) -> tuple[EscalationPlan, tuple[TrialEvent, ...]]:
    """Plan and events as stored; raises Refusal (NOT_FOUND) for no rows."""
    if not rows:
        raise Refusal(RefusalCode.NOT_FOUND, "no such escalation; open it first", field="name", reason="NO_SUCH_TRIAL")
    plan = plan_of(json.loads(rows[0].body), EscalationPlan)
    return plan, tuple(event_from_json(json.loads(r.body)) for r in rows[1:])


def events_of(request: RecordEscalationEventsRequest) -> list[TrialEvent]:
    """Raises Refusal with the path of the field: an unknown kind, or a field that the kind does not use."""
    found = []
    for k, event in enumerate(request.events):
        with at("events", k):
            found.append(event_from_json(_event(event), ""))
    return found


def _event(event: phase1_pb2.EscalationEvent) -> dict[str, object]:
    used = USED.get(event.kind)
    if used is None:
        raise invalid(f"{event.kind!r} is unknown; known: {', '.join(USED)}", "kind", "BAD_TRIAL_EVENT")
    for field, _ in event.ListFields():
        if field.name not in ("kind", "id", "day", "to", *used):
            raise invalid(f"{field.name} has no meaning in a {event.kind!r} event", field.name, "BAD_TRIAL_EVENT")
        if field.name == "to" and event.kind != "corrected":
            raise invalid("only a correction has `to`", "to", "BAD_TRIAL_EVENT")
    row: dict[str, object] = {"kind": event.kind, "id": event.id, "day": event.day}
    row |= {name: list(event.patients) if name == "patients" else getattr(event, name) for name in used}
    if event.kind == "corrected":
        row["to"] = _event(event.to) if event.HasField("to") else None
    return row


def first_dose_out(found: FirstDose, now_us: int) -> ProposeFirstDoseResponse:
    return ProposeFirstDoseResponse(
        start_mg=found.start_mg,
        maximum_mg=found.maximum_mg,
        maximum_reason=found.maximum_reason,
        limiting=found.limiting.name,
        routes=[phase1_pb2.DoseRoute(**asdict(r)) for r in found.routes],
        caps=[phase1_pb2.ExposureCap(**c._asdict()) for c in found.caps],
        ladder=[
            phase1_pb2.LadderDose(
                dose_mg=r.dose_mg, cmax_umol_l=r.cmax, auc_umol_h_l=r.auc, bound=r.bound or (), exceeds=r.exceeds
            )
            for r in found.ladder
        ],
        stagger_h=found.stagger_h,
        stopping=found.stopping,
        report_html=render(first_dose_page(found)),
        basis=answer.basis_of_request(now_us, assumptions=found.notes),
    )


def decision_out(plan: EscalationPlan, d: Decision) -> phase1_pb2.EscalationDecision:
    return phase1_pb2.EscalationDecision(
        revision=d.revision,
        day=d.day,
        current=d.current,
        next_dose=d.next_dose,
        ends=d.ends,
        declared=d.declared,
        answer=answer_line(plan, d),
        reasons=d.reasons,
        doses=[phase1_pb2.DoseView(**asdict(v)) for v in d.doses],
        late=d.late,
        notes=d.notes,
        digest=d.digest,
    )


def changed_out(changed: Sequence[ChangedDecision]) -> list[phase1_pb2.ChangedDecision]:
    return [phase1_pb2.ChangedDecision(cohort=c.cohort, said=c.said, now=c.now) for c in changed]


def comparison_out(found: DesignComparison) -> GetDesignComparisonResponse:
    return GetDesignComparisonResponse(
        chosen=found.chosen or "",
        reason=found.reason,
        ranked=[phase1_pb2.RankedDesign(**{k: v for k, v in asdict(r).items() if k != "days"}) for r in found.ranked],
        rows=[
            phase1_pb2.DesignCharacteristics(
                design=r.design,
                scenario=r.scenario,
                selection=r.found.selection.tolist(),
                selection_se=r.found.selection_se.tolist(),
                patients=r.found.patients.tolist(),
                toxicities=r.found.toxicities,
                overdosed=r.found.overdosed,
                days=r.found.days,
                exact=r.exact,
            )
            for r in found.rows
        ],
        report_html=render(comparison_page(found)),
    )


def asking_of(request: SelectRespondersRequest) -> Asking:
    """Raises Refusal for a patient who lacks a marker that others have."""
    names = sorted({n for row in request.rows for n in row.markers})
    for k, row in enumerate(request.rows):
        missing = [n for n in names if n not in row.markers]
        if missing:
            with at("rows", k):
                raise invalid(
                    f"{row.subject} has no {', '.join(missing)}; leave the marker or the patient out",
                    "markers",
                    "BAD_TRIAL_DATA",
                )
    values = np.array([[row.markers[n] for n in names] for row in request.rows])
    known = np.array([row.HasField("responded") for row in request.rows])
    responded = np.array([float(row.responded) for row in request.rows])
    subjects = tuple(row.subject for row, k in zip(request.rows, known, strict=True) if not k)
    return Asking(Candidates.create(names, values[known], responded[known]), subjects, values[~known])


def selection_out(found: Validated, patients: Sequence[tuple[str, Reasoned]], now_us: int) -> SelectRespondersResponse:
    return SelectRespondersResponse(
        useful=found.useful,
        verdict=found.verdict,
        apparent=_accuracy(found.apparent),
        nested=_accuracy(found.nested),
        corrected_auc=found.corrected_auc,
        p_value=found.p_value,
        threshold=found.threshold,
        threshold_interval=found.threshold_interval,
        patients=[
            phase1_pb2.LikelyResponder(
                subject=subject,
                probability=r.probability,
                low=r.low,
                high=r.high,
                reasons=[_reason(name, share) for name, share in r.reasons],
                doubts=r.doubts,
            )
            for subject, r in patients
        ],
        basis=answer.basis_of_request(now_us, assumptions=("penalized logistic regression; nested validation",)),
    )


def _reason(name: str, share: float) -> str:
    return f"{name} {'raises' if share > 0 else 'lowers'} the log-odds by {abs(share):.2f}"


def _accuracy(a: Accuracy) -> phase1_pb2.ResponseAccuracy:
    return phase1_pb2.ResponseAccuracy(
        auc=a.auc, brier=a.brier, calibration_slope=a.slope, calibration_intercept=a.intercept
    )
