"""One look for every picture: Okabe and Ito's colors, one color one meaning; quiet axes; the same bytes at every run.

Okabe M, Ito K 2008, Color universal design, jfly.uni-koeln.de/color.
"""

from __future__ import annotations

import io
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

INK: Final = "#1b1f24"  # what was measured
BLUE: Final = "#0072B2"  # the answer: this patient, this design
HARM: Final = "#D55E00"
TARGET: Final = "#009E73"
SKY: Final = "#56B4E9"  # bands
AMBER: Final = "#E69F00"
PURPLE: Final = "#CC79A7"
GRAY: Final = "#5f6b78"  # what is compared with, what is past
PALE: Final = "#cdd3da"
SERIES: Final = (BLUE, AMBER, TARGET, PURPLE, SKY, HARM, GRAY)


def same_bytes() -> AbstractContextManager[None]:
    """While it holds, the same picture is the same text: a fixed salt of ids, letters as shapes."""
    return matplotlib.rc_context({"svg.hashsalt": "twin", "svg.fonttype": "path", "font.size": 9.5})


def panels(count: int, *, width: float = 10.0, height: float = 3.6, columns: int = 0) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, `columns` a row (0: all in one row), quiet axes; `height` is of one row."""
    across = min(columns or count, count)
    rows = -(-count // across)
    figure = Figure(figsize=(width, height * rows), dpi=120, layout="constrained")
    axes = [figure.add_subplot(rows, across, k + 1) for k in range(count)]
    for ax in axes:
        quiet(ax)
    return figure, axes


def quiet(ax: Axes) -> None:
    """No box, gray edges."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(GRAY)
    ax.tick_params(labelsize=9, colors=INK)
    ax.title.set_fontsize(10)


def plain_log(ax: Axes, *, x: bool = False, y: bool = True) -> None:
    """Logarithmic axes whose ticks read 0.1, 1, 10."""
    for wanted, axis, scale in ((x, ax.xaxis, ax.set_xscale), (y, ax.yaxis, ax.set_yscale)):
        if wanted:
            scale("log")
            axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))


def svg(figure: Figure) -> str:
    """The figure as SVG text; a fixed salt and no date make the same picture the same bytes."""
    out = io.StringIO()
    with same_bytes():
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def save_png(figure: Figure, path: Path) -> Path:
    """Write the figure as PNG, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with same_bytes():
        figure.savefig(path, format="png", metadata={"Software": None})
    return path
