"""The pictures a statistician expects, as SVG text that is the same at every run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from twin_service.report.theme import AMBER, BLUE, GRAY, HARM, PALE, PURPLE, TARGET, panels, svg

FloatArray = NDArray[np.float64]
# The control arm is gray, as what is compared with.
COLORS = (GRAY, BLUE, HARM, TARGET, PURPLE, AMBER)


def means_by_visit(visits: Sequence[str], arms: Sequence[str], mean: FloatArray, se: FloatArray, label: str) -> str:
    """Least-squares means (arms, visits) with 95 % intervals."""
    figure, (axes,) = panels(1, width=7.2, height=3.6)
    for a, name in enumerate(arms):
        x = np.arange(len(visits)) + 0.08 * (a - (len(arms) - 1) / 2)
        axes.errorbar(x, mean[a], 1.96 * se[a], color=COLORS[a % 6], marker="o", ms=5, lw=1.6, capsize=2, label=name)
    axes.axhline(0, color=PALE, lw=0.8, zorder=0)
    axes.set_xticks(range(len(visits)), visits)
    axes.set_ylabel(label)
    axes.legend(frameon=False, loc="best")
    return svg(figure)


def forest(rows: Sequence[tuple[str, float, float, float]], label: str, null: float = 0.0) -> str:
    """(name, estimate, low, high) a row, the first at the top."""
    figure, (axes,) = panels(1, width=7.2, height=0.9 + 0.42 * len(rows))
    for k, (_, estimate, low, high) in enumerate(reversed(rows)):
        last = k == len(rows) - 1
        color = COLORS[1] if last else COLORS[0]
        axes.plot([low, high], [k, k], color=color, lw=2)
        axes.plot([estimate], [k], "s", color=color, ms=7)
        axes.annotate(
            f"{estimate:.2f} ({low:.2f} to {high:.2f})",
            (1.01, k),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=9,
        )
    axes.axvline(null, color=GRAY, lw=1, ls="--")
    axes.set_yticks(range(len(rows)), [r[0] for r in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.set_xlabel(label)
    return svg(figure)


def survival_curves(
    arms: Sequence[str],
    curves: Sequence[tuple[FloatArray, FloatArray]],
    at_risk: Sequence[tuple[int, ...]],
    ticks: Sequence[float],
    label: str,
) -> str:
    """Kaplan-Meier steps (times, survival) with the numbers at risk beneath."""
    figure, (axes,) = panels(1, width=7.2, height=3.8 + 0.22 * len(arms))
    for a, (times, survival) in enumerate(curves):
        x, y = np.r_[0.0, times, ticks[-1]], np.r_[1.0, survival, survival[-1] if len(survival) else 1.0]
        axes.step(x, y, where="post", color=COLORS[a % 6], lw=1.8, label=arms[a])
    axes.set_ylim(0, 1.02)
    axes.set_xlim(0, ticks[-1])
    axes.set_xticks(list(ticks))
    axes.set_ylabel("without the event")
    axes.set_xlabel(label)
    axes.legend(frameon=False)
    for a, counts in enumerate(at_risk):
        axes.annotate(arms[a][:14], (-0.02, -0.24 - 0.07 * a), xycoords="axes fraction", ha="right", fontsize=8)
        for t, n in zip(ticks, counts, strict=True):
            axes.annotate(
                str(n),
                (t, -0.24 - 0.07 * a),
                xycoords=("data", "axes fraction"),
                ha="center",
                fontsize=8,
                color=COLORS[a % 6],
            )
    return svg(figure)


def love(names: Sequence[str], before: FloatArray, after: FloatArray) -> str:
    """Absolute standardized differences before and after weighting; 0.1 is the customary line."""
    figure, (axes,) = panels(1, width=7.2, height=1.0 + 0.3 * len(names))
    order = np.argsort(np.abs(before))
    for k, j in enumerate(order):
        axes.plot([abs(before[j]), abs(after[j])], [k, k], color=PALE, lw=1.2, zorder=1)
    axes.plot(np.abs(before)[order], range(len(names)), "o", mfc="none", color=COLORS[0], label="as they came")
    axes.plot(np.abs(after)[order], range(len(names)), "o", color=COLORS[1], label="made comparable")
    axes.axvline(0.1, color=COLORS[2], lw=1, ls="--")
    axes.set_yticks(range(len(names)), [names[j] for j in order])
    axes.set_xlabel("absolute standardized difference")
    axes.legend(frameon=False, loc="lower right")
    return svg(figure)


def histograms(groups: Sequence[tuple[str, FloatArray]], label: str) -> str:
    figure, (axes,) = panels(1, width=7.2, height=2.8)
    edges = np.linspace(min(float(v.min()) for _, v in groups), max(float(v.max()) for _, v in groups), 26)
    for a, (name, values) in enumerate(groups):
        color = COLORS[a % 6]
        axes.hist(values, edges.tolist(), density=True, histtype="stepfilled", alpha=0.35, color=color, label=name)
    axes.set_xlabel(label)
    axes.set_yticks([])
    axes.legend(frameon=False)
    return svg(figure)


def boundaries(looks: FloatArray, upper: FloatArray, lower: FloatArray, observed: Sequence[float]) -> str:
    """Stopping boundaries on the z scale, with the path so far."""
    figure, (axes,) = panels(1, width=7.2, height=3.4)
    axes.plot(looks, upper, "o-", color=COLORS[1], label="stop for efficacy")
    if np.isfinite(lower).any():
        axes.plot(looks, lower, "o-", color=COLORS[2], label="stop for futility")
    if len(observed):
        axes.plot(looks[: len(observed)], observed, "k*-", ms=10, label="this trial")
    axes.set_xlabel("share of the final information")
    axes.set_ylabel("z")
    axes.axhline(0, color=PALE, lw=0.8)
    axes.legend(frameon=False)
    return svg(figure)


def lines(x: FloatArray, series: Sequence[tuple[str, FloatArray]], labels: tuple[str, str]) -> str:
    figure, (axes,) = panels(1, width=7.2, height=3.2)
    for a, (name, y) in enumerate(series):
        axes.plot(x, y, color=COLORS[(a + 1) % 6], lw=1.8, label=name)
    axes.set_xlabel(labels[0])
    axes.set_ylabel(labels[1])
    axes.legend(frameon=False)
    return svg(figure)


def forecast_against_reading(forecast: FloatArray, read: FloatArray, label: str) -> str:
    """Controls only; the line is a perfect forecast."""
    figure, (axes,) = panels(1, width=4.2, height=4.0)
    ends = [float(min(forecast.min(), read.min())), float(max(forecast.max(), read.max()))]
    axes.plot(ends, ends, color=GRAY, lw=1)
    axes.plot(forecast, read, "o", ms=4, color=COLORS[1], alpha=0.6)
    axes.set_xlabel(f"forecast: {label}")
    axes.set_ylabel(f"read: {label}")
    return svg(figure)
