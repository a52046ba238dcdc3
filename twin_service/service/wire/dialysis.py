"""Dialysis sessions between wire and record."""

from __future__ import annotations

from typing import Final, Literal

from twin_service.model.dialysis import cleared_by, dialyzable
from twin_service.model.structure import PatientModel
from twin_service.record.events import DialysisDone
from twin_service.service.wire.path import invalid
from twin_service.service.wire.quantity import hours, quantity
from twin_service.v1 import event_pb2

Modality = Literal["hemodialysis", "hemofiltration", "peritoneal"]
_MODALITY: Final[dict[int, Modality]] = {
    event_pb2.DIALYSIS_MODALITY_HEMODIALYSIS: "hemodialysis",
    event_pb2.DIALYSIS_MODALITY_HEMOFILTRATION: "hemofiltration",
    event_pb2.DIALYSIS_MODALITY_PERITONEAL: "peritoneal",
}
LONGEST_H: Final = 24.0 * 60.0


def dialysis(body: event_pb2.Dialysis, model: PatientModel) -> DialysisDone:
    """The session, refused where nobody knows what it clears of a drug that the twin carries."""
    if body.modality not in _MODALITY:
        raise invalid(
            "the modality is not said; expected hemodialysis, hemofiltration or peritoneal", "modality", "NO_MODALITY"
        )
    duration_h = hours(body.duration, "duration")
    if not 0.0 < duration_h <= LONGEST_H:
        raise invalid(f"a session of {duration_h:g} h; expected more than 0 and at most {LONGEST_H:g}", "duration", "")
    if body.drug and body.drug not in dialyzable(model):
        known = ", ".join(dialyzable(model)) or "none"
        raise invalid(f"no drug {body.drug!r} to dialyze in this twin; it has: {known}", "drug", "NO_DIALYSIS_HERE")
    done = DialysisDone(
        _MODALITY[body.modality],
        duration_h,
        body.blood_flow_ml_min,
        body.effluent_l_h,
        body.clearance_ml_min,
        body.drug,
    )
    cleared_by(model, done)
    return done


def dialysis_out(p: DialysisDone) -> event_pb2.Dialysis:
    return event_pb2.Dialysis(
        modality=f"DIALYSIS_MODALITY_{p.modality.upper()}",
        duration=quantity(p.duration_h, "h"),
        blood_flow_ml_min=p.blood_flow_ml_min,
        effluent_l_h=p.effluent_l_h,
        clearance_ml_min=p.clearance_ml_min,
        drug=p.drug,
    )
