"""The same essentials for a terminal: the work list, one patient, plans compared, regimens ranked."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from google.protobuf import json_format
from google.protobuf.message import Message
from rich.console import Console
from rich.table import Table

from twin_client import TwinClient
from twin_client.web import words
from twin_client.web.board import board, concerns
from twin_client.web.course import plan_rows, question_of
from twin_client.web.plans import PlanForm
from twin_client.web.ranking import RankForm, Ranking, proposed, question, read_form, told
from twin_client.web.reasons import parameters, surprises
from twin_client.web.sight import Sight, horizon_h, look

Json = dict[str, object]


def patients(client: TwinClient, console: Console) -> Json:
    """Everyone, those who need a look first."""
    with ThreadPoolExecutor(8) as pool:
        rows = board(client, pool)
    table = _table("patient", "why", "last measured", "drugs")
    for r in rows:
        table.add_row(r.patient, "\n".join(c.words for c in r.concerns), r.last, r.drugs)
    console.print(table)
    return {
        "patients": [
            {"patient": r.patient, "weight": r.weight, "concerns": [c.words for c in r.concerns], "last": r.last}
            for r in rows
        ]
    }


def show(client: TwinClient, patient: str, console: Console) -> Json:
    """One patient: what is given, what was measured against what was expected, what was learned."""
    sight = _look(client, patient)
    console.print(f"[bold]{sight.patient}[/bold]  record ends {words.clock(sight.now)}")
    for c in concerns(sight.twin.twin, sight.model, sight.forecasts, client.held(patient)):
        console.print(f"! {c.words}")
    for d in sight.dosing:
        every = f" every {words.length(d.interval_h)}" if d.interval_h else ""
        console.print(f"{words.name(d.drug)} {words.number(d.mg)} mg{every}, last {words.clock(d.last)}")
    levels = _table("when", "measured", "expected (90 %)", "")
    for f in sight.forecasts[-12:]:
        e = f.forecast
        levels.add_row(
            words.clock(words.moment(f.time)),
            f"{words.name(f.analyte)} {words.amount(f.observed, f.unit)}",
            f"{words.number(e.q50)} ({words.number(e.q05)} to {words.number(e.q95)})",
            "surprising" if f.surprising else "",
        )
    learned = _table("parameter", "beside the population", "learned")
    for p in parameters(sight):
        learned.add_row(p.title, p.said, p.learned)
    console.print(levels, learned)
    for s in surprises(sight):
        console.print(f"{s.words}: expected {s.expected}; " + "; ".join(f"{t} ({o})" for t, o in s.stories))
    return {"twin": _json(sight.twin), "forecasts": [_json(f) for f in sight.forecasts]}


def what_if(client: TwinClient, patient: str, plan: PlanForm | None, console: Console) -> Json:
    """The plan beside what is given now and beside nothing."""
    sight = _look(client, patient)
    horizon = horizon_h(sight.dosing, plan.interval_h if plan else 0.0)
    asked = question_of(sight, horizon, replace(plan, horizon_h=horizon) if plan else None)
    answer = client.simulate(
        patient, asked.futures, horizon_h=horizon, start=sight.now, targets=asked.targets, outputs=asked.outputs
    )
    wanted = asked.targets[0].name if asked.targets else "no range is known"
    console.print(f"the next {words.length(horizon)} from {words.clock(sight.now)}; wanted: {wanted}")
    table = _table("plan", "doses", "in range", "expected (90 %)", "harm")
    for r in plan_rows(answer, asked.futures[0].name):
        harm = "\n".join(f"{t}: {words.chance(p)}" for t, p, _ in r.harms)
        table.add_row(r.title, r.doses, "" if r.in_range is None else words.chance(r.in_range), r.level, harm)
    console.print(table, *(f"! {w}" for w in answer.basis.warnings))
    return _json(answer)


def recommend(client: TwinClient, patient: str, form: dict[str, str], console: Console) -> Json:
    """The dispensable regimens, best first; what `form` leaves out is proposed from what was last given."""
    sight = _look(client, patient)
    filled: RankForm = read_form(form, sight) if form else proposed(sight)
    answer = question(client, sight, filled)
    ranking: Ranking = told(sight, filled, answer)
    console.print(ranking.message)
    table = _table("", "regimen", "in range", "expected (90 %)", "serious harm", "utility", "")
    for r in ranking.rows:
        marks = " ".join(m for m, on in (("recommended", r.recommended), ("tie", r.tie)) if on)
        harm = words.chance(r.harm) if r.harm_title else "none modeled"
        table.add_row(str(r.rank), r.doses, words.chance(r.in_range), r.level, harm, r.utility, marks)
    console.print(table, *ranking.draw_at)
    return _json(answer)


def plan_of(sight_plan: Sequence[float], drug: str, route: str) -> PlanForm:
    """Dose mg, interval h, infusion h and delay h as a plan."""
    mg, interval_h, over_h, delay_h = sight_plan
    return PlanForm(drug, route, mg, interval_h, over_h, delay_h, 0.0)


def default_route(client: TwinClient, patient: str) -> tuple[str, str]:
    """Drug and route of what was last given, else the model's first."""
    sight = _look(client, patient)
    form = proposed(sight)
    return form.drug, form.route


def _look(client: TwinClient, patient: str) -> Sight:
    with ThreadPoolExecutor(4) as pool:
        return look(client, patient, pool)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _json(message: Message) -> Json:
    found: Json = json_format.MessageToDict(message)
    return found
