"""Observed against predicted: equal logarithmic axes, lines of identity and two-fold, what lies far out by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from twin_service.report.theme import GRAY, HARM, INK, PALE, SERIES, panels, plain_log, svg

NAMED: Final = 5
FAR: Final = 2.0


class FoldPoint(NamedTuple):
    """One study; both positive."""

    observed: float
    predicted: float
    name: str = ""

    @property
    def fold(self) -> float:
        """max(predicted/observed, observed/predicted)."""
        return float(max(self.predicted / self.observed, self.observed / self.predicted))


def observed_predicted(groups: Mapping[str, Sequence[FoldPoint]], label: str, *, width: float = 5.2) -> str:
    """Each group a color; the corner says n, GMFE = 10^mean|log10(predicted/observed)| and the share within 2-fold."""
    points = [p for g in groups.values() for p in g if p.observed > 0 and p.predicted > 0]
    figure, (ax,) = panels(1, width=width, height=width)
    if not points:
        ax.text(0.5, 0.5, "nothing to compare", ha="center", color=GRAY, transform=ax.transAxes)
        return svg(figure)
    values = [v for p in points for v in p[:2]]
    ends = np.array([min(values) / 1.4, max(values) * 1.4])
    for fold, color in ((1.0, GRAY), (2.0, PALE), (0.5, PALE)):
        ax.plot(ends, ends * fold, color=color, lw=1, zorder=0)
    for factor, words in ((1.0, "equal"), (2.0, "two-fold")):
        ax.annotate(words, (ends[0], ends[0] * factor), (4, 3), textcoords="offset points", fontsize=7, color=GRAY)
    for k, (name, rows) in enumerate(groups.items()):
        good = [p for p in rows if p.observed > 0 and p.predicted > 0]
        color = SERIES[k % len(SERIES)]
        ax.plot([p.observed for p in good], [p.predicted for p in good], "o", ms=4, alpha=0.6, color=color, label=name)
    for p in sorted(points, key=lambda p: -p.fold)[:NAMED]:
        if p.fold > FAR and p.name:
            ax.annotate(p.name[:28], p[:2], (5, -2), textcoords="offset points", fontsize=7, color=HARM)
    logs = np.log10([p.predicted / p.observed for p in points])
    within = float(np.mean(np.abs(logs) <= np.log10(FAR)))
    said = f"n {len(points)}, GMFE {10 ** np.abs(logs).mean():.2f}, {within:.0%} within two-fold"
    ax.text(0.98, 0.03, said, ha="right", fontsize=8, color=INK, transform=ax.transAxes)
    plain_log(ax, x=True)
    ax.set(xlim=ends, ylim=ends, xlabel=f"observed {label}", ylabel=f"predicted {label}", aspect="equal")
    if len(groups) > 1:
        ax.legend(frameon=False, fontsize=7, loc="upper left", ncols=1 + len(groups) // 12)
    return svg(figure)
