"""What the demo asks of twins that have learned: what if, and which regimen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf
from typing import NamedTuple

from twin_client import TwinClient, hours, mg, quantity
from twin_client.ehr.fhir import read_bundle
from twin_client.ehr.reading import Reading
from twin_service.demo.cases import HOUR_ZERO
from twin_service.demo.oncology import CYCLE_DAYS, CYCLES, DOSE_MG, INFUSION_H, PATIENT, START, TARGET_LESIONS, bundle
from twin_service.demo.stream import Streamed
from twin_service.v1 import simulation_pb2, twin_pb2


class AimedOutput(NamedTuple):
    """The range an output is to lie in, an end that is not finite is open; `harm`: it is to stay above `low`."""

    output: str
    low: float
    high: float
    words: str
    harm: bool = False


@dataclass(frozen=True)
class Answered:
    """A question to one twin: its course so far, named futures and the ranking of what can be dispensed."""

    title: str
    patient: str
    origin: datetime
    start: datetime
    outputs: tuple[str, ...]
    course: twin_pb2.GetTrajectoryResponse
    futures: simulation_pb2.SimulateResponse
    ranking: simulation_pb2.RecommendResponse
    target: str
    simulated: bool = False
    aims: tuple[AimedOutput, ...] = ()


def ask_quinidine(client: TwinClient, streamed: Sequence[Streamed]) -> Answered:
    """The patient with most levels: which oral dose keeps the trough between 2 and 5 mg/L (Verme 1992)?"""
    best = max(streamed, key=lambda s: s.case.levels)
    start = max(f.time.ToDatetime(HOUR_ZERO.tzinfo) for f in best.forecasts) + timedelta(hours=6)
    target = simulation_pb2.Target(
        name="trough 2 to 5 mg/L",
        output="quinidine",
        metric=simulation_pb2.METRIC_TROUGH,
        low=quantity(2, "mg/L"),
        high=quantity(5, "mg/L"),
        window_start=hours(24),
    )
    plans = [simulation_pb2.Regimen(name="stop")] + [
        simulation_pb2.Regimen(
            name=f"{d} mg every {tau} h", doses=[_planned("quinidine", "oral", d, tau, int(72 / tau))]
        )
        for d, tau in ((201, 8), (201, 6), (402, 8))
    ]
    options = [
        simulation_pb2.Dispensable(
            drug="quinidine",
            route="oral",
            amounts=[mg(v) for v in (83, 166, 201, 249, 332, 402)],
            intervals=[hours(v) for v in (6, 8, 12)],
        )
    ]
    patient = best.case.patient
    ranking = client.recommend(patient, options, [target], horizon_h=72, start=start)
    plans = with_recommended(plans, ranking)
    return Answered(
        "Quinidine: which dose keeps this patient's trough in range?",
        patient,
        HOUR_ZERO,
        start,
        ("quinidine",),
        client.trajectory(patient, HOUR_ZERO, start, outputs=["quinidine"], min_revision=best.revision),
        client.simulate(patient, plans, horizon_h=72, start=start, targets=[target], outputs=["quinidine"]),
        ranking,
        "quinidine trough 2 to 5 mg/L",
        aims=(AimedOutput("quinidine", 2.0, 5.0, "trough aimed at"),),
    )


def send_oncology(client: TwinClient) -> tuple[Reading, int]:
    """Read the FHIR bundle, create the twin, and record what could be interpreted."""
    reading = read_bundle(bundle(), target_lesions=TARGET_LESIONS)
    assert reading.patient is not None and reading.patient.birth_date is not None
    age = (START.date() - reading.patient.birth_date).days / 365.25
    client.create_twin(
        PATIENT,
        drugs=["docetaxel"],
        effects=["neutropenia_friberg", "tumor_claret"],
        epoch=START - timedelta(days=7),
        covariates={"age_y": quantity(age, "a"), "sex_female": quantity(float(bool(reading.patient.female)), "1")},
    )
    return reading, client.record(PATIENT, reading.events).timeline_revision


def ask_oncology(client: TwinClient, revision: int) -> Answered:
    """After two cycles: which dose for the next two, if grade 4 neutropenia may come with at most 60 %?"""
    start = START + timedelta(days=CYCLES * CYCLE_DAYS)
    tau = 24.0 * CYCLE_DAYS
    target = simulation_pb2.Target(
        name="tumor below 50 mm", output="tumor_sld", metric=simulation_pb2.METRIC_FINAL, high=quantity(50, "mm")
    )
    plans = [simulation_pb2.Regimen(name="stop")] + [
        simulation_pb2.Regimen(
            name=f"{share:.0%} of the dose", doses=[_planned("docetaxel", "iv", DOSE_MG * share, tau, 2, INFUSION_H)]
        )
        for share in (1.0, 0.75, 0.6)
    ]
    options = [
        simulation_pb2.Dispensable(
            drug="docetaxel",
            route="iv",
            amounts=[mg(DOSE_MG * s) for s in (1, 0.9, 0.75, 0.6, 0.45)],
            intervals=[hours(tau), hours(tau * 4 / 3)],
            durations=[hours(INFUSION_H)],
        )
    ]
    limits = [simulation_pb2.Constraint(endpoint="neutropenia_grade4", probability_max=0.6)]
    outputs = ("docetaxel", "neutrophils", "tumor_sld")
    ranking = client.recommend(PATIENT, options, [target], horizon_h=2 * tau, start=start, constraints=limits)
    plans = with_recommended(plans, ranking)
    return Answered(
        "Docetaxel: what of the next two cycles?",
        PATIENT,
        START - timedelta(days=7),
        start,
        outputs,
        client.trajectory(PATIENT, START - timedelta(days=7), start, outputs=outputs, min_revision=revision),
        client.simulate(PATIENT, plans, horizon_h=2 * tau, start=start, targets=[target], outputs=outputs),
        ranking,
        "tumor below 50 mm, grade 4 neutropenia in at most 60 %",
        simulated=True,
        aims=(
            AimedOutput("tumor_sld", 0.0, 50.0, "aimed at in the end"),
            AimedOutput("neutrophils", 0.5, inf, "grade 4 below", harm=True),
        ),
    )


def with_recommended(
    plans: list[simulation_pb2.Regimen], ranking: simulation_pb2.RecommendResponse
) -> list[simulation_pb2.Regimen]:
    """The plans to draw, the recommended regimen among them under its own name."""
    best = next((r.what_if.regimen for r in ranking.ranked if r.what_if.name == ranking.recommended), None)
    if best is None:
        return plans
    # a plan of the same doses would be drawn twice; the regimen's answer is in canonical units
    return [p for p in plans if [_amounts(d) for d in p.doses] != [_amounts(d) for d in best.doses]] + [best]


def _amounts(d: simulation_pb2.PlannedDoses) -> tuple[str, str, float, float, int, float]:
    return d.drug, d.route, d.amount.value, d.interval.value, d.count, d.duration.value


def _planned(
    drug: str, route: str, amount: float, tau: float, count: int, over_h: float = 0.0
) -> simulation_pb2.PlannedDoses:
    plan = simulation_pb2.PlannedDoses(drug=drug, route=route, amount=mg(amount), interval=hours(tau), count=count)
    if over_h > 0:
        plan.duration.CopyFrom(hours(over_h))
    return plan
