"""`evaluate`: a model on a data set, as figures and plots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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


def write_plots(evaluation: Evaluation, folder: Path, title: str) -> list[Path]:
    """Forecasts against readings, residuals over time and the predictive check, as PNG files in `folder`."""
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name, draw in (("forecasts", _forecasts), ("residuals", _residuals), ("predictive_check", _check)):
        figure = Figure(figsize=(8.0, 4.0), layout="constrained")
        draw(figure, evaluation)
        figure.suptitle(title)
        path = folder / f"{name}.png"
        figure.savefig(path, dpi=120)
        found.append(path)
    return found


def _forecasts(figure: object, e: Evaluation) -> None:
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)  # type: ignore[attr-defined]
    for axis, label, later in ((left, "from covariates alone", False), (right, "after earlier readings", True)):
        rows = [f for f in e.forecasts if (f.history >= 1) or not later]
        x = np.array([f.forecast if later else f.prior for f in rows])
        y = np.array([f.value for f in rows])
        axis.plot(x, y, ".", alpha=0.6)
        top = float(np.nanmax([x.max(), y.max()])) if len(rows) else 1.0
        axis.plot([0.0, top], [0.0, top], "k-", lw=0.8)
        axis.set(xlabel=f"forecast {label}", ylabel="measured")


def _residuals(figure: object, e: Evaluation) -> None:
    left, right = figure.subplots(1, 2)  # type: ignore[attr-defined]
    left.plot(e.residuals.times_h, e.residuals.cwres, ".", alpha=0.6)
    left.axhline(0.0, color="k", lw=0.8)
    left.set(xlabel="time (h)", ylabel="CWRES")
    right.hist(e.residuals.npde, bins=25, density=True, alpha=0.6)
    x = np.linspace(-3.5, 3.5, 200)
    right.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi), "k-", lw=0.8)
    right.set(xlabel="NPDE", ylabel="density")


def _check(figure: object, e: Evaluation) -> None:
    axis = figure.subplots(1, 1)  # type: ignore[attr-defined]
    for k, style in enumerate(("C0", "C1", "C0")):
        axis.fill_between(e.check.middle_h, e.check.simulated[0, k], e.check.simulated[2, k], color=style, alpha=0.25)
        axis.plot(e.check.middle_h, e.check.observed[k], color=style, marker="o")
    axis.set(xlabel="time (h)", ylabel="5, 50, 95 % measured (lines) and simulated (bands)")
