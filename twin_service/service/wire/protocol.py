"""Treatment by rule on the wire: a protocol in, what became of its members out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from twin_service.model.structure import PatientModel
from twin_service.service.view import AskedTwin, View
from twin_service.service.wire import answer
from twin_service.service.wire.path import at, invalid
from twin_service.service.wire.quantity import hours, in_unit, molar_mass_of
from twin_service.service.wire.regimen import planned, regimen_of
from twin_service.service.wire.simulation import Plans, plans_of
from twin_service.service.wire.size import check_plans, check_visits
from twin_service.service.wire.target import output_of
from twin_service.settings import Settings
from twin_service.twin.forecast import ForecastBand
from twin_service.twin.protocol import Action, Protocol, Rule
from twin_service.twin.simulate import WhatIf
from twin_service.twin.treat import TreatedMembers
from twin_service.v1 import common_pb2, simulation_pb2
from twin_service.v1.simulation_pb2 import SimulateProtocolRequest, SimulateProtocolResponse

__all__ = ["SimulateProtocolRequest", "SimulateProtocolResponse"]

ACTIONS: dict[int, Action] = {
    simulation_pb2.RULE_ACTION_HOLD: "hold",
    simulation_pb2.RULE_ACTION_ADJUST: "adjust",
    simulation_pb2.RULE_ACTION_STOP: "stop",
    simulation_pb2.RULE_ACTION_RESCUE: "rescue",
}
ASSUMED = "doses follow the rules, which see each member's true value at each visit, without assay noise"


@dataclass(frozen=True)
class Rules:
    """Protocols, and the plans without rules that stand beside them."""

    plans: Plans
    protocols: tuple[Protocol, ...]


def rules_of(request: SimulateProtocolRequest, view: View, settings: Settings) -> Rules:
    with at("simulate"):
        plans = plans_of(request.simulate, view, settings)
    protocols = []
    for i, p in enumerate(request.protocols):
        with at("protocols", i):
            protocols.append(_protocol(p, view.folded.model))
            check_visits(protocols[-1].visit_h, plans.span.horizon_h, settings, "visit_interval")
    check_plans([p.plan for p in protocols], settings, "protocols")
    return Rules(plans, tuple(protocols))


def followed(
    treated: tuple[TreatedMembers, ...], plain: tuple[WhatIf, ...], rules: Rules, *, subject: AskedTwin, now_us: int
) -> SimulateProtocolResponse:
    plans = rules.plans
    regimens = [*plans.regimens, *(p.plan for p in rules.protocols)]
    return SimulateProtocolResponse(
        protocols=[_outcome(t, plans) for t in treated],
        what_ifs=[answer.what_if(w, plans.span.origin_us, plans.units) for w in plain],
        basis=answer.basis_of_future(subject, now_us, plans.members, regimens=regimens, doses=ASSUMED),
    )


def _protocol(p: simulation_pb2.Protocol, model: PatientModel) -> Protocol:
    """A protocol in mg, hours and the outputs' units."""
    with at("plan"):
        plan = regimen_of(p.plan)
    rules = []
    for i, r in enumerate(p.rules):
        with at("rules", i):
            rules.append(_rule(r, model))
    visit_h = hours(p.visit_interval, "visit_interval")
    delay = hours(p.delay_max, "delay_max") if p.HasField("delay_max") else math.inf
    if p.held == simulation_pb2.HELD_DOSE_OMITTED:
        return Protocol(plan, tuple(rules), visit_h, "omitted", delay)
    return Protocol(plan, tuple(rules), visit_h, "delayed", delay)


def _rule(r: simulation_pb2.TreatmentRule, model: PatientModel) -> Rule:
    _, declared = output_of(model, r.output)
    unit = "1" if r.relative_to_baseline else declared
    mass = molar_mass_of(r.output)

    def value(q: common_pb2.Quantity, field: str) -> float:
        return in_unit(q, unit, field, mass)

    action = ACTIONS[r.action]
    if r.action == simulation_pb2.RULE_ACTION_RESCUE and not r.HasField("rescue"):
        raise invalid(f"rule {r.id} gives a rescue and does not say which", "rescue", "BAD_PROTOCOL")
    # without a ceiling a rule that raises doses is bounded by share_max only when it is given
    top = r.share_max or (1.0 if r.factor <= 1.0 else math.inf)
    made = Rule(
        r.id,
        r.output,
        "below" if r.side == simulation_pb2.RULE_SIDE_BELOW else "above",
        value(r.threshold, "threshold"),
        action,
        "worst" if r.look == simulation_pb2.RULE_LOOK_WORST else "now",
        tuple(r.drugs),
        value(r.resume, "resume") if r.HasField("resume") else None,
        r.factor,
        r.share_min,
        top,
        None,
        r.times_max,
        r.relative_to_baseline,
    )
    if not r.HasField("rescue"):
        return made
    with at("rescue"):
        return replace(made, rescue=planned(r.rescue))


def _outcome(t: TreatedMembers, plans: Plans) -> simulation_pb2.ProtocolOutcome:
    f = t.followed
    wire = simulation_pb2.ProtocolOutcome(
        what_if=answer.what_if(t.what_if, plans.span.origin_us, plans.units),
        rules=[
            simulation_pb2.RuleUse(
                rule=r.id, members_share=float(np.mean(f.acted[:, i] > 0)), times_mean=float(np.mean(f.acted[:, i]))
            )
            for i, r in enumerate(t.protocol.rules)
        ],
        members=[_member(t, i) for i in range(len(f.holds))],
        stopped_share=float(np.mean(np.isfinite(f.stopped_h))),
        held_share=float(np.mean(f.holds > 0)),
        adjusted_share=float(np.mean(f.adjustments > 0)),
    )
    for drug, share in t.intensity.items():
        q05, q50, q95 = np.quantile(share, (0.05, 0.5, 0.95))
        told = answer.spread(ForecastBand(float(share.mean()), float(share.std()), float(q05), float(q50), float(q95)))
        assert told is not None
        wire.relative_dose_intensity[drug].CopyFrom(told)
    return wire


def _member(t: TreatedMembers, i: int) -> simulation_pb2.MemberDosing:
    f = t.followed
    given = {d: float(mg[i]) for d, mg in f.given_mg.items()}
    for drug, mg in f.rescue_mg.items():
        given[drug] = given.get(drug, 0.0) + float(mg[i])
    return simulation_pb2.MemberDosing(
        relative_dose_intensity={d: float(v[i]) for d, v in t.intensity.items()},
        given_mg=given,
        holds=int(f.holds[i]),
        adjustments=int(f.adjustments[i]),
        rescues=int(f.rescues[i]),
        stopped_h=float(np.nan_to_num(f.stopped_h[i])),
    )
