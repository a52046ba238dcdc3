"""The estimators' figures as a page: calibration and its histograms, real patients, learning, distance to the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from scipy.special import ndtri

from twin_service.fit.forecast import DRAWS
from twin_service.qualification.estimation.calibration import judged
from twin_service.qualification.estimation.real_results import RealResult
from twin_service.qualification.estimation.real_sets import ABSENT
from twin_service.qualification.estimation.run import Estimation
from twin_service.report.page import Page, Picture, Section, Table, write_page
from twin_service.report.theme import BLUE, INK, SERIES, panels, svg

CALIBRATION_HEADS: Final = (
    "trial",
    "patients",
    "readings",
    "coverage %",
    "with history %",
    "mean",
    "p",
    "variance",
    "p",
    "p normal",
)
REAL_HEADS: Final = ("estimator", "MPE %", "rRMSE %", "MAPE %", "P20 %", "P30 %", "90 % coverage")
PAIRED_HEADS: Final = ("readings", "n", "0 known", "1", "2", "3")


def write_estimation(found: Estimation, folder: Path) -> Path:
    """`estimation.html` in `folder`; returns the page."""
    sections = [_calibration(found)]
    basis = [f"absent: {name}: {why}" for name, why in ABSENT.items()]
    if found.real:
        sections += [
            Section("Real patients, one step ahead", tables=[_real(r) for r in found.real]),
            Section(
                "The same later readings after 0, 1, 2, 3 earlier instants",
                ["Estimator auto; rRMSE / MAPE in percent."],
                [Picture(_paired_plot(found.real), "error of the same later readings against instants known")],
                [_paired(r) for r in found.real],
            ),
        ]
    sections += [
        Section("Large variances", pictures=[Picture(_large(found), "distance of means to the exact posterior")]),
        Section(
            "All figures", tables=[Table(("figure", "value"), [(k, f"{v:.5g}") for k, v in found.figures.items()])]
        ),
    ]
    return write_page(Page("Estimation", [], sections, basis, kind="qualify --estimation"), folder / "estimation.html")


def _percent(value: float) -> str:
    return "-" if not np.isfinite(value) else f"{100.0 * value:.1f}"


def _calibration(found: Estimation) -> Section:
    figure, axes = panels(len(found.calibration), width=3.2 * len(found.calibration), height=3.0)
    rows, x = [], np.linspace(-3.5, 3.5, 200)
    for axis, (name, forecasts) in zip(axes, found.calibration.items(), strict=True):
        c = judged(forecasts)
        shares = (_percent(c.coverage90), _percent(c.coverage90_next))
        moments = (f"{v:.3f}" for v in (c.npde_mean, c.p_mean, c.npde_variance, c.p_variance, c.p_normal))
        rows.append((name, f"{c.patients}", f"{c.readings}", *shares, *moments))
        z = ndtri(np.clip([f.share for f in forecasts], 0.5 / DRAWS, 1.0 - 0.5 / DRAWS))
        axis.hist(z, bins=30, density=True, alpha=0.6, color=BLUE)
        axis.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2.0 * np.pi), color=INK, lw=0.8)
        axis.set(title=name, xlabel="NPDE")
    picture = Picture(svg(figure), "normalized prediction distribution errors against the standard normal")
    return Section("Simulated truth", pictures=[picture], tables=[Table(CALIBRATION_HEADS, rows)])


def _real(r: RealResult) -> Table:
    rows = [
        (who, *map(_percent, (s.bias, s.rrmse, s.mape, s.p20, s.p30, s.coverage90)))
        for who, s in {"a priori": r.prior, **r.posterior}.items()
    ]
    title = (
        f"{r.set.title}: {r.analyte}. {r.set.sample}; {r.subjects} subjects, {r.prior.readings} readings with a history"
    )
    return Table(REAL_HEADS, rows, title)


def _paired(r: RealResult) -> Table:
    rows = [
        (
            f"after the first {depth}",
            f"{scores[0].readings}",
            *(f"{_percent(s.rrmse)} / {_percent(s.mape)}" for s in scores),
            *[""] * (4 - len(scores)),
        )
        for depth, scores in r.paired.items()
    ]
    return Table(PAIRED_HEADS, rows, f"{r.set.title}: {r.analyte}")


def _paired_plot(results: Sequence[RealResult]) -> str:
    figure, (axis,) = panels(1, width=8.0, height=4.0)
    for k, r in enumerate(results):
        if r.paired:
            scores = r.paired[max(r.paired)]
            y = [100.0 * s.rrmse for s in scores]
            color = SERIES[k % len(SERIES)]
            axis.plot(range(len(scores)), y, "o-", color=color)
            words = f"{r.set.name} {r.analyte}"
            axis.annotate(words, (len(scores) - 1, y[-1]), (6, -2), textcoords="offset points", fontsize=7, color=color)
    axis.set(xlabel="earlier instants known", ylabel="rRMSE of the same later readings, %", xticks=[0, 1, 2, 3])
    axis.set_xlim(-0.1, 3.9)
    return svg(figure)


def _large(found: Estimation) -> str:
    figure, (axis,) = panels(1, width=6.0, height=3.0)
    axis.hist([float(np.max(d.in_sd)) for d in found.large], bins=20, color=BLUE)
    axis.set(xlabel="largest |difference of means| in exact posterior SD", ylabel="patients")
    return svg(figure)
