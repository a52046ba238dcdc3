"""What a fit leaves behind: flat figures, plots of fit, profiles and starts, and a page that shows them."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import chi2

from twin_service.fit.parameters.fit import FittedParameters, Interval
from twin_service.fit.parameters.problem import LN10, CoordinateScale, Floats, MeasuredRow, Problem

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
    """Write fit.png, profiles.png, starts.png and report.html into `folder`; returns the files."""
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, draw, count in (
        ("fit", _fit, min(len(problem.groups()), PANELS_MAX)),
        ("profiles", _profiles, len(fitted.intervals)),
        ("starts", _starts, 1),
    ):
        if not count or not fitted.values:
            continue
        rows = -(-count // 3)
        figure = Figure(figsize=(4.2 * min(count, 3), 3.2 * rows), layout="constrained")
        axes = np.atleast_1d(figure.subplots(rows, min(count, 3))).ravel()
        for axis in axes[count:]:
            axis.set_visible(False)
        draw(axes, problem, fitted)
        written.append(folder / f"{name}.png")
        figure.savefig(written[-1], dpi=110)
    page = folder / "report.html"
    page.write_text(_page(problem, fitted, written), encoding="utf-8")
    return [*written, page]


def _fit(axes: Any, problem: Problem, fitted: FittedParameters) -> None:
    values = dict(problem.fixed) | fitted.values
    for axis, ((observable, condition), rows) in zip(axes, problem.groups().items(), strict=False):
        first, last = min(0.0, rows[0].time), rows[-1].time
        times = np.linspace(first, last, POINTS) if last > first else np.array([last])
        axis.plot(times, problem.predict(values, observable, condition, times), color="C0")
        seen = [r.value for r in rows]
        axis.errorbar([r.time for r in rows], seen, yerr=_bars(problem, rows, values), fmt="o", ms=3, color="C3")
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


def _profiles(axes: Any, problem: Problem, fitted: FittedParameters) -> None:
    limit = chi2.ppf(0.95, 1) / 2
    scales = {f.name: f.scale for f in problem.free}
    for axis, i in zip(axes, fitted.intervals, strict=False):
        x, y = np.array(i.curve).T
        axis.plot(x, y, ".-", color="C0")
        axis.axhline(limit, color="0.6", lw=0.8)
        axis.axvline(i.estimate, color="C3", lw=0.8)
        if scales[i.name] is not CoordinateScale.LIN:
            axis.set_xscale("log")
        axis.set(xlabel=i.name, ylabel="rise of -ln L", ylim=(-0.1, 2.5 * limit))


def _starts(axes: Any, problem: Problem, fitted: FittedParameters) -> None:
    rise = np.array(fitted.objectives) - fitted.objective
    axes[0].semilogy(np.arange(1, len(rise) + 1), np.maximum(rise, 1e-6), "o")
    axes[0].set(xlabel="start, best first", ylabel="-ln L above the best (1e-6 at least)")


def _page(problem: Problem, fitted: FittedParameters, plots: list[Path]) -> str:
    def row(i: Interval) -> str:
        low = "unbounded" if i.open_low else f"{i.low:.6g}"
        high = "unbounded" if i.open_high else f"{i.high:.6g}"
        return "<tr>" + "".join(f"<td>{html.escape(c)}" for c in (i.name, f"{i.estimate:.6g}", low, high))

    images = "".join(f"<p><img src='{p.name}' alt='{p.stem}'>" for p in plots)
    body = "".join(map(row, fitted.intervals))
    return (
        "<!doctype html><meta charset='utf-8'><title>Estimation</title><style>body{font:15px/1.5 system-ui,sans-serif;"
        "max-width:1300px;margin:2em auto;padding:0 1em}td,th{padding:.2em .7em;border-bottom:1px solid #ddd;"
        f"text-align:left}}</style><h1>{html.escape(problem.name)}</h1><p>{html.escape(str(fitted.outcome))}: -ln L "
        f"{fitted.objective:.6g}, found by {fitted.found} of {fitted.starts} starts.</p><table><tr><th>parameter"
        f"<th>estimate<th>95 % from<th>to</tr>{body}</table>{images}\n"
    )
