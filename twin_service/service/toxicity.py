"""The toxicity panel on the wire: a drug and its doses in, every mechanism out, known or not."""

from __future__ import annotations

import numpy as np

from twin_service import units
from twin_service.outcome import Refusal
from twin_service.scenario.regimen import Regimen
from twin_service.service import call as calls
from twin_service.service import futures, person
from twin_service.service.answers import number
from twin_service.service.rooms import Rooms, basis_of_several
from twin_service.trial.safety import Margin, Risk
from twin_service.trial.toxicity import PATIENTS, Judged, Toxicity, assess
from twin_service.v1 import trial_pb2


def assess_toxicity(rooms: Rooms, request: trial_pb2.AssessToxicityRequest) -> trial_pb2.AssessToxicityResponse:
    units.drug(request.drug, path="drug")
    doses = tuple(futures.planned(d, f"doses[{i}]") for i, d in enumerate(request.doses))
    horizon = 0.0
    if request.HasField("horizon"):
        horizon = futures.horizon_of(request.horizon, rooms.settings, "horizon")
    try:
        found = assess(
            request.drug,
            Regimen(request.drug, doses),
            rng=np.random.default_rng(request.seed),
            horizon_h=horizon,
            choice=person.choice(request.model) if request.HasField("model") else None,
            covariates=dict(request.covariates),
            patients=request.patients or PATIENTS,
            deadline=calls.current().deadline,
        )
    except Refusal as refusal:
        field = refusal.field.replace(f"regimens[{request.drug}].", "")
        raise Refusal(refusal.code, refusal.message, field=field, reason=refusal.reason) from None
    return _answer(found)


def _answer(found: Toxicity) -> trial_pb2.AssessToxicityResponse:
    response = trial_pb2.AssessToxicityResponse(
        mechanisms=[_mechanism(j, found.drug) for j in found.judged],
        exposure=[_risk(r) for r in found.exposure],
        signals=found.signals(),
        patients=found.patients,
        notes=found.notes,
        basis=basis_of_several(
            found.patients,
            (
                "patients differ by the random effects of the models and share their characteristics",
                "where a mechanism is not known nothing is said, which is not the same as no risk",
            ),
        ),
    )
    response.basis.model_id = ", ".join(found.models)
    response.basis.model_digest = ", ".join(found.digests)
    return response


def _mechanism(j: Judged, drug: str) -> trial_pb2.ToxicityMechanism:
    return trial_pb2.ToxicityMechanism(
        id=j.mechanism.id,
        mechanism=j.mechanism.text,
        state=trial_pb2.SIGNAL_STATE_KNOWN if j.known else trial_pb2.SIGNAL_STATE_NOT_KNOWN,
        basis=j.basis,
        risks=[_risk(r) for r in j.risks],
        margins=[_margin(m, drug) for m in j.margins],
    )


def _risk(r: Risk) -> trial_pb2.ToxicityRisk:
    return trial_pb2.ToxicityRisk(
        endpoint=r.endpoint.id,
        title=r.endpoint.title,
        probability=number(r.probability),
        low=number(r.low),
        high=number(r.high),
        grade=r.endpoint.grade,
    )


def _margin(m: Margin, drug: str) -> trial_pb2.ExposureMargin:
    return trial_pb2.ExposureMargin(
        threshold=m.threshold.id,
        concentration_umol_l=m.threshold.concentration_umol_l,
        cmax_umol_l=m.cmax_umol_l,
        margin=number(m.margin),
        safe_margin=m.threshold.safe_margin,
        flagged=m.flagged,
        output=f"body.{drug}_plasma_unbound",
        source=m.threshold.source,
    )
