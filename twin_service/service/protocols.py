"""Treatment by rule: a wire protocol to the twin's verbs and back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin_service import units
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.scenario.bands import outputs_of
from twin_service.scenario.regimen import Regimen
from twin_service.service import answers, futures
from twin_service.service import call as calls
from twin_service.service.courses import members_of
from twin_service.service.engine import View
from twin_service.service.rooms import Rooms
from twin_service.service.targets import categories_of, hours_of, targets_of
from twin_service.store.twins import TwinRow
from twin_service.twin.fold import Band
from twin_service.twin.protocol import Action, Protocol, Rule
from twin_service.twin.treat import Treated, treat
from twin_service.v1 import simulation_pb2

FloatArray = NDArray[np.float64]
ACTIONS: dict[int, Action] = {
    simulation_pb2.RULE_ACTION_HOLD: "hold",
    simulation_pb2.RULE_ACTION_ADJUST: "adjust",
    simulation_pb2.RULE_ACTION_STOP: "stop",
    simulation_pb2.RULE_ACTION_RESCUE: "rescue",
}
ASSUMED = "doses follow the rules, which see each member's true value at each visit, without assay noise"


def simulate_protocol(
    rooms: Rooms, request: simulation_pb2.SimulateProtocolRequest, row: TwinRow, view: View
) -> simulation_pb2.SimulateProtocolResponse:
    """Protocols beside plans without rules, all on the same members."""
    asked, folded = request.simulate, view.folded
    start_h, horizon_h = futures.span_of(asked, view, rooms.settings)
    plans = futures.regimens_of(asked.what_ifs, rooms.settings, "simulate.what_ifs")
    protocols = [protocol_of(p, folded.model, f"protocols[{i}]") for i, p in enumerate(request.protocols)]
    targets, target_units = targets_of(asked.targets, folded.model, "simulate.targets")
    treated, plain = treat(
        folded,
        protocols,
        plans,
        start_h=start_h,
        horizon_h=horizon_h,
        targets=targets,
        outputs=list(asked.outputs),
        categories=categories_of(asked.categories),
        members=members_of(asked.members, rooms.settings),
        step_h=asked.step_h,
        deadline=calls.current().deadline,
    )
    origin_us = folded.course.start_us + round(start_h * 3.6e9)
    return simulation_pb2.SimulateProtocolResponse(
        protocols=[_outcome(t, origin_us, target_units) for t in treated],
        what_ifs=[answers.what_if(w, origin_us, target_units) for w in plain],
        basis=futures.basis(rooms, asked, row, view, regimens=[*plans, *(p.plan for p in protocols)], doses=ASSUMED),
    )


def protocol_of(p: simulation_pb2.Protocol, model: PatientModel, path: str) -> Protocol:
    """A protocol in mg, hours and the outputs' units."""
    doses = tuple(futures.planned(d, f"{path}.plan.doses[{j}]") for j, d in enumerate(p.plan.doses))
    plan = Regimen(p.plan.name, doses)
    rules = tuple(_rule(r, model, f"{path}.rules[{i}]") for i, r in enumerate(p.rules))
    visit_h = units.hours(p.visit_interval.value, p.visit_interval.unit, path=f"{path}.visit_interval")
    held = "omitted" if p.held == simulation_pb2.HELD_DOSE_OMITTED else "delayed"
    delay = hours_of(p, "delay_max", path) if p.HasField("delay_max") else float("inf")
    return Protocol(plan, rules, visit_h, held, delay)  # type: ignore[arg-type]


def _rule(r: simulation_pb2.TreatmentRule, model: PatientModel, path: str) -> Rule:
    try:
        output = outputs_of(model, [r.output])[0]
    except Refusal as refusal:
        raise Refusal(refusal.code, refusal.message, field=f"{path}.output", reason=refusal.reason) from None
    unit = "1" if r.relative_to_baseline else model.system.outputs[model.system.output_index[output]].unit
    known = units.analytes().get(r.output)

    def value(field: str) -> float:
        q = getattr(r, field)
        return units.convert(
            q.value, q.unit, unit, molar_mass=known.molar_mass if known else None, path=f"{path}.{field}"
        )

    action = ACTIONS[r.action]
    if action == "rescue" and not r.HasField("rescue"):
        raise Refusal(
            RefusalCode.INVALID,
            f"rule {r.id} gives a rescue and does not say which",
            field=f"{path}.rescue",
            reason="BAD_PROTOCOL",
        )
    # without a ceiling a rule that raises doses is bounded by share_max only when it is given
    top = r.share_max or (1.0 if r.factor <= 1.0 else float("inf"))
    return Rule(
        r.id,
        r.output,
        "below" if r.side == simulation_pb2.RULE_SIDE_BELOW else "above",
        value("threshold"),
        action,
        "worst" if r.look == simulation_pb2.RULE_LOOK_WORST else "now",
        tuple(r.drugs),
        value("resume") if r.HasField("resume") else None,
        r.factor,
        r.share_min,
        top,
        futures.planned(r.rescue, f"{path}.rescue") if r.HasField("rescue") else None,
        r.times_max,
        r.relative_to_baseline,
    )


def _outcome(t: Treated, origin_us: int, target_units: dict[str, str]) -> simulation_pb2.ProtocolOutcome:
    f = t.followed
    wire = simulation_pb2.ProtocolOutcome(
        what_if=answers.what_if(t.what_if, origin_us, target_units),
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
        told = answers.spread(Band(float(share.mean()), float(share.std()), float(q05), float(q50), float(q95)))
        assert told is not None
        wire.relative_dose_intensity[drug].CopyFrom(told)
    return wire


def _member(t: Treated, i: int) -> simulation_pb2.MemberDosing:
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
