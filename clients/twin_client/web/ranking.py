"""Which of what can be dispensed: the service's ranking as rows, and benefit against harm as a scatter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from twin_client import TwinClient
from twin_client.events import hours, mg, quantity
from twin_client.web import plans, words
from twin_client.web.plans import BadForm
from twin_client.web.sight import CurrentDosing, Sight, TargetRange, horizon_h
from twin_service.v1 import common_pb2, simulation_pb2

STEPS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
SIDE, PAD = 320.0, 46.0
SHOWN, RESULTS_MAX = 10, 500
METRICS = tuple(words.METRICS)


@dataclass(frozen=True)
class RankForm:
    """What the reader can set, with what the page proposes."""

    drug: str
    route: str
    amounts: str
    intervals: str
    over_h: float
    output: str
    metric: simulation_pb2.Metric
    low: str
    high: str
    endpoint: str = ""
    at_most: str = ""


@dataclass(frozen=True)
class RankedRow:
    """One regimen of the ranking, in words."""

    rank: int
    doses: str
    in_range: float
    level: str
    harm: float
    harm_title: str
    baseline: float | None
    utility: str
    why: str
    recommended: bool
    tie: bool
    admissible: bool


@dataclass(frozen=True)
class ScatterDot:
    """Benefit against harm of one regimen."""

    x: float
    y: float
    kind: str
    words: str


@dataclass(frozen=True)
class Ranking:
    """The answer to "which regimen"."""

    rows: tuple[RankedRow, ...]
    dots: tuple[ScatterDot, ...]
    front: str
    harm_max: float
    message: str
    draw_at: tuple[str, ...]
    considered: int
    without_surprises: str
    target: str
    basis: common_pb2.Basis


def proposed(sight: Sight) -> RankForm:
    """Multiples of what was last given, and the range the model names."""
    dosing = sight.dosing
    first = dosing[0] if dosing else None
    ranged = [o for o in sight.outputs if sight.range_of(o.name).both]
    output = next((o.name for o in [*ranged, *sight.outputs]), "")
    found = sight.range_of(output)
    route = sight.model.routes[0] if sight.model.routes else None
    return RankForm(
        first.drug if first else route.drug if route else "",
        first.route if first else route.route if route else "",
        ", ".join(words.number(first.mg * s) for s in STEPS) if first else "",
        _intervals(first),
        first.over_h if first else 0.0,
        output,
        simulation_pb2.METRIC_TROUGH,
        _text(found.low) if found.both else "",
        _text(found.high) if found.both else "",
    )


def _intervals(dosing: CurrentDosing | None) -> str:
    if dosing is None or dosing.interval_h <= 0:
        return "24"
    usual = dosing.interval_h
    nearby = {6.0, 8.0, 12.0, 24.0} if 4 <= usual <= 36 else {usual, usual * 4 / 3}
    return ", ".join(words.number(v) for v in sorted(nearby | {usual}))


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def read_form(form: Mapping[str, str], sight: Sight) -> RankForm:
    """The form as sent; fields that are missing take what the page proposes."""
    base = proposed(sight)
    try:
        number, over = int(form.get("metric", base.metric)), float(form.get("over", base.over_h) or 0)
    except ValueError as error:
        raise BadForm("metric", "expected one of the list, and hours of infusion as a number") from error
    metric = next((m for m in METRICS if m == number), base.metric)
    return RankForm(
        form.get("drug", base.drug),
        form.get("route", base.route),
        form.get("amounts", base.amounts),
        form.get("intervals", base.intervals),
        over,
        form.get("output", base.output),
        metric,
        form.get("low", base.low),
        form.get("high", base.high),
        form.get("endpoint", ""),
        form.get("at_most", ""),
    )


def told(sight: Sight, form: RankForm, answer: simulation_pb2.RecommendResponse) -> Ranking:
    """The answer to `question` in words and dots."""
    return _ranking(sight, _target(sight, form, horizon_h(sight.dosing)), answer)


def question(client: TwinClient, sight: Sight, form: RankForm) -> simulation_pb2.RecommendResponse:
    """Rank; raises BadForm, ClientError."""
    horizon = horizon_h(sight.dosing)
    option = simulation_pb2.Dispensable(
        drug=form.drug,
        route=form.route,
        amounts=[mg(v) for v in plans.numbers(form.amounts, "amounts", 0.0, 1e6)],
        intervals=[hours(v) for v in plans.numbers(form.intervals, "intervals", 0.5, 2016)],
        durations=[hours(form.over_h)] if form.over_h > 0 else [],
    )
    target = _target(sight, form, horizon)
    limits = []
    if form.endpoint:
        most = plans.numbers(form.at_most, "at_most", 0.0, 100.0)[0] / 100
        limits.append(simulation_pb2.Constraint(endpoint=form.endpoint, probability_max=most))
    return client.recommend(
        sight.patient,
        [option],
        [target],
        horizon_h=horizon,
        start=sight.now,
        constraints=limits,
        max_results=RESULTS_MAX,
    )


def _target(sight: Sight, form: RankForm, horizon: float) -> simulation_pb2.Target:
    info = next((o for o in sight.outputs if o.name == form.output), None)
    if info is None:
        raise BadForm("output", "choose what should be in range")
    if not form.low.strip() and not form.high.strip():
        raise BadForm("low", "say what is wanted: a lowest value, a highest value, or both")
    if form.metric not in METRICS:
        raise BadForm("metric", "choose one of the list")
    low, high = (
        plans.numbers(v, f, 0.0, 1e9)[0] if v.strip() else None for v, f in ((form.low, "low"), (form.high, "high"))
    )
    target = simulation_pb2.Target(output=info.name, metric=form.metric)
    if low is not None:
        target.low.CopyFrom(quantity(low, info.unit))
    if high is not None:
        target.high.CopyFrom(quantity(high, info.unit))
    if form.metric in (simulation_pb2.METRIC_TROUGH, simulation_pb2.METRIC_PEAK):
        target.window_start.CopyFrom(hours(horizon / 3))
    target.name = target_words(info.analyte, form.metric, TargetRange(info.name, info.unit, low, high, ()))
    return target


def target_words(analyte: str, metric: simulation_pb2.Metric, found: TargetRange) -> str:
    """In the form "quinidine trough 2 to 5 mg/L"."""
    if found.low is not None and found.high is not None:
        bounds = f"{found.low:g} to {found.high:g}"
    else:
        bounds = f"at least {found.low:g}" if found.low is not None else f"at most {found.high:g}"
    kind = words.METRICS[metric]
    return f"{words.name(analyte)} {kind} {bounds} {words.unit(found.unit)}".strip()


def _ranking(sight: Sight, target: simulation_pb2.Target, answer: simulation_pb2.RecommendResponse) -> Ranking:
    listed = _listed(answer.ranked)
    rows = tuple(_row(r, answer.recommended) for r in listed)
    most = max((r.harm for r in rows), default=0.0)
    harm_max = min(1.0, max(0.05, 1.1 * most))
    dots = tuple(_dot(r, ranked, harm_max) for r, ranked in zip(rows, listed, strict=True))
    efficient = sorted((d.x, d.y) for d, r in zip(dots, listed, strict=True) if r.efficient)
    front = "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in efficient) if len(efficient) > 1 else ""
    draw_at = tuple(
        f"Draw {words.name(w.analyte)} at {words.clock(sight.now + timedelta(hours=w.time_h))} "
        f"(expected gain in utility {words.number(w.gain)})"
        for w in answer.worth_drawing
    )
    return Ranking(
        rows,
        dots,
        front,
        harm_max,
        answer.message,
        draw_at,
        answer.considered,
        answer.recommended_without_surprises,
        target.name,
        answer.basis,
    )


def _listed(ranked: Sequence[simulation_pb2.RankedRegimen]) -> list[simulation_pb2.RankedRegimen]:
    """The best ten, and to give nothing wherever it stands."""
    return [r for k, r in enumerate(ranked) if k < SHOWN or not r.what_if.regimen.doses]


def _row(ranked: simulation_pb2.RankedRegimen, recommended: str) -> RankedRow:
    level = ""
    for t in ranked.what_if.targets[:1]:
        level = f"{words.number(t.metric.q50)} ({words.number(t.metric.q05)} to {words.number(t.metric.q95)})"
        level += f" {words.unit(t.unit)}"
    mine = [e for e in ranked.what_if.endpoints if e.endpoint == ranked.harm_endpoint]
    baseline = next((e.baseline_probability for e in mine if e.HasField("baseline_probability")), None)
    se = f" ± {ranked.utility_se:.2f}" if ranked.utility_se >= 0.005 else ""
    return RankedRow(
        ranked.rank,
        words.regimen(ranked.what_if.regimen),
        ranked.benefit_probability,
        level,
        ranked.harm_probability,
        ranked.harm_title,
        baseline,
        f"{ranked.utility + 0.0:.2f}{se}".replace("-0.00", "0.00"),
        ranked.reason,
        bool(recommended) and ranked.what_if.name == recommended,
        ranked.tie,
        ranked.admissible,
    )


def _dot(row: RankedRow, ranked: simulation_pb2.RankedRegimen, harm_max: float) -> ScatterDot:
    span = SIDE - 2 * PAD
    x = PAD + span * row.harm / harm_max
    y = SIDE - PAD - span * row.in_range
    kind = "best" if row.recommended else "efficient" if ranked.efficient else "rest"
    said = f"{row.doses}: in range {words.chance(row.in_range)}, harm {words.chance(row.harm)}"
    return ScatterDot(x, y, kind, said)
