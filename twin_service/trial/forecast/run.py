"""The forecasting step of a protocol: from files to each subject's forecast under control."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from twin_service.outcome import Refusal, RefusalCode
from twin_service.trial.data.assemble import AnalysisData, assemble
from twin_service.trial.data.results import data_refusal
from twin_service.trial.data.tables import DataTable, parse_table
from twin_service.trial.forecast.crossfit import TrialForecast, cross_fitted_forecast, historical_forecast
from twin_service.trial.forecast.features import Baseline, baseline_of
from twin_service.trial.forecast.learned import Progress, learn
from twin_service.trial.protocol import ArmSpec, EndpointKind, ForecastSpec, OpenedProtocol, TrialProtocol


def run_forecast(opened: OpenedProtocol, data: AnalysisData, progress: Progress = lambda share: None) -> TrialForecast:
    """Learn from `data.historical` where the protocol names it, else by cross-fitting in the trial's own controls."""
    return forecast_trial(opened.protocol, data, history_tables(opened), progress)


def forecast_trial(
    p: TrialProtocol,
    data: AnalysisData,
    history: tuple[DataTable, DataTable] | None,
    progress: Progress = lambda share: None,
) -> TrialForecast:
    """Raises Refusal for a time to event (use the Cox model of `adjust`), or for a historical subject of the trial."""
    spec = p.forecast or ForecastSpec()
    if p.endpoint.kind is EndpointKind.TIME_TO_EVENT:
        raise Refusal(
            RefusalCode.UNSUPPORTED, "forecasts by visit are of continuous and binary endpoints", field="endpoint.kind"
        )
    rng = np.random.default_rng(p.seed)
    x = trial_baseline(data, spec)
    if history is None:
        return cross_fitted_forecast(x, data.arm, data.y, spec, rng, progress)
    past = historical_controls(p, *history)
    both = set(past.subjects.index) & set(data.subjects.index)
    if both:
        raise data_refusal(f"{len(both)} subjects are in the trial and in the historical controls", "data.historical")
    taught = trial_baseline(past, spec)
    if taught.names != x.names:
        raise data_refusal("the endpoint's baseline is known in one of the two files only", "data.historical")
    model = learn(taught, past.y, spec.method, rng, folds=spec.folds, cutoff=spec.training_cutoff, progress=progress)
    return historical_forecast(model, x, data.arm, data.y)


def historical_controls(p: TrialProtocol, subjects: DataTable, results: DataTable) -> AnalysisData:
    """Controls of earlier trials: those in the control arm where the file has arms, everybody where it has none."""
    frame = subjects.frame
    column = p.arms.variable
    if column in frame.columns:
        frame = frame[frame[column].astype(str) == p.arms.control]
        if frame.empty:
            raise data_refusal(f"{subjects.source}: nobody is in arm {p.arms.control!r}", "data.historical")
    else:
        frame = frame.assign(**{column: p.arms.control})
    only = replace(p, arms=ArmSpec(column, p.arms.control, ()))
    return assemble(only, DataTable(frame, subjects.source, subjects.digest), results)


def trial_baseline(data: AnalysisData, spec: ForecastSpec) -> Baseline:
    return baseline_of(data.subjects, data.baseline, spec.covariates, spec.factors)


def history_tables(opened: OpenedProtocol) -> tuple[DataTable, DataTable] | None:
    """The historical controls' files; None where the protocol names none."""
    d = opened.protocol.data
    if not d.historical:
        return None
    subjects = parse_table(d.historical, opened.read_file(d.historical))
    if not d.historical_results:
        return subjects, subjects
    return subjects, parse_table(d.historical_results, opened.read_file(d.historical_results))
