"""Ask for the past and the futures at once, and draw what can be measured."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta

from twin_client import TwinClient
from twin_client.web import plans, words
from twin_client.web.memory import SightMemory
from twin_client.web.picture import CoursePicture, Future, draw
from twin_client.web.plans import NOTHING, YOURS, PlanForm
from twin_client.web.sight import Sight, horizon_h
from twin_service.v1 import common_pb2, simulation_pb2

PICTURES_MAX = 4
PAST_SHARE = 2.0


@dataclass(frozen=True)
class PlanRow:
    """One future in the table: what it is, what it does."""

    title: str
    doses: str
    in_range: float | None
    level: str
    harms: tuple[tuple[str, float, float | None], ...]
    chosen: bool


@dataclass(frozen=True)
class CourseQuestion:
    """The futures to compare, the chosen one first."""

    futures: tuple[simulation_pb2.Regimen, ...]
    targets: tuple[simulation_pb2.Target, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class CourseAnswer:
    """Pictures and table of one question, with what it rests on."""

    pictures: tuple[CoursePicture, ...]
    rows: tuple[PlanRow, ...]
    target: str
    basis: common_pb2.Basis
    horizon_h: float


@dataclass(frozen=True)
class Asking:
    """By what means a course is asked for."""

    client: TwinClient
    pool: ThreadPoolExecutor
    memory: SightMemory


def ask_course(asking: Asking, sight: Sight, plan: PlanForm | None) -> CourseAnswer:
    """As now (or the reader's plan) against nothing; raises ClientError."""
    client = asking.client
    horizon = horizon_h(sight.dosing, plan.interval_h if plan is not None else 0.0)
    plan = replace(plan, horizon_h=horizon) if plan is not None else None
    asked = question_of(sight, horizon, plan)
    shown = sight.outputs[:PICTURES_MAX]
    start = max(sight.epoch, sight.now - timedelta(hours=PAST_SHARE * horizon))
    start = min(start, sight.now - timedelta(hours=1))
    past = asking.pool.submit(lambda: asking.memory.past(client, sight, start, asked.outputs))
    answer = client.simulate(
        sight.patient, asked.futures, horizon_h=horizon, start=sight.now, targets=asked.targets, outputs=asked.outputs
    )
    future = Future(answer, asked.futures[0].name, horizon, plan is not None and plan.log)
    drawn = tuple(draw(sight, o, past.result(), future) for o in shown)
    wanted = asked.targets[0].name if asked.targets else ""
    return CourseAnswer(drawn, plan_rows(answer, future.chosen), wanted, answer.basis, horizon)


def question_of(sight: Sight, horizon: float, plan: PlanForm | None) -> CourseQuestion:
    """Which futures, targets and outputs to ask for."""
    outputs = tuple(o.name for o in sight.outputs[:PICTURES_MAX])
    return CourseQuestion(tuple(_futures(sight, horizon, plan)), tuple(_targets(sight, horizon)), outputs)


def plan_rows(answer: simulation_pb2.SimulateResponse, chosen: str) -> tuple[PlanRow, ...]:
    return tuple(_row(w, w.name == chosen) for w in answer.what_ifs)


def _futures(sight: Sight, horizon: float, plan: PlanForm | None) -> list[simulation_pb2.Regimen]:
    """The chosen one first."""
    usual = plans.as_now(sight.dosing, sight.now.timestamp() / 3600, horizon)
    found = [simulation_pb2.Regimen(name=NOTHING)]
    if usual is not None:
        found.insert(0, usual)
    if plan is not None:
        mine = plans.regimen(plan, YOURS)
        if mine.doses and (usual is None or not _same(mine, usual)):
            found.insert(0, mine)
        elif not mine.doses:
            found.reverse()
    return found


def _same(a: simulation_pb2.Regimen, b: simulation_pb2.Regimen) -> bool:
    return [d.SerializeToString(deterministic=True) for d in a.doses] == [
        d.SerializeToString(deterministic=True) for d in b.doses
    ]


def _targets(sight: Sight, horizon: float) -> list[simulation_pb2.Target]:
    found = [plans.target_of(sight.range_of(o.name), o.name, horizon) for o in sight.outputs]
    return [t for t in found if t is not None]


def _row(what_if: simulation_pb2.WhatIf, chosen: bool) -> PlanRow:
    first: Sequence[simulation_pb2.TargetAttainment] = what_if.targets[:1]
    level = ""
    for t in first:
        m = t.metric
        level = f"{words.number(m.q50)} ({words.number(m.q05)} to {words.number(m.q95)}) {words.unit(t.unit)}"
    harms = tuple(
        (e.title, e.probability, e.baseline_probability if e.HasField("baseline_probability") else None)
        for e in what_if.endpoints
        if e.harmful
    )
    return PlanRow(
        what_if.name, words.regimen(what_if.regimen), what_if.joint_probability if first else None, level, harms, chosen
    )
