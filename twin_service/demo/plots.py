"""The pictures of the report, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twin_client import TwinClient
from twin_service.demo.cases import HOUR_ZERO, moment
from twin_service.demo.control_arm import DemoControlArm
from twin_service.demo.questions import Answered
from twin_service.demo.stream import Streamed
from twin_service.v1 import common_pb2

INK, BLUE, ORANGE, GRAY = "#1b1f24", "#2b6cb0", "#d9730d", "#9aa4b1"
COLORS = (GRAY, BLUE, "#2f9e62", ORANGE, "#8a4fbf")


def figure(rows: int, columns: int, width: float, height: float) -> tuple[Any, Any]:
    """A figure drawn without a display, with quiet axes."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update(
        {
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": GRAY,
            "axes.labelcolor": INK,
            "figure.dpi": 130,
            "axes.titlesize": 9,
        }
    )
    return plt.subplots(rows, columns, figsize=(width, height), squeeze=False, constrained_layout=True)


def save(fig: Any, path: Path) -> Path:
    import matplotlib.pyplot as plt

    fig.savefig(path)
    plt.close(fig)
    return path


def patients(client: TwinClient, streamed: Sequence[Streamed], path: Path) -> Path:
    """Six patients with most levels: the smoothed band, each level, and the forecast made before it was seen."""
    chosen = sorted(streamed, key=lambda s: -s.case.levels)[:6]
    fig, axes = figure(2, 3, 10, 5.4)
    for ax, s in zip(axes.ravel(), chosen, strict=False):
        times = [(f.time.ToDatetime(HOUR_ZERO.tzinfo) - HOUR_ZERO).total_seconds() / 3600 for f in s.forecasts]
        course = client.trajectory(s.case.patient, HOUR_ZERO, moment(max(times) * 1.05 + 1), outputs=[s.case.analyte])
        series = course.bands.series[0]
        band(ax, np.array(course.bands.times_h), series, BLUE)
        for t, f in zip(times, s.forecasts, strict=True):
            ax.plot([t, t], [f.forecast.q05, f.forecast.q95], color=ORANGE, lw=2, alpha=0.6)
            ax.plot(t, f.forecast.q50, "_", color=ORANGE, ms=7)
        ax.plot(times, [f.observed for f in s.forecasts], "o", color=INK, ms=3.5)
        ax.set_title(s.case.patient)
        ax.set_ylim(bottom=0)
    for ax in axes[-1]:
        ax.set_xlabel("hours")
    for row in axes:
        row[0].set_ylabel(f"{chosen[0].case.analyte} [mg/L]")
    fig.suptitle(
        "blue: twin after all levels (50 % and 90 %)   orange: forecast before the level was seen (90 %)   "
        "dots: measured",
        fontsize=8.5,
        color=INK,
    )
    return save(fig, path)


def band(ax: Any, times: Any, series: common_pb2.Series, color: str, *, label: str = "", wide: bool = True) -> None:
    """Median, 50 % band and 90 % band; several futures in one panel show the 90 % band as thin lines (not `wide`)."""
    levels = {round(q.level, 3): np.array(q.values) for q in series.quantiles}
    if wide:
        ax.fill_between(times, levels[0.05], levels[0.95], color=color, alpha=0.15, lw=0)
    else:
        for q in (0.05, 0.95):
            ax.plot(times, levels[q], color=color, lw=0.6, alpha=0.7)
    ax.fill_between(times, levels[0.25], levels[0.75], color=color, alpha=0.25, lw=0)
    ax.plot(times, np.array(series.median), color=color, lw=1.3, label=label or None)


def before_after(sets: Mapping[str, Sequence[Streamed]], path: Path) -> Path:
    """Predicted against observed, from characteristics alone and from everything before the level."""
    fig, axes = figure(2, len(sets), 3.4 * len(sets), 6.4)
    for column, (name, streamed) in enumerate(sets.items()):
        later = [f for s in streamed for f in s.forecasts if f.history >= 1 and f.observed > 0]
        y = np.array([f.observed for f in later])
        for row, (which, color) in enumerate((("prior", GRAY), ("forecast", BLUE))):
            ax, p = axes[row][column], np.array([getattr(f, which).q50 for f in later])
            ax.loglog(p, y, "o", ms=3, color=color, alpha=0.6, mew=0)
            ends = [0.8 * min(y.min(), p[p > 0].min()), 1.25 * max(y.max(), p.max())]
            ax.plot(ends, ends, color=INK, lw=0.8)
            for factor in (0.5, 2.0):
                ax.plot(ends, [e * factor for e in ends], color=GRAY, lw=0.6, ls=":")
            few_ticks(ax, ends)
            ax.set(
                xlim=ends, ylim=ends, title=f"{name}: {'before any level' if row == 0 else 'knowing earlier levels'}"
            )
            ax.set_xlabel("forecast [mg/L]")
        axes[0][0].set_ylabel("measured [mg/L]")
        axes[1][0].set_ylabel("measured [mg/L]")
    return save(fig, path)


def few_ticks(ax: Any, ends: Sequence[float]) -> None:
    """Plain numbers at 1, 2 and 5 on logarithmic axes: within one decade the labels of all minor ticks overlap."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    at = [m * 10.0**e for e in range(-3, 5) for m in (1, 2, 5) if ends[0] <= m * 10.0**e <= ends[1]]
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(FixedLocator(at))
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axis.set_minor_formatter(NullFormatter())


def question(answer: Answered, path: Path) -> Path:
    """The course so far and each named future, one panel for each output."""
    fig, axes = figure(len(answer.outputs), 1, 9.5, 2.7 * len(answer.outputs) + 0.6)
    past = np.array(answer.course.bands.times_h)
    origin = answer.course.bands.origin_time.ToDatetime(answer.start.tzinfo)
    now = (answer.start - origin).total_seconds() / 3600
    for row, ax in enumerate(axes[:, 0]):
        series = answer.course.bands.series[row]
        band(ax, (past - now) / 24, series, INK)
        for color, w in zip(COLORS, answer.futures.what_ifs, strict=False):
            label = f"{w.name} (recommended)" if w.name == answer.ranking.recommended else w.name
            band(ax, np.array(w.bands.times_h) / 24, w.bands.series[row], color, label=label, wide=False)
        seen = [o for o in answer.course.observations if o.analyte == answer.outputs[row]]
        for o in seen:
            ax.plot(
                (o.time_h - now) / 24,
                o.value.value,
                "s" if answer.simulated else "o",
                ms=4,
                color=INK,
                mfc="white" if answer.simulated else INK,
            )
        ax.axvline(0, color=GRAY, lw=0.8)
        ax.set_ylabel(f"{answer.outputs[row]} [{series.unit}]")
        if answer.outputs[row] in ("neutrophils",):
            ax.axhline(0.5, color=ORANGE, lw=0.8, ls="--")
    axes[0][0].legend(frameon=False, fontsize=8, ncol=3)
    axes[-1][0].set_xlabel("days from the decision")
    return save(fig, path)


def control_arm(arm: DemoControlArm, path: Path) -> Path:
    """Forecast under control against observed, and the effect with and without the forecast."""
    fig, axes = figure(1, 2, 9.5, 3.8)
    for treated, color, label in ((False, GRAY, "placebo"), (True, BLUE, "D-penicillamine")):
        rows = [r for r in arm.rows if r.treated is treated]
        axes[0][0].plot(
            [r.prognostic_score for r in rows],
            [r.outcome for r in rows],
            "o",
            ms=3.5,
            color=color,
            alpha=0.7,
            mew=0,
            label=label,
        )
    ends = axes[0][0].get_xlim()
    axes[0][0].plot(ends, ends, color=INK, lw=0.8)
    axes[0][0].set(xlabel="forecast under control [log mg/dL]", ylabel="observed at one year [log mg/dL]")
    axes[0][0].legend(frameon=False, fontsize=8)
    for y, (name, e) in enumerate(
        (("adjusted by the twin's forecast", arm.answer.adjusted), ("unadjusted", arm.answer.unadjusted))
    ):
        axes[0][1].plot([e.ci_low, e.ci_high], [y, y], color=BLUE if y == 0 else GRAY, lw=3)
        axes[0][1].plot(e.estimate, y, "o", color=INK, ms=5)
        axes[0][1].text(e.ci_high, y + 0.12, name, ha="right", fontsize=8.5)
    axes[0][1].axvline(0, color=GRAY, lw=0.8)
    axes[0][1].set(ylim=(-0.6, 1.6), yticks=[], xlabel="effect on log bilirubin (95 % interval)")
    return save(fig, path)
