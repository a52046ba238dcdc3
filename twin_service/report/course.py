"""A course over time: levels as lines with bands, measured ones as dots, the range aimed at as a tint; both scales."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from twin_service.report.theme import GRAY, HARM, INK, SERIES, TARGET, panels, plain_log, svg

Floats = NDArray[np.float64]
DECADES = 4


@dataclass(frozen=True)
class CourseLine:
    """values (nt,) over times (nt,), hours; `low` and `high` (nt,) a band; `words` stand at its peak."""

    words: str
    times_h: Floats
    values: Floats
    low: Floats | None = None
    high: Floats | None = None
    is_beside: bool = False


@dataclass(frozen=True)
class SeenLevels:
    """What was measured: times, values (n,); `below` (n,): under the limit of the assay, drawn hollow."""

    times_h: Floats
    values: Floats
    below: NDArray[np.bool_]
    words: str = "measured"


@dataclass(frozen=True)
class AimedRange:
    """The range a level should lie in; an end that is not finite is open. `is_toxic_above`: its upper end is drawn."""

    low: float
    high: float
    words: str


def draw_course(
    lines: Sequence[CourseLine],
    label: str,
    *,
    seen: Sequence[SeenLevels] = (),
    aimed: Sequence[AimedRange] = (),
    logarithmic: bool = True,
) -> str:
    """Linear, and beside it logarithmic; time in hours, or in days beyond four of them."""
    figure, axes = panels(2 if logarithmic else 1, width=11.0 if logarithmic else 7.5, height=3.9)
    end = max(float(line.times_h[-1]) for line in lines)
    unit, per = ("days", 24.0) if end > 96.0 else ("hours", 1.0)
    top = max([float(np.max(_upper(line))) for line in lines] + [float(s.values.max()) for s in seen if len(s.values)])
    for ax, is_log in zip(axes, (False, True), strict=False):
        for k, line in enumerate(lines):
            _draw_line(ax, line, per, GRAY if line.is_beside else SERIES[k % len(SERIES)])
        for s in seen:
            ax.plot(s.times_h[~s.below] / per, s.values[~s.below], "o", ms=4, color=INK, label=s.words)
            ax.plot(s.times_h[s.below] / per, s.values[s.below], "o", ms=4, mfc="none", color=INK)
        for a in aimed:
            _draw_range(ax, a, top)
        if is_log:
            plain_log(ax)
            ax.set_ylim(top * 10.0**-DECADES, top * 1.6)
        else:
            ax.set_ylim(0.0, top * 1.12 if top > 0 else 1.0)
        ax.set_xlabel(unit)
        ax.set_ylabel(label)
    return svg(figure)


def _upper(line: CourseLine) -> Floats:
    return line.values if line.high is None else line.high


def _draw_line(ax: Axes, line: CourseLine, per: float, color: str) -> None:
    t = line.times_h / per
    if line.low is not None and line.high is not None:
        ax.fill_between(t, line.low, line.high, color=color, alpha=0.18, lw=0)
    ax.plot(t, line.values, color=color, lw=1.8, ls="--" if line.is_beside else "-")
    peak = int(np.argmax(line.values))
    # Past two thirds of the width the words stand to the left of the peak, so that they stay inside.
    side = ("right", -6) if t[peak] > 0.66 * t[-1] else ("left", 6)
    ax.annotate(
        line.words,
        (t[peak], line.values[peak]),
        (side[1], 4),
        textcoords="offset points",
        color=color,
        ha=side[0],
        fontsize=8.5,
    )


def _draw_range(ax: Axes, aimed: AimedRange, top: float) -> None:
    low = aimed.low if np.isfinite(aimed.low) else 0.0
    high = aimed.high if np.isfinite(aimed.high) else top * 1.6
    ax.axhspan(low, high, color=TARGET, alpha=0.12, lw=0, zorder=0)
    ax.annotate(
        aimed.words,
        (1.0, low),
        (-3, 2),
        xycoords=("axes fraction", "data"),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=TARGET,
    )
    if np.isfinite(aimed.high):
        ax.axhline(aimed.high, color=HARM, lw=0.9, ls=":")
