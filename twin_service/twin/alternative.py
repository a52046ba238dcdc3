"""The same patient through another model: what a drug he has not had would do, as far as his record tells.

Characteristics and genotypes carry over; doses and measurements do where the other model knows their drug or analyte.
"""

from __future__ import annotations

from dataclasses import replace

from twin_service.model.structure import PatientModel
from twin_service.record.events import DoseGiven, Event, ImageMeasured, LabMeasured
from twin_service.record.person import ModelChoice, Person
from twin_service.record.timeline import Timeline
from twin_service.solver.simulate import Deadline
from twin_service.twin.assemble import build
from twin_service.twin.categories import kind_of
from twin_service.twin.fold import Folded, fold


def alternative(person: Person, timeline: Timeline, choice: ModelChoice, *, deadline: Deadline | None = None) -> Folded:
    """The twin of `person` if it had been made of `choice`; refuses as `build` and `fold` do."""
    model = build(choice)
    kept = [e for e in timeline.effective if _known(model, e)]
    return fold(model, replace(person, model=choice), Timeline.of(kept), deadline=deadline)


def _known(model: PatientModel, event: Event) -> bool:
    p = event.payload
    if isinstance(p, DoseGiven):
        return any((r.drug, r.route) == (p.drug, p.route) for r in model.routes)
    if isinstance(p, LabMeasured | ImageMeasured):
        # a lab may also be a characteristic of the model (creatinine, albumin)
        return kind_of(model, p.analyte) != "" or any(c.name.startswith(p.analyte) for c in model.covariates)
    return True
