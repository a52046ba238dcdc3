"""What `evaluate` leaves in a folder: a table of forecasts, three plots, a page that explains them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes

from twin_service.fit.evaluation import Evaluation
from twin_service.fit.forecast import SubjectForecast
from twin_service.report.page import Page, Picture, Section, Table, write_page
from twin_service.report.text import number, percent
from twin_service.report.theme import AMBER, BLUE, GRAY, INK, SKY, panels, svg

EXPLAINED: Final = {
    "readings": "forecasts that were scored",
    "bias": "mean of (forecast - reading)/reading",
    "rrmse": "root mean square of (forecast - reading)/reading",
    "mape": "mean of |forecast - reading|/reading",
    "p20": "share of forecasts within 20 % of the reading",
    "p30": "share of forecasts within 30 % of the reading",
    "coverage90": "share of readings inside the 90 % band; 0.90 is right",
    "mean": "0 is right",
    "sd": "1 is right",
    "variance": "1 is right",
    "p_normal": "probability of so many NPDE so far from standard normal, were the model right",
}
STAGES: Final = {
    "prior": "from characteristics alone",
    "posterior": "after earlier readings",
    "after1": "after one reading",
    "after2": "after two readings",
    "after3": "after three readings",
    "cwres": "conditional weighted residuals",
    "npde": "normalized prediction distribution errors",
    "population": "typical prediction",
    "individual": "individual prediction",
}
SHARES: Final = ("p20", "p30", "coverage90", "bias", "rrmse", "mape")


def write_evaluation(found: Evaluation, folder: Path, *, title: str, notes: Sequence[str] = ()) -> list[Path]:
    """Write forecasts.csv and report.html; returns the files."""
    folder.mkdir(parents=True, exist_ok=True)
    table = _forecasts(found.forecasts, folder / "forecasts.csv")
    return [table, write_page(_page(found, title, notes), folder / "report.html")]


def _forecasts(forecasts: Sequence[SubjectForecast], path: Path) -> Path:
    names = [f.name for f in fields(SubjectForecast)]
    with path.open("w", newline="", encoding="utf-8") as f:
        table = csv.writer(f)
        table.writerow(names)
        for row in map(asdict, forecasts):
            table.writerow([f"{row[n]:.10g}" if isinstance(row[n], float) else row[n] for n in names])
    return path


def _page(found: Evaluation, title: str, notes: Sequence[str]) -> Page:
    figures = {k.removeprefix("evaluate."): v for k, v in found.figures.items()}
    lead = []
    if np.isfinite(figures.get("posterior_rrmse", np.nan)):
        lead.append(
            f"The next reading is forecast within {percent(figures['posterior_rrmse'])} (relative root mean square) "
            f"after earlier readings, {percent(figures['prior_rrmse'])} from characteristics alone."
        )
    rows = [_row(k, v) for k, v in figures.items()]
    sections = [
        Section(
            "Forecasts", ["A forecast on the line was right."], [Picture(_forecast_plot(found), "forecast, measured")]
        ),
        Section("Residuals", pictures=[Picture(_residual_plot(found), "residuals over time, and beside the normal")]),
        Section("Predictive check", pictures=[Picture(_check_plot(found), "percentiles measured and simulated")]),
        Section("Figures", tables=[Table(("stage", "figure", "value", "meaning"), rows)]),
    ]
    basis = ["each reading is forecast before the twin sees it", "forecasts.csv holds every one"]
    return Page(title, lead, sections, basis, notes, "evaluate")


def _row(key: str, value: float) -> tuple[str, str, str, str]:
    stage, _, measure = key.partition("_")
    said = percent(value, 1) if measure in SHARES else number(value)
    return STAGES.get(stage, stage), measure or stage, said, EXPLAINED.get(measure or stage, "")


def _forecast_plot(e: Evaluation) -> str:
    figure, axes = panels(2, width=9.0, height=4.2)
    tops = []
    for ax, words, later in zip(axes, ("characteristics alone", "earlier readings too"), (False, True), strict=True):
        rows = [f for f in e.forecasts if f.history >= 1 or not later]
        x = np.array([f.forecast if later else f.prior for f in rows])
        y = np.array([f.value for f in rows])
        ax.plot(x, y, "o", ms=3.5, alpha=0.6, color=BLUE if later else GRAY)
        tops.append(float(np.nanmax([x.max(), y.max()])) if len(rows) else 1.0)
        ax.set(xlabel=f"forecast from {words}", ylabel="measured")
    for ax in axes:
        ax.plot([0.0, max(tops)], [0.0, max(tops)], color=INK, lw=0.8)
        ax.set(xlim=(0, max(tops)), ylim=(0, max(tops)))
    return svg(figure)


def _residual_plot(e: Evaluation) -> str:
    figure, (left, right) = panels(2, width=9.0, height=3.4)
    left.plot(e.residuals.times_h, e.residuals.cwres, "o", ms=3, alpha=0.6, color=BLUE)
    left.axhline(0.0, color=INK, lw=0.8)
    left.set(xlabel="hours", ylabel="conditional weighted residual")
    right.hist(e.residuals.npde, bins=25, density=True, alpha=0.6, color=BLUE)
    x = np.linspace(-3.5, 3.5, 200)
    right.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi), color=INK, lw=0.8)
    right.set(xlabel="prediction distribution error (line: right)", yticks=[])
    return svg(figure)


def _check_plot(e: Evaluation) -> str:
    figure, (ax,) = panels(1, width=8.0, height=3.8)
    for k, (words, color) in enumerate((("5 %", SKY), ("half", AMBER), ("95 %", SKY))):
        ax.fill_between(
            e.check.middle_h, e.check.simulated[0, k], e.check.simulated[2, k], color=color, alpha=0.3, lw=0
        )
        ax.plot(e.check.middle_h, e.check.observed[k], "o-", color=INK, lw=1.2, ms=4)
        _label(ax, words, float(e.check.middle_h[-1]), float(e.check.observed[k][-1]))
    ax.set(xlabel="hours", ylabel="measured (lines), simulated (bands)")
    return svg(figure)


def _label(ax: Axes, words: str, x: float, y: float) -> None:
    ax.annotate(words, (x, y), (6, 0), textcoords="offset points", fontsize=8, color=INK)
