"""One self-contained HTML page for a reader: an answer first, then tables and pictures, then what it rests on."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

import matplotlib

matplotlib.use("Agg")
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe & Ito's palette; one color has one meaning on every page.
BLUE, HARM, TARGET, SKY, AMBER, PURPLE, GRAY, INK = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#56B4E9",
    "#E69F00",
    "#CC79A7",
    "#9aa4b1",
    "#1b1f24",
)
SERIES = (BLUE, AMBER, TARGET, PURPLE, SKY, HARM, GRAY)


@dataclass(frozen=True)
class Phase1Table:
    """Cells are text. marks: row -> "strong" or "harm"."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    marks: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class Phase1Section:
    """A heading with sentences, a picture and a table, each optional."""

    heading: str
    text: Sequence[str] = ()
    image: str = ""
    alt: str = ""
    table: Phase1Table | None = None


@dataclass(frozen=True)
class Phase1Page:
    """What a page says: the answer in a few lines, its sections, and what it rests on."""

    title: str
    lead: Sequence[str]
    sections: Sequence[Phase1Section]
    basis: Sequence[str]


def write_page(page: Phase1Page, path: Path) -> Path:
    """Render to `path`, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(render(page), encoding="utf-8")
    return path


def render(page: Phase1Page) -> str:
    """The page as HTML."""
    from jinja2 import Environment, StrictUndefined

    text = files("twin_service.trial.phase1").joinpath("templates/page.html.j2").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(text).render(page=page)


def panels(count: int, width: float = 10.0, height: float = 3.6) -> tuple[Figure, list[Axes]]:
    """A figure with `count` panels side by side, quiet axes."""
    figure = Figure(figsize=(width, height), dpi=120, layout="constrained")
    axes = [figure.add_subplot(1, count, k + 1) for k in range(count)]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.spines[["left", "bottom"]].set_color(GRAY)
        ax.tick_params(labelsize=9, colors=INK)
        ax.title.set_fontsize(10)
    return figure, axes


def embedded(figure: Figure) -> str:
    """The figure as a data address."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def percent(share: float, digits: int = 0) -> str:
    """A probability for a reader: "<1 %" rather than "0 %" where it is not nothing."""
    if 0 < share < 0.005 and digits == 0:
        return "<1 %"
    return f"{100 * share:.{digits}f} %"


def number(value: float) -> str:
    """Three significant digits, no exponent between 0.001 and 99,999."""
    if value == 0:
        return "0"
    if 1e-3 <= abs(value) < 1e5:
        digits = max(0, 2 - int(f"{value:e}".split("e")[1]))
        return f"{value:,.{digits}f}"
    return f"{value:.2e}"
