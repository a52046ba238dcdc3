"""What is read: the work list, one patient, what-ifs, rankings, harms, and an answer computed again."""

from __future__ import annotations

import time

from starlette.responses import RedirectResponse, Response

from twin_client.web import plans, ranking, reasons, words
from twin_client.web.board import board
from twin_client.web.course import ask_course
from twin_client.web.harm import ask_harms, ask_without
from twin_client.web.pages import Asked, visited
from twin_client.web.plans import PlanForm
from twin_client.web.sealing import NotSealedHere
from twin_client.web.sight import Sight, horizon_h, look

EVENTS_SHOWN = 60


@visited
def work_list(asked: Asked) -> Response:
    if asked.session.read_only:
        return RedirectResponse(_own_page(asked), 303)
    rows = board(asked.client, asked.ward.held, asked.ward.pool)
    hide = asked.ward.sealer.hide
    listed = [(r, hide(asked.session.tenant, r.patient)) for r in rows]
    return asked.page("work_list.html.j2", rows=listed, concerned=sum(r.weight > 1 for r in rows))


@visited
def patient(asked: Asked) -> Response:
    return _whole(asked, None)


def _own_page(asked: Asked) -> str:
    return f"/p/{asked.ward.sealer.hide(asked.session.tenant, asked.session.patient)}"


def _sight(asked: Asked) -> Sight:
    if asked.session.read_only and asked.patient != asked.session.patient:
        raise NotSealedHere
    return look(asked.client, asked.patient, asked.ward.pool)


def _whole(asked: Asked, plan: PlanForm | None, **parts: object) -> Response:
    """The page of one patient; parts that were asked for without script stand in their places."""
    sight = _sight(asked)
    answer = ask_course(asked.client, sight, asked.ward.pool, plan)
    shown = sorted(sight.events, key=lambda e: (e.event.time.seconds, e.timeline_revision), reverse=True)
    given = {
        "ranking": None,
        "harms": None,
        "without": None,
        "again": None,
        "link": "",
        "sight": sight,
        "course": answer,
        "plan": plan or slider_plan(sight),
        "routes": sight.model.routes,
        "rank_form": ranking.proposed(sight),
        "metrics": words.METRICS,
        "surprises": reasons.surprises(sight),
        "parameters": reasons.parameters(sight),
        "held": asked.ward.held.of(asked.twin),
        "shown": shown[:EVENTS_SHOWN],
        "hidden": asked.hidden,
    }
    return asked.page("patient.html.j2", **{**given, **parts})


def slider_plan(sight: Sight) -> PlanForm:
    """Where the sliders stand at first: as now, or nothing of the first drug."""
    horizon = horizon_h(sight.dosing)
    for d in sight.dosing[:1]:
        due = max(0.0, d.interval_h - (sight.now - d.last).total_seconds() / 3600) if d.interval_h else 0.0
        return PlanForm(d.drug, d.route, d.mg, d.interval_h or 24.0, d.over_h, round(due, 1), horizon)
    route = next(iter(sight.model.routes), None)
    return PlanForm(route.drug if route else "", route.route if route else "", 0.0, 24.0, 0.0, 0.0, horizon)


@visited
def what_if(asked: Asked) -> Response:
    """The sliders' answer."""
    began = time.perf_counter()
    plan = plans.read_plan(asked.form)
    if not asked.fragment:
        return _whole(asked, plan)
    sight = _sight(asked)
    answer = ask_course(asked.client, sight, asked.ward.pool, plan)
    seconds = time.perf_counter() - began
    return asked.page("course.html.j2", course=answer, sight=sight, seconds=seconds, hidden=asked.hidden)


@visited
def ranked(asked: Asked) -> Response:
    sight = _sight(asked)
    form = ranking.read_form(asked.form, sight)
    answer = ranking.told(sight, form, ranking.question(asked.client, sight, form))
    if not asked.fragment:
        return _whole(asked, None, ranking=answer, rank_form=form)
    return asked.page("ranking.html.j2", ranking=answer, hidden=asked.hidden)


@visited
def harms(asked: Asked) -> Response:
    answer = ask_harms(asked.client, _sight(asked))
    if not asked.fragment:
        return _whole(asked, None, harms=answer)
    return asked.page("harms.html.j2", harms=answer)


@visited
def without(asked: Asked) -> Response:
    answer = ask_without(asked.client, _sight(asked))
    if not asked.fragment:
        return _whole(asked, None, without=answer)
    return asked.page("without.html.j2", without=answer)


@visited
def again(asked: Asked) -> Response:
    """An earlier answer computed again and compared byte by byte by the service."""
    answer = asked.client.answer(asked.form.get("answer", ""), reproduce=True)
    if not asked.fragment:
        return _whole(asked, None, again=answer)
    return asked.page("again.html.j2", again=answer)
