"""The adjusted analysis, the forecasts and the plan as tables and pictures."""

from __future__ import annotations

import numpy as np

from twin_service.report.page import Section
from twin_service.report.text import number, probability
from twin_service.trial.adjust.analysis import AdjustedTrial
from twin_service.trial.adjust.comparison import ArmComparison
from twin_service.trial.data.assemble import AnalysisData
from twin_service.trial.forecast.crossfit import TrialForecast
from twin_service.trial.protocol import EndpointKind, TrialProtocol
from twin_service.trial.report.pictures import forecast_against_reading, forest, means_by_visit, survival_curves
from twin_service.trial.report.results import Json, StepResult, interval, jsonable, section_of, text_table
from twin_service.trial.survival.curves import kaplan_meier, log_rank, numbers_at_risk

HEADS = ("", "effect (interval)", "SE", "df", "p", "treated", "control")


def adjust_step(p: TrialProtocol, data: AnalysisData, found: AdjustedTrial) -> StepResult:
    last = found.comparisons[-1]
    name = data.arms[last.arm]
    method = found.method.value.replace("_", " ").upper()
    level = f"{100 * last.effect.level:g} % interval"
    unit = f" ({_unit(p, found)})" if _unit(p, found) else ""
    answer = f"{method} at {data.visits[last.visit].name.lower()}, {found.scale} to {data.arms[0]}{unit}: "
    answer += "; ".join(
        f"{data.arms[c.arm]} {number(c.effect.estimate)} ({level} {number(c.effect.low)} to {number(c.effect.high)}, "
        f"p {probability(c.effect.p)})"
        for c in found.comparisons
        if c.visit == last.visit
    )
    answer += "."
    if found.posterior is not None:
        q = found.posterior
        answer = (
            f"Bayesian PROCOVA: {name} against {data.arms[0]}: {number(q.mean)} {p.endpoint.unit} "
            f"({level} {number(q.low)} to {number(q.high)}); history keeps {q.history_weight:.0%} of the weight."
        )
    sections = [_effects(p, data, found)]
    if found.means and len(data.visits) > 1:
        sections.append(_means(p, data, found))
    if p.endpoint.kind is EndpointKind.TIME_TO_EVENT:
        sections.append(_survival(p, data))
    if found.fit is not None:
        sections.append(_covariance(data, found))
    if found.forecast is not None:
        sections.append(_calibration(p, data, found.forecast))
    return StepResult("adjust", answer, tuple(sections), _values(data, found), found.notes)


def forecast_step(p: TrialProtocol, data: AnalysisData, found: TrialForecast) -> StepResult:
    c = found.calibration[-1]
    answer = (
        f"{len(data.arm)} subjects forecast under control at {len(data.visits)} visits; in the controls 90 % bands "
        f"held {c.coverage90:.0%} of {c.patients} readings, correlation {number(c.correlation)}."
    )
    models: list[Json] = [
        {"id": m.id, "digest": m.digest, "cutoff": m.cutoff, "patients": m.patients, "shares": jsonable(m.shares)}
        for m in found.models
    ]
    values: dict[str, Json] = {
        "models": models,
        "calibration": jsonable(found.calibration),
        "cross_fitted": found.cross_fitted,
        "visits": [v.name for v in data.visits],
    }
    return StepResult("forecast", answer, (_calibration(p, data, found),), values, data.notes)


def _unit(p: TrialProtocol, found: AdjustedTrial) -> str:
    return p.endpoint.unit if found.scale in ("difference", "time difference") else ""


def _row(name: str, c: ArmComparison) -> tuple[str, ...]:
    e = c.effect
    df = number(e.df) if np.isfinite(e.df) else "normal"
    return (
        name,
        interval(e.estimate, e.low, e.high),
        number(e.se),
        df,
        probability(e.p),
        str(e.n_treated),
        str(e.n_control),
    )


def _effects(p: TrialProtocol, data: AnalysisData, found: AdjustedTrial) -> Section:
    rows, pictured = [], []
    for title, group in (("adjusted", found.comparisons), ("unadjusted", found.unadjusted)):
        for c in group:
            name = f"{data.arms[c.arm]}, {data.visits[c.visit].name}, {title}"
            rows.append(_row(name, c))
            if c.visit == found.comparisons[-1].visit:
                pictured.append((name, c.effect.estimate, c.effect.low, c.effect.high))
    for title, c in found.sensitivity:
        rows.append(_row(f"{data.arms[c.arm]}, {title}", c))
        if "ratio" not in title:
            pictured.append((f"{data.arms[c.arm]}, {title}", c.effect.estimate, c.effect.low, c.effect.high))
    label = f"{found.scale} {_unit(p, found)}".strip()
    text = (
        f"Each arm less control ({data.arms[0]}). Variance is {found.variance_reduction:.0%} below the unadjusted one."
    )
    return section_of(
        "Effect of treatment", text, (text_table("Effects", HEADS, tuple(rows)),), (forest(pictured, label),)
    )


def _means(p: TrialProtocol, data: AnalysisData, found: AdjustedTrial) -> Section:
    shape = (len(data.arms), len(data.visits))
    mean, se = np.full(shape, np.nan), np.full(shape, np.nan)
    rows = []
    for m in found.means:
        mean[m.arm, m.visit], se[m.arm, m.visit] = m.mean, m.se
        rows.append(
            (f"{data.visits[m.visit].name}, {data.arms[m.arm]}", number(m.mean, 4), number(m.se), str(m.subjects))
        )
    grid = text_table("Least-squares means", ("", "mean", "SE", "subjects"), tuple(rows))
    label = f"{p.endpoint.label}, {p.endpoint.measure.value} ({p.endpoint.unit})"
    picture = means_by_visit([v.name for v in data.visits], data.arms, mean, se, label)
    text = "Means at average covariates, each class with equal weight, and their 95 % intervals."
    return section_of("Course of the arms", text, (grid,), (picture,))


def _covariance(data: AnalysisData, found: AdjustedTrial) -> Section:
    assert found.fit is not None
    sigma = found.fit.sigma
    names = [v.name for v in data.visits]
    rows = tuple((n, *(number(v) for v in row)) for n, row in zip(names, sigma, strict=True))
    text = f"Minus twice the restricted log-likelihood {found.fit.deviance:.4f}; {found.fit.outcome}."
    return section_of("Covariance between visits", text, (text_table(found.fit.structure.name, ("", *names), rows),))


def _survival(p: TrialProtocol, data: AnalysisData) -> Section:
    time, event = data.y[:, 0], data.event
    keep = np.isfinite(time)
    ticks = [float(t) for t in np.linspace(0, float(np.max(time[keep])), 6)]
    curves, risk, rows = [], [], []
    for a, arm in enumerate(data.arms):
        mine = keep & (data.arm == a)
        if not event[mine].any():
            continue
        c = kaplan_meier(time[mine], event[mine])
        curves.append((c.times, c.survival))
        risk.append(numbers_at_risk(time[mine], ticks))
        rows.append((arm, str(int(mine.sum())), str(int(event[mine].sum())), number(c.median)))
    test = log_rank(time[keep], event[keep], data.arm[keep])
    text = f"Log-rank test: chi-square {test.statistic:.3f} on {test.df} df, p {probability(test.p)}."
    grid = text_table("Events", ("", "subjects", "events", "median"), tuple(rows))
    label = f"{p.endpoint.label} ({p.endpoint.unit})"
    return section_of("Time to event", text, (grid,), (survival_curves(data.arms, curves, risk, ticks, label),))


def _calibration(p: TrialProtocol, data: AnalysisData, found: TrialForecast) -> Section:
    rows = tuple(
        (
            data.visits[c.visit].name,
            str(c.patients),
            f"{c.coverage90:.0%}",
            number(c.bias),
            number(c.rmse),
            number(c.correlation),
            number(c.z_sd),
        )
        for c in found.calibration
    )
    heads = ("", "controls", "inside 90 % band", "mean error", "RMSE", "correlation", "SD of z")
    ids = ", ".join(m.id for m in found.models)
    last = found.calibration[-1].visit
    mine = (data.arm == 0) & np.isfinite(data.y[:, last])
    picture = forecast_against_reading(found.forecast.mean[mine, last], data.y[mine, last], data.visits[last].name)
    text = f"Controls only, each forecast by a model that never saw him. Models: {ids}."
    return section_of("How the forecasts held", text, (text_table("Calibration", heads, rows),), (picture,))


def _values(data: AnalysisData, found: AdjustedTrial) -> dict[str, Json]:
    def told(c: ArmComparison) -> Json:
        return {"arm": data.arms[c.arm], "visit": data.visits[c.visit].name, "effect": jsonable(c.effect)}

    means: list[Json] = [
        {
            "arm": data.arms[m.arm],
            "visit": data.visits[m.visit].name,
            "mean": m.mean,
            "se": m.se,
            "subjects": m.subjects,
        }
        for m in found.means
    ]
    return {
        "method": found.method.value,
        "scale": found.scale,
        "comparisons": [told(c) for c in found.comparisons],
        "unadjusted": [told(c) for c in found.unadjusted],
        "means": means,
        "variance_reduction": jsonable(found.variance_reduction),
        "sensitivity": [{"name": n, "comparison": told(c)} for n, c in found.sensitivity],
        "posterior": jsonable(found.posterior),
        "minus2_log_likelihood": jsonable(found.fit.deviance) if found.fit else None,
        "calibration": jsonable(found.forecast.calibration) if found.forecast else None,
    }
