"""The sponsor's desk: one protocol, one step at a time; the same for command line, service and notebook."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode
from twin_service.trial.adjust.analysis import WITH_FORECAST, AdjustedTrial, adjust_trial
from twin_service.trial.data.assemble import AnalysisData, load_data
from twin_service.trial.data.tables import parse_table
from twin_service.trial.external.run import external_analysis
from twin_service.trial.forecast.crossfit import TrialForecast
from twin_service.trial.forecast.features import Baseline
from twin_service.trial.forecast.learned import learn
from twin_service.trial.forecast.run import forecast_trial, historical_controls, history_tables, trial_baseline
from twin_service.trial.protocol import AnalysisMethod, ForecastSpec, OpenedProtocol
from twin_service.trial.report.adjust_step import adjust_step, forecast_step
from twin_service.trial.report.borrow_step import borrow_step
from twin_service.trial.report.data_step import data_step
from twin_service.trial.report.design_steps import interim_step, plan_step, simulate_step
from twin_service.trial.report.external_step import external_step
from twin_service.trial.report.page import render
from twin_service.trial.report.results import StepResult

FloatArray = NDArray[np.float64]
Progress = Callable[[float], None]


class DeskStep(enum.Enum):
    DATA = "data"
    PLAN = "plan"
    FORECAST = "forecast"
    ADJUST = "adjust"
    EXTERNAL = "external"
    BORROW = "borrow"
    INTERIM = "interim"
    SIMULATE = "simulate"


@dataclass(frozen=True)
class Done:
    """A step's result, its page, and the SHA-256 of every file it read."""

    result: StepResult
    page: str
    digests: Mapping[str, str]


def run_step(step: DeskStep, opened: OpenedProtocol, progress: Progress = lambda share: None) -> Done:
    """Raises Refusal when the protocol lacks the step's section, or the data cannot carry the analysis."""
    table: dict[DeskStep, Callable[[OpenedProtocol, Progress], tuple[StepResult, Mapping[str, str]]]] = {
        DeskStep.DATA: _data,
        DeskStep.FORECAST: _forecast,
        DeskStep.ADJUST: _adjust,
        DeskStep.EXTERNAL: _external,
        DeskStep.PLAN: _plan,
        DeskStep.BORROW: _borrow,
        DeskStep.INTERIM: _interim,
        DeskStep.SIMULATE: _simulate,
    }
    result, digests = table[step](opened, progress)
    progress(1.0)
    return Done(result, render(result, opened, digests), digests)


def run_adjust(
    opened: OpenedProtocol, data: AnalysisData, progress: Progress = lambda share: None
) -> tuple[AdjustedTrial, TrialForecast | None]:
    """The protocol's adjusted analysis with the forecasts it needs."""
    p = opened.protocol
    method = p.adjust.method if p.adjust else AnalysisMethod.ANCOVA
    if method not in WITH_FORECAST:
        return adjust_trial(p, data, progress=progress), None
    tables = history_tables(opened)
    forecast = forecast_trial(p, data, tables, lambda share: progress(0.8 * share))
    history = None
    if method is AnalysisMethod.BAYESIAN_PROCOVA and tables is not None:
        history = _history(opened)
    return adjust_trial(p, data, forecast, history=history, progress=progress), forecast


def section(value: object, name: str) -> None:
    """Raises Refusal when the protocol has no section `name`."""
    if value is None:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"the protocol has no [{name}]; add it before this step",
            field=name,
            reason="NO_SECTION",
        )


def _history(opened: OpenedProtocol) -> tuple[FloatArray, FloatArray]:
    """Readings of the historical controls at the last visit beside forecasts of models that never saw them."""
    p = opened.protocol
    spec = p.forecast or ForecastSpec()
    found = history_tables(opened)
    assert found is not None
    past = historical_controls(p, *found)
    x: Baseline = trial_baseline(past, spec)
    rng = np.random.default_rng(p.seed)
    model = learn(x, past.y, spec.method, rng, folds=spec.folds)
    read = np.isfinite(past.y[:, -1])
    # Out-of-fold residuals: reading = forecast + residual.
    residual = model.scores[read, -1] * model.sd[-1]
    return past.y[read, -1], past.y[read, -1] - residual


def _data(opened: OpenedProtocol, progress: Progress) -> tuple[StepResult, Mapping[str, str]]:
    data = load_data(opened)
    return data_step(opened.protocol, data), data.digests


def _forecast(opened: OpenedProtocol, progress: Progress) -> tuple[StepResult, Mapping[str, str]]:
    data = load_data(opened)
    found = forecast_trial(opened.protocol, data, history_tables(opened), progress)
    return forecast_step(opened.protocol, data, found), data.digests


def _adjust(opened: OpenedProtocol, progress: Progress) -> tuple[StepResult, Mapping[str, str]]:
    data = load_data(opened)
    found, _ = run_adjust(opened, data, progress)
    return adjust_step(opened.protocol, data, found), data.digests


def _external(opened: OpenedProtocol, progress: Progress) -> tuple[StepResult, Mapping[str, str]]:
    p = opened.protocol
    section(p.external, "external")
    section(p.data.external or None, "data.external")
    data = load_data(opened)
    outside = parse_table(p.data.external, opened.read_file(p.data.external))
    found = external_analysis(p, data, outside, progress)
    return external_step(p, data, found), {**data.digests, outside.source: outside.digest}


def _plan(opened: OpenedProtocol, progress: Progress) -> tuple[StepResult, Mapping[str, str]]:
    section(opened.protocol.plan, "plan")
    return plan_step(opened.protocol, progress), {}


def _borrow(opened: OpenedProtocol, progress: Progress) -> tuple[StepResult, Mapping[str, str]]:
    spec = opened.protocol.borrow
    section(spec, "borrow")
    assert spec is not None
    history = parse_table(spec.history, opened.read_file(spec.history))
    return borrow_step(opened.protocol, history), {history.source: history.digest}


def _interim(opened: OpenedProtocol, progress: Progress) -> tuple[StepResult, Mapping[str, str]]:
    section(opened.protocol.interim, "interim")
    return interim_step(opened.protocol), {}


def _simulate(opened: OpenedProtocol, progress: Progress) -> tuple[StepResult, Mapping[str, str]]:
    """With [forecast] in the protocol the virtual patients are its controls with their forecasts."""
    p = opened.protocol
    section(p.interim, "interim")
    section(p.plan, "plan")
    if p.forecast is None:
        return simulate_step(p, None, progress), {}
    data = load_data(opened)
    found = forecast_trial(p, data, history_tables(opened), lambda share: progress(share / 3))
    mine = (data.arm == 0) & np.isfinite(data.y[:, -1])
    pool = np.column_stack([found.forecast.mean[mine, -1], data.y[mine, -1]])
    return simulate_step(p, pool, progress), data.digests
