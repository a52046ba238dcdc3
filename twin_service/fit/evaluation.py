"""`evaluate`: a model on a data set, as figures and plots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twin_service.fit import diagnostics, forecast
from twin_service.fit.diagnostics import Check, Residuals
from twin_service.fit.forecast import SubjectForecast, forecast_subject
from twin_service.fit.individual import Estimator
from twin_service.fit.process_pool import shared_out
from twin_service.fit.subject import TableSubject
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found; `figures` is the flat map written as JSON."""

    figures: dict[str, float]
    forecasts: tuple[SubjectForecast, ...]
    residuals: Residuals
    check: Check


def evaluate(
    model: PatientModel,
    subjects: Sequence[TableSubject],
    estimator: Estimator = "moments",
    *,
    gate: float | None = None,
    workers: int = 1,
    say: Callable[[str], None] = lambda line: None,
) -> Evaluation:
    """One-step-ahead forecasts, residuals and predictive check of `model` on `subjects`.

    Raises Refusal where no subject has a reading. The same numbers whatever `workers` (processes) is.
    """
    kept = [s for s in subjects if len(s)]
    if not kept:
        raise Refusal(
            RefusalCode.INVALID,
            "the table holds no reading of the model's observables",
            field="data",
            reason="NO_READINGS",
        )
    each = shared_out(
        lambda k: list(forecast_subject(model, kept[k], estimator, gate=gate)),
        len(kept),
        workers=workers,
        say=lambda done: say(f"{done} patients forecast"),
    )
    forecasts = [f for found in each for f in found]
    say("residuals and predictive check")
    r = diagnostics.residuals(model, kept)
    found = forecast.figures(forecasts, "evaluate")
    found |= {f"evaluate.{k}": v for k, v in diagnostics.figures(r).items()}
    return Evaluation(found, tuple(forecasts), r, diagnostics.predictive_check(model, kept))
