"""The toxicity panel on the wire: a drug and its doses in, every mechanism out, known or not."""

from __future__ import annotations

from dataclasses import dataclass

from twin_service import units
from twin_service.record.person import ModelChoice
from twin_service.scenario.regimen import Regimen
from twin_service.service.wire import answer, spec
from twin_service.service.wire.path import at
from twin_service.service.wire.quantity import number
from twin_service.service.wire.regimen import horizon_of, planned
from twin_service.settings import Settings
from twin_service.trial.safety import Margin, Risk
from twin_service.trial.toxicity import PATIENTS, JudgedMechanism, ToxicityPanel
from twin_service.v1 import trial_pb2
from twin_service.v1.trial_pb2 import AssessToxicityRequest, AssessToxicityResponse

__all__ = ["AssessToxicityRequest", "AssessToxicityResponse"]


@dataclass(frozen=True)
class ToxicityPanelRequest:
    """A drug given to virtual patients; horizon 0: that of the regimen."""

    drug: str
    regimen: Regimen
    horizon_h: float
    choice: ModelChoice | None
    covariates: dict[str, float]
    patients: int
    seed: int


def panel_of(request: AssessToxicityRequest, settings: Settings) -> ToxicityPanelRequest:
    units.drug(request.drug, path="drug")
    doses = []
    for i, d in enumerate(request.doses):
        with at("doses", i):
            doses.append(planned(d))
    return ToxicityPanelRequest(
        request.drug,
        Regimen(request.drug, tuple(doses)),
        horizon_of(request.horizon, settings) if request.HasField("horizon") else 0.0,
        spec.choice(request.model) if request.HasField("model") else None,
        dict(request.covariates),
        request.patients or PATIENTS,
        request.seed,
    )


def assessed(found: ToxicityPanel, now_us: int) -> AssessToxicityResponse:
    response = AssessToxicityResponse(
        mechanisms=[_mechanism(j, found.drug) for j in found.judged],
        exposure=[_risk(r) for r in found.exposure],
        signals=found.signals(),
        patients=found.patients,
        notes=found.notes,
        basis=answer.basis_of_request(
            now_us,
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


def _mechanism(j: JudgedMechanism, drug: str) -> trial_pb2.ToxicityMechanism:
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
