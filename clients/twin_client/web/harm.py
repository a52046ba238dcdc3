"""How what is given may harm, by mechanism; and what each drug given does to the others."""

from __future__ import annotations

from dataclasses import dataclass

from twin_client import TwinClient
from twin_client.events import hours
from twin_client.web import plans, words
from twin_client.web.plans import BadForm
from twin_client.web.sight import Sight, horizon_h
from twin_service.v1 import common_pb2, simulation_pb2, trial_pb2

PEOPLE = 200


@dataclass(frozen=True)
class InteractionRow:
    """One output without one of the drugs, and with it: median and 90 % of the mean level, and their ratio."""

    output: str
    without: str
    alone: str
    together: str
    ratio: str


def ask_harms(client: TwinClient, sight: Sight) -> list[tuple[str, trial_pb2.AssessToxicityResponse]]:
    """By drug as it is given now, in `PEOPLE` people like this patient; raises BadForm, ClientError."""
    usual = _usual(sight)
    covariates = {c.name: c.value.value for c in sight.twin.covariates if c.used}
    spec = sight.twin.twin.spec.model
    found = []
    for drug in sorted({d.drug for d in usual.doses}):
        request = trial_pb2.AssessToxicityRequest(
            drug=drug,
            doses=[d for d in usual.doses if d.drug == drug],
            horizon=hours(horizon_h(sight.dosing)),
            covariates=covariates,
            patients=PEOPLE,
        )
        if drug not in spec.drugs:
            request.model.CopyFrom(spec)
        found.append((words.name(drug), client.assess_toxicity(request)))
    return found


def ask_without(client: TwinClient, sight: Sight) -> tuple[list[InteractionRow], common_pb2.Basis]:
    """The mean level of every drug as now, and from now on without each of the others; raises BadForm, ClientError."""
    usual = _usual(sight)
    drugs = sorted({d.drug for d in usual.doses})
    if len(drugs) < 2:
        raise BadForm("drugs", "fewer than two drugs of this twin are being given, so none can act on another")
    futures = [usual]
    for left_out in drugs:
        doses = [d for d in usual.doses if d.drug != left_out]
        futures.append(simulation_pb2.Regimen(name=left_out, doses=doses))
    horizon = horizon_h(sight.dosing)
    outputs = [o for o in sight.outputs if o.analyte in drugs]
    targets = [
        simulation_pb2.Target(
            name=o.analyte, output=o.name, metric=simulation_pb2.METRIC_AVERAGE, window_start=hours(horizon / 2)
        )
        for o in outputs
    ]
    answer = client.simulate(sight.patient, futures, horizon_h=horizon, start=sight.now, targets=targets)
    means = {(w.name, t.target): t for w in answer.what_ifs for t in w.targets}
    rows = [
        _row(o.analyte, left_out, means[left_out, o.analyte], means[usual.name, o.analyte])
        for o in outputs
        for left_out in drugs
        if left_out != o.analyte
    ]
    return rows, answer.basis


def _usual(sight: Sight) -> simulation_pb2.Regimen:
    usual = plans.as_now(sight.dosing, sight.now.timestamp() / 3600, horizon_h(sight.dosing))
    if usual is None:
        raise BadForm("doses", "no drug has been given more than once, so there is no regimen to look at")
    return usual


def _row(
    output: str, left_out: str, alone: simulation_pb2.TargetAttainment, both: simulation_pb2.TargetAttainment
) -> InteractionRow:
    ratio = both.metric.q50 / alone.metric.q50 if alone.metric.q50 > 0 else float("nan")
    return InteractionRow(
        words.name(output), words.name(left_out), _spread(alone), _spread(both), f"{words.number(ratio)} times"
    )


def _spread(found: simulation_pb2.TargetAttainment) -> str:
    m = found.metric
    return f"{words.number(m.q50)} ({words.number(m.q05)} to {words.number(m.q95)}) {words.unit(found.unit)}"
