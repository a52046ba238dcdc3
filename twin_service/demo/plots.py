"""The pictures of the report, as SVG text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from twin_client import TwinClient
from twin_service.demo.cases import HOUR_ZERO, moment
from twin_service.demo.control_arm import DemoControlArm
from twin_service.demo.questions import Answered
from twin_service.demo.stream import Streamed
from twin_service.report.theme import AMBER, BLUE, GRAY, HARM, INK, PURPLE, TARGET, panels, svg
from twin_service.v1 import common_pb2

Floats = NDArray[np.float64]
COLORS = (GRAY, BLUE, TARGET, AMBER, PURPLE)


def patients(client: TwinClient, streamed: Sequence[Streamed]) -> str:
    """Six patients with most levels: the smoothed band, each level, and the forecast made before it was seen."""
    chosen = sorted(streamed, key=lambda s: -s.case.levels)[:6]
    fig, axes = panels(6, width=10, height=2.7, columns=3)
    for ax, s in zip(axes, chosen, strict=False):
        times = [(f.time.ToDatetime(HOUR_ZERO.tzinfo) - HOUR_ZERO).total_seconds() / 3600 for f in s.forecasts]
        course = client.trajectory(s.case.patient, HOUR_ZERO, moment(max(times) * 1.05 + 1), outputs=[s.case.analyte])
        series = course.bands.series[0]
        band(ax, np.array(course.bands.times_h), series, BLUE)
        for t, f in zip(times, s.forecasts, strict=True):
            ax.plot([t, t], [f.forecast.q05, f.forecast.q95], color=AMBER, lw=2, alpha=0.6)
            ax.plot(t, f.forecast.q50, "_", color=AMBER, ms=7)
        ax.plot(times, [f.observed for f in s.forecasts], "o", color=INK, ms=3.5)
        ax.set_title(s.case.patient)
        ax.set_ylim(bottom=0)
    for ax in axes[-3:]:
        ax.set_xlabel("hours")
    for ax in axes[::3]:
        ax.set_ylabel(f"{chosen[0].case.analyte}, mg/L")
    fig.suptitle(
        "blue: twin after all levels (50 % and 90 %)   amber: forecast before the level was seen (90 %)   "
        "dots: measured",
        fontsize=8.5,
        color=INK,
    )
    return svg(fig)


def band(ax: Axes, times: Floats, series: common_pb2.Series, color: str, *, label: str = "", wide: bool = True) -> None:
    """Median, 50 % band and 90 % band; several futures in one panel show the 90 % band as thin lines (not `wide`)."""
    levels = {round(q.level, 3): np.array(q.values) for q in series.quantiles}
    if wide:
        ax.fill_between(times, levels[0.05], levels[0.95], color=color, alpha=0.15, lw=0)
    else:
        for q in (0.05, 0.95):
            ax.plot(times, levels[q], color=color, lw=0.6, alpha=0.7)
    ax.fill_between(times, levels[0.25], levels[0.75], color=color, alpha=0.25, lw=0)
    ax.plot(times, np.array(series.median), color=color, lw=1.3, label=label or None)


def before_after(sets: Mapping[str, Sequence[Streamed]]) -> str:
    """Predicted against observed, from characteristics alone and from everything before the level."""
    fig, axes = panels(2 * len(sets), width=3.4 * len(sets), height=3.2, columns=len(sets))
    for column, (name, streamed) in enumerate(sets.items()):
        later = [f for s in streamed for f in s.forecasts if f.history >= 1 and f.observed > 0]
        y = np.array([f.observed for f in later])
        for row, (which, color) in enumerate((("prior", GRAY), ("forecast", BLUE))):
            ax, p = axes[row * len(sets) + column], np.array([getattr(f, which).q50 for f in later])
            ax.loglog(p, y, "o", ms=3, color=color, alpha=0.6, mew=0)
            ends = [0.8 * min(y.min(), p[p > 0].min()), 1.25 * max(y.max(), p.max())]
            ax.plot(ends, ends, color=INK, lw=0.8)
            for factor in (0.5, 2.0):
                ax.plot(ends, [e * factor for e in ends], color=GRAY, lw=0.6, ls=":")
            few_ticks(ax, ends)
            ax.set(
                xlim=ends, ylim=ends, title=f"{name}: {'before any level' if row == 0 else 'knowing earlier levels'}"
            )
            ax.set_xlabel("forecast, mg/L")
    for ax in axes[:: len(sets)]:
        ax.set_ylabel("measured, mg/L")
    return svg(fig)


def few_ticks(ax: Axes, ends: Sequence[float]) -> None:
    """Plain numbers at 1, 2 and 5 on logarithmic axes: within one decade the labels of all minor ticks overlap."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

    at = [m * 10.0**e for e in range(-3, 5) for m in (1, 2, 5) if ends[0] <= m * 10.0**e <= ends[1]]
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(FixedLocator(at))
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axis.set_minor_formatter(NullFormatter())


def question(answer: Answered) -> str:
    """The course so far and each named future, one panel for each output."""
    fig, axes = panels(len(answer.outputs), width=9.5, height=2.9, columns=1)
    past = np.array(answer.course.bands.times_h)
    origin = answer.course.bands.origin_time.ToDatetime(answer.start.tzinfo)
    now = (answer.start - origin).total_seconds() / 3600
    for row, ax in enumerate(axes):
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
        ax.set_ylabel(f"{answer.outputs[row].replace('_', ' ')}, {series.unit}")
        # The future takes at least two fifths of the width: of a long past the last part is shown.
        ahead = answer.futures.what_ifs[0].bands.times_h[-1] / 24
        ax.set_xlim(left=max(-1.5 * ahead, float((past[0] - now) / 24)), right=ahead * 1.02)
        _aims(ax, answer, answer.outputs[row])
    axes[0].legend(frameon=False, fontsize=8, ncol=3)
    axes[-1].set_xlabel("days from the decision")
    return svg(fig)


def _aims(ax: Axes, answer: Answered, output: str) -> None:
    """The ranges the answer's targets aim at, as a tint with their words; limits of harm as lines."""
    for aim in answer.aims:
        if aim.output == output:
            color = HARM if aim.harm else TARGET
            if aim.harm:
                ax.axhline(aim.low, color=color, lw=0.9, ls="--")
            else:
                ax.axhspan(aim.low, aim.high, color=color, alpha=0.12, lw=0, zorder=0)
            x = ax.get_xlim()[0]
            ax.annotate(aim.words, (x, aim.low), (4, 2), textcoords="offset points", fontsize=8, color=color)


def control_arm(arm: DemoControlArm) -> str:
    """Forecast under control against observed, and the effect with and without the forecast."""
    fig, (left, right) = panels(2, width=9.5, height=3.8)
    for treated, color, label in ((False, GRAY, "placebo"), (True, BLUE, "D-penicillamine")):
        rows = [r for r in arm.rows if r.treated is treated]
        x, y = [r.prognostic_score for r in rows], [r.outcome for r in rows]
        left.plot(x, y, "o", ms=3.5, color=color, alpha=0.7, mew=0, label=label)
    ends = left.get_xlim()
    left.plot(ends, ends, color=INK, lw=0.8)
    left.set(xlabel="forecast under control, log mg/dL", ylabel="observed at one year, log mg/dL")
    left.legend(frameon=False, fontsize=8)
    bars = (
        ("adjusted by the twin's forecast", arm.answer.adjusted, BLUE),
        ("adjusted by baseline bilirubin alone", arm.by_baseline.adjusted, AMBER),
        ("unadjusted", arm.answer.unadjusted, GRAY),
    )
    for k, (name, e, color) in enumerate(bars):
        right.plot([e.ci_low, e.ci_high], [k, k], color=color, lw=3)
        right.plot(e.estimate, k, "o", color=INK, ms=5)
        right.text(e.ci_high, k + 0.12, name, ha="right", fontsize=8.5)
    right.axvline(0, color=GRAY, lw=0.8)
    right.set(ylim=(-0.6, 2.6), yticks=[], xlabel="effect on log bilirubin (95 % interval)")
    return svg(fig)
