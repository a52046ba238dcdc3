"""Planned doses outside what their drug's file was built for: said beside the answer, or refused as the file says."""

from __future__ import annotations

from collections.abc import Iterable

from twin_service.model.domain import dose_doubt
from twin_service.model.structure import PatientModel
from twin_service.scenario.regimen import Regimen, route_for


def plan_doubts(model: PatientModel, regimens: Iterable[Regimen]) -> tuple[str, ...]:
    """A sentence for each planned dose outside the domain, once; Refusal where the file says refuse."""
    plans = [p for r in regimens for p in r.doses]
    said = (dose_doubt(route_for(model, p.drug, p.route), mg) for p in plans for mg in (p.loading_mg, p.amount_mg))
    return tuple(dict.fromkeys(s for s in said if s))
