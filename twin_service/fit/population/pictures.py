"""Pictures of a population estimate: goodness of fit, predictive checks, individual fits, effects, convergence."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import norm

from twin_service.fit.population.estimate import PopulationEstimate
from twin_service.fit.population.gof import Goodness, predictive_check
from twin_service.report.theme import AMBER, BLUE, GRAY, INK, panels, save_png

Floats = NDArray[np.float64]
INDIVIDUALS: Final = 12


def write_pictures(e: PopulationEstimate, g: Goodness, folder: Path) -> list[tuple[str, str]]:
    """(file name, caption) of every picture written."""
    found = []
    for k, o in enumerate(e.built.record.raw["observable"]):
        rows, name, unit = g.law == k, str(o["analyte"]), str(o["unit"])
        if rows.sum() < 3:
            continue
        found.append(_goodness(g, rows, (name, unit), folder))
        for corrected in (False, True):
            made = _check(g, rows, (name, unit), corrected, folder)
            if made is not None:
                found.append(made)
        found.append(_individuals(g, rows, (name, unit), folder))
    if e.built.problem.space.effects:
        found.append(_effects(e, folder))
    if len(e.path):
        found.append(_convergence(e, folder))
    return found


def _saved(figure: Figure, folder: Path, file: str, caption: str) -> tuple[str, str]:
    return save_png(figure, folder / file).name, caption


def _goodness(g: Goodness, rows: NDArray[np.bool_], what: tuple[str, str], folder: Path) -> tuple[str, str]:
    name, unit = what
    figure, axes = panels(6, width=12.0, height=3.6, columns=3)
    for ax, x, word in ((axes[0], g.pred, "typical patient"), (axes[1], g.ipred, "this patient")):
        both = np.concatenate([x[rows], g.y[rows]])
        low, high = float(both.min()), float(both.max())
        ax.plot([low, high], [low, high], color=GRAY, lw=1)
        ax.scatter(x[rows], g.y[rows], s=10, color=BLUE, alpha=0.6)
        ax.set(xlabel=f"predicted for {word}, {unit}", ylabel=f"measured, {unit}")
    _cloud(axes[2], g.ipred[rows], g.iwres[rows], (f"predicted for this patient, {unit}", "individual residual, SD"))
    _cloud(axes[3], g.time[rows], g.cwres[rows], ("hours", "conditional weighted residual"))
    _cloud(axes[4], g.time[rows], g.npde[rows], ("hours", "prediction distribution error"))
    ax, z = axes[5], np.sort(g.npde[rows][np.isfinite(g.npde[rows])])
    if len(z):
        expected = norm.ppf((np.arange(len(z)) + 0.5) / len(z))
        ax.plot([-3, 3], [-3, 3], color=GRAY, lw=1)
        ax.scatter(expected, z, s=8, color=BLUE)
    ax.set(xlabel="standard normal", ylabel="prediction distribution error")
    words = name.replace("_", " ").capitalize()
    return _saved(figure, folder, f"goodness_{name}.png", f"{words}: goodness of fit; residuals should scatter about 0")


def _cloud(ax: Axes, x: Floats, y: Floats, labels: tuple[str, str]) -> None:
    ax.axhline(0.0, color=GRAY, lw=1)
    for level in (-1.96, 1.96):
        ax.axhline(level, color=GRAY, lw=0.7, ls=":")
    ax.scatter(x, y, s=10, color=BLUE, alpha=0.6)
    order = np.argsort(x)
    if len(x) >= 20:
        parts = np.array_split(order, min(10, len(x) // 5))
        ax.plot([np.median(x[p]) for p in parts], [np.nanmean(y[p]) for p in parts], color=AMBER, lw=1.5)
    ax.set(xlabel=labels[0], ylabel=labels[1])


def _check(
    g: Goodness, rows: NDArray[np.bool_], what: tuple[str, str], corrected: bool, folder: Path
) -> tuple[str, str] | None:
    name, unit = what
    c = predictive_check(g, rows, corrected=corrected)
    if c is None:
        return None
    figure, (ax,) = panels(1, width=8.0, height=4.2)
    for k, (color, words) in enumerate(((BLUE, "lowest 5 %"), (AMBER, "median"), (BLUE, "highest 5 %"))):
        ax.fill_between(c.middle, c.simulated[k, 0], c.simulated[k, 2], color=color, alpha=0.22, lw=0)
        ax.plot(c.middle, c.observed[k], color=color, lw=1.6, ls="-" if k == 1 else "--")
        ax.annotate(words, (c.middle[-1], c.observed[k, -1]), xytext=(4, 0), textcoords="offset points", fontsize=8)
    if not corrected:
        ax.scatter(g.time[rows], g.y[rows], s=6, color=INK, alpha=0.35)
    words = name.replace("_", " ")
    ax.set(xlabel="hours", ylabel=f"{words}, {unit}")
    kind = "Prediction-corrected predictive check" if corrected else "Predictive check"
    file = f"{'pcvpc' if corrected else 'vpc'}_{name}.png"
    return _saved(
        figure, folder, file, f"{kind}: lines are percentiles of the measured, bands their 90 % range when simulated"
    )


def _individuals(g: Goodness, rows: NDArray[np.bool_], what: tuple[str, str], folder: Path) -> tuple[str, str]:
    name, unit = what
    people = np.unique(g.who[rows])
    chosen = people[np.linspace(0, len(people) - 1, min(INDIVIDUALS, len(people))).astype(int)]
    figure, axes = panels(len(chosen), width=12.0, height=2.5, columns=4)
    for ax, i in zip(axes, chosen, strict=False):
        mine = rows & (g.who == i)
        order = np.argsort(g.time[mine], kind="stable")
        t = g.time[mine][order]
        ax.plot(t, g.ipred[mine][order], color=BLUE, lw=1.4)
        ax.plot(t, g.pred[mine][order], color=GRAY, lw=1.0, ls="--")
        ax.scatter(t, g.y[mine][order], s=12, color=INK, zorder=3)
        ax.set_title(f"subject {i + 1}", fontsize=8)
    for ax in axes[-4:]:
        ax.set_xlabel("hours")
    for ax in axes[::4]:
        ax.set_ylabel(unit)
    return _saved(
        figure,
        folder,
        f"individuals_{name}.png",
        "Individual fits: measured (dots), this patient's curve (blue), typical (grey)",
    )


def _effects(e: PopulationEstimate, folder: Path) -> tuple[str, str]:
    eta = e.evaluation.eta
    names = [f"{n}" for b in e.built.problem.space.blocks for c in b.copies for n in b.names]
    order = [k for b in e.built.problem.space.blocks for c in b.copies for k in c]
    sd = np.sqrt((e.evaluation.at.L**2).sum(1))
    figure, axes = panels(len(order), width=min(14.0, 2.8 * len(order)), height=2.8)
    for ax, name, k in zip(axes, names, order, strict=True):
        ax.hist(eta[:, k] / sd[k], bins=min(20, max(5, len(eta) // 4)), density=True, color=BLUE, alpha=0.5)
        grid = np.linspace(-3.0, 3.0, 100)
        ax.plot(grid, norm.pdf(grid), color=AMBER, lw=1.2)
        ax.set(title=name, xlabel="effect / SD")
        ax.text(0.02, 0.95, f"shrinkage {100 * e.shrinkage[k]:.0f} %", transform=ax.transAxes, fontsize=8, va="top")
    return _saved(figure, folder, "effects.png", "Effects of the subjects beside the normal law they are drawn from")


def _convergence(e: PopulationEstimate, folder: Path) -> tuple[str, str]:
    names = [e.built.problem.space.names[k] for k in e.built.problem.space.free]
    figure, axes = panels(len(names), width=12.0, height=2.2, columns=4)
    for ax, name, k in zip(axes, names, e.built.problem.space.free, strict=False):
        ax.plot(e.path[:, k], color=BLUE, lw=0.8)
        ax.set_title(name, fontsize=8)
    return _saved(figure, folder, "convergence.png", "Convergence by iteration, on the scale of the search")
