"""What a fit leaves behind: flat figures, plots of fit, profiles and starts, and a page that shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import chi2

from twin_service.fit.parameters.fit import FittedParameters, Interval
from twin_service.fit.parameters.problem import LN10, CoordinateScale, Floats, MeasuredRow, Problem
from twin_service.report.page import Page, Picture, Section, Table, write_page
from twin_service.report.text import number
from twin_service.report.theme import BLUE, GRAY, HARM, INK, panels, svg

POINTS = 200
PANELS_MAX = 24


def fit_figures(fitted: FittedParameters) -> dict[str, float]:
    """Estimates, ends of their intervals, -ln L, and how many starts found it."""
    figures = {f"estimate.{k}": v for k, v in fitted.values.items()}
    for i in fitted.intervals:
        figures |= {
            f"estimate.{i.name}.low": i.low,
            f"estimate.{i.name}.high": i.high,
            f"estimate.{i.name}.identifiable": float(i.identifiable),
        }
    return figures | {"estimate.objective": fitted.objective, "estimate.starts_that_agree": float(fitted.found)}


def write_fit(problem: Problem, fitted: FittedParameters, folder: Path) -> list[Path]:
    """Write report.html into `folder`: estimates, courses, profiles and starts; returns the files."""
    return [write_page(_page(problem, fitted), folder / "report.html")]


Draw = Callable[[Sequence[Axes], Problem, FittedParameters], None]


def _drawn(problem: Problem, fitted: FittedParameters, draw: Draw, count: int) -> str:
    across = min(count, 3)
    figure, axes = panels(count, width=4.2 * across, height=3.2, columns=across)
    draw(axes, problem, fitted)
    return svg(figure)


def _fit(axes: Sequence[Axes], problem: Problem, fitted: FittedParameters) -> None:
    values = dict(problem.fixed) | fitted.values
    for axis, ((observable, condition), rows) in zip(axes, problem.groups().items(), strict=False):
        first, last = min(0.0, rows[0].time), rows[-1].time
        times = np.linspace(first, last, POINTS) if last > first else np.array([last])
        axis.plot(times, problem.predict(values, observable, condition, times), color=BLUE)
        seen = [r.value for r in rows]
        axis.errorbar([r.time for r in rows], seen, yerr=_bars(problem, rows, values), fmt="o", ms=3, color=INK)
        if any(r.transformation is not CoordinateScale.LIN for r in rows):
            axis.set_yscale("log")
        axis.set(xlabel="time", ylabel=rows[0].title or observable, title=condition)


def _bars(problem: Problem, rows: list[MeasuredRow], values: dict[str, float]) -> Floats:
    """Noise SDs on the natural scale; on a log scale the SD is a factor, drawn as its linear part."""
    y = np.array([r.value for r in rows])
    sd = problem.spreads(values, rows, y)
    if rows[0].transformation is CoordinateScale.LIN:
        slope = np.ones_like(y)
    else:
        slope = y * (1.0 if rows[0].transformation is CoordinateScale.LOG else LN10)
    return np.asarray(np.minimum(sd * slope, 0.9 * np.abs(y) + sd), float)


def _profiles(axes: Sequence[Axes], problem: Problem, fitted: FittedParameters) -> None:
    limit = chi2.ppf(0.95, 1) / 2
    scales = {f.name: f.scale for f in problem.free}
    for axis, i in zip(axes, fitted.intervals, strict=False):
        x, y = np.array(i.curve).T
        axis.plot(x, y, ".-", color=BLUE)
        axis.axhline(limit, color=GRAY, lw=0.8)
        axis.axvline(i.estimate, color=HARM, lw=0.8)
        if scales[i.name] is not CoordinateScale.LIN:
            axis.set_xscale("log")
        axis.set(xlabel=i.name, ylabel="rise of -ln L", ylim=(-0.1, 2.5 * limit))


def _starts(axes: Sequence[Axes], problem: Problem, fitted: FittedParameters) -> None:
    rise = np.array(fitted.objectives) - fitted.objective
    axes[0].semilogy(np.arange(1, len(rise) + 1), np.maximum(rise, 1e-6), "o", color=BLUE)
    axes[0].set(xlabel="start, best first", ylabel="-ln L above the best (1e-6 at least)")


def _page(problem: Problem, fitted: FittedParameters) -> Page:
    found = fitted.found
    lead = [f"{fitted.outcome}: -ln L {number(fitted.objective, 6)}, found by {found} of {fitted.starts} starts."]
    rows = [_row(i) for i in fitted.intervals]
    sections = [Section("Estimates", tables=[Table(("parameter", "estimate", "95 % from", "to"), rows)])]
    count = min(len(problem.groups()), PANELS_MAX)
    wanted: list[tuple[str, Draw, int, str]] = [
        ("Fit", _fit, count, "lines: fitted; dots: measured with their noise"),
        ("Profiles", _profiles, len(fitted.intervals), "rise of -ln L along each parameter; gray: 95 %"),
        ("Starts", _starts, 1, "where each start ended; many at the bottom are a good sign"),
    ]
    if fitted.values:
        sections += [
            Section(title, pictures=[Picture(_drawn(problem, fitted, draw, n), words)])
            for title, draw, n, words in wanted
            if n
        ]
    open_ended = [i.name for i in fitted.intervals if not i.identifiable]
    doubts = [f"not identifiable from these data: {', '.join(open_ended)}"] if open_ended else []
    basis = ["intervals are profile likelihoods (chi-square, 1 degree of freedom)"]
    return Page(problem.name, lead, sections, basis, doubts, "estimate")


def _row(i: Interval) -> tuple[str, str, str, str]:
    low = "unbounded" if i.open_low else f"{i.low:.6g}"
    high = "unbounded" if i.open_high else f"{i.high:.6g}"
    return i.name, f"{i.estimate:.6g}", low, high
