"""What is read: the work list, one patient, what-ifs, rankings, harms, and an answer computed again."""

from __future__ import annotations

from dataclasses import replace

from starlette.responses import RedirectResponse, Response

from twin_client.errors import ClientError
from twin_client.web import plans, ranking, reasons, words
from twin_client.web.board import board
from twin_client.web.course import Asking, CourseAnswer, ask_course
from twin_client.web.harm import ask_harms, ask_without
from twin_client.web.pages import Asked, progressive, said, visited
from twin_client.web.plans import PlanForm
from twin_client.web.sealing import NotSealedHere
from twin_client.web.sight import Sight, horizon_h

EVENTS_SHOWN = 60


@visited
def work_list(asked: Asked) -> Response:
    if asked.session.read_only:
        return RedirectResponse(_own_page(asked), 303)
    rows = board(asked.client, asked.ward.pool)
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
    return asked.memory.look(asked.client, asked.patient, asked.ward.pool)


def _course(asked: Asked, sight: Sight, plan: PlanForm | None) -> CourseAnswer:
    return ask_course(Asking(asked.client, asked.ward.pool, asked.memory), sight, plan)


def _whole(asked: Asked, plan: PlanForm | None, **parts: object) -> Response:
    """The page of one patient; parts that were asked for without script stand in their places."""
    sight = _sight(asked)
    if plan is not None:
        plan = replace(plan, horizon_h=horizon_h(sight.dosing, plan.interval_h))
    coming = asked.ward.waiting.submit(_course, asked, sight, plan)

    def course() -> CourseAnswer | str:
        """The answer once it is there; the page is already on its way, so a refusal becomes a sentence in it."""
        try:
            return coming.result()
        except ClientError as error:
            return said(error)

    shown = sorted(sight.events, key=lambda e: (e.event.time.seconds, e.timeline_revision), reverse=True)
    given = {
        "ranking": None,
        "harms": None,
        "without": None,
        "again": None,
        "link": "",
        "sight": sight,
        "ask": course,
        "plan": plan or slider_plan(sight),
        "routes": sight.model.routes,
        "rank_form": ranking.proposed(sight),
        "metrics": words.METRICS,
        "surprises": reasons.surprises(sight),
        "parameters": reasons.parameters(sight),
        "held": asked.client.held(asked.patient),
        "shown": shown[:EVENTS_SHOWN],
        "hidden": asked.hidden,
    }
    return progressive(asked, "patient.html.j2", **{**given, **parts})


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
    plan = plans.read_plan(asked.form)
    if not asked.fragment:
        return _whole(asked, plan)
    sight = _sight(asked)
    return asked.page("course.html.j2", course=_course(asked, sight, plan), hidden=asked.hidden)


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
