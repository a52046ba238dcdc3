"""The estimators' figures as a page: calibration and its histograms, real patients, learning, distance to the truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np
from scipy.special import ndtri

from twin_service.fit.forecast import DRAWS
from twin_service.qualification.estimation.calibration import judged
from twin_service.qualification.estimation.real_results import RealResult
from twin_service.qualification.estimation.real_sets import ABSENT
from twin_service.qualification.estimation.run import Estimation

STYLE = (
    "body{font:15px sans-serif;max-width:75em;margin:2em auto;padding:0 1em}table{border-collapse:collapse}"
    "td,th{border:1px solid #ccc;padding:.2em .6em;text-align:right}td:first-child,th:first-child{text-align:left}"
    "img{max-width:100%}"
)


def write_estimation(found: Estimation, folder: Path) -> Path:
    """`estimation.html` with its plots in `folder`; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    body = ["<h1>Estimation</h1>", "<h2>Simulated truth</h2>", *_calibration(found, folder)]
    if found.real:
        body += ["<h2>Real patients, one step ahead</h2>", *(_real(r) for r in found.real)]
        body += [f"<p>Absent: {escape(name)}: {escape(why)}.</p>" for name, why in ABSENT.items()]
        body += [
            "<h2>The same later readings after 0, 1, 2, 3 earlier instants</h2>",
            "<p>Estimator auto; rRMSE / MAPE in percent.</p>",
            *(_paired(r) for r in found.real),
            _plot_paired(found.real, folder),
        ]
    body += ["<h2>Large variances: distance to the exact posterior</h2>", _large(found, folder)]
    body += ["<h2>All figures</h2>", _table(("figure", "value"), ((k, f"{v:.5g}") for k, v in found.figures.items()))]
    page = folder / "estimation.html"
    page.write_text(
        f"<!doctype html><meta charset=utf-8><title>Estimation</title><style>{STYLE}</style>" + "\n".join(body) + "\n",
        encoding="utf-8",
    )
    return page


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = "".join(f"<tr>{''.join(f'<td>{escape(c)}</td>' for c in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th>{escape(h)}</th>' for h in head)}</tr>{cells}</table>"


def _percent(value: float) -> str:
    return "-" if not np.isfinite(value) else f"{100.0 * value:.1f}"


def _calibration(found: Estimation, folder: Path) -> list[str]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(found.calibration), 3.0), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(found.calibration), sharey=True))
    rows, x = [], np.linspace(-3.5, 3.5, 200)
    for axis, (name, forecasts) in zip(axes, found.calibration.items(), strict=True):
        c = judged(forecasts)
        rows.append(
            (
                name,
                f"{c.patients}",
                f"{c.readings}",
                _percent(c.coverage90),
                _percent(c.coverage90_next),
                f"{c.npde_mean:.3f}",
                f"{c.p_mean:.3f}",
                f"{c.npde_variance:.3f}",
                f"{c.p_variance:.3f}",
                f"{c.p_normal:.3f}",
            )
        )
        z = ndtri(np.clip([f.share for f in forecasts], 0.5 / DRAWS, 1.0 - 0.5 / DRAWS))
        axis.hist(z, bins=30, density=True, alpha=0.6)
        axis.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi), "k-", lw=0.8)
        axis.set(title=name, xlabel="NPDE")
    figure.savefig(folder / "calibration.png", dpi=110)
    head = ("trial", "patients", "readings", "coverage %", "with history %", "mean", "p", "variance", "p", "p normal")
    return [_table(head, rows), "<p><img src='calibration.png' alt='NPDE against the standard normal'></p>"]


def _real(r: RealResult) -> str:
    rows = [
        (who, *map(_percent, (s.bias, s.rrmse, s.mape, s.p20, s.p30, s.coverage90)))
        for who, s in {"a priori": r.prior, **r.posterior}.items()
    ]
    head = ("estimator", "MPE %", "rRMSE %", "MAPE %", "P20 %", "P30 %", "90 % coverage")
    return (
        f"<h3>{escape(r.set.title)}: {escape(r.analyte)}</h3><p>{escape(r.set.sample)}; {r.subjects} subjects, "
        f"{r.prior.readings} readings with a history.</p>{_table(head, rows)}"
    )


def _paired(r: RealResult) -> str:
    rows = [
        (
            f"after the first {depth}",
            f"{scores[0].readings}",
            *(f"{_percent(s.rrmse)} / {_percent(s.mape)}" for s in scores),
            *[""] * (4 - len(scores)),
        )
        for depth, scores in r.paired.items()
    ]
    head = ("readings", "n", "0 known", "1", "2", "3")
    return f"<h3>{escape(r.set.title)}: {escape(r.analyte)}</h3>{_table(head, rows)}"


def _plot_paired(results: Sequence[RealResult], folder: Path) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.0, 4.0), layout="constrained")
    axis = figure.subplots(1, 1)
    for r in results:
        if r.paired:
            scores = r.paired[max(r.paired)]
            axis.plot(range(len(scores)), [100.0 * s.rrmse for s in scores], "o-", label=f"{r.set.name} {r.analyte}")
    axis.set(xlabel="earlier instants known", ylabel="rRMSE of the same later readings, %", xticks=[0, 1, 2, 3])
    axis.legend(fontsize=7)
    figure.savefig(folder / "learning.png", dpi=110)
    return "<p><img src='learning.png' alt='error against readings known'></p>"


def _large(found: Estimation, folder: Path) -> str:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.0, 3.0), layout="constrained")
    axis = figure.subplots(1, 1)
    axis.hist([float(np.max(d.in_sd)) for d in found.large], bins=20)
    axis.set(xlabel="largest |difference of means| in exact posterior SD", ylabel="patients")
    figure.savefig(folder / "large_variance.png", dpi=110)
    return "<p><img src='large_variance.png' alt='distance to the exact posterior'></p>"
