"""The page on children: what is bias and what is scatter for each drug, and clearance by age."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from itertools import cycle

import numpy as np

from twin_service.qualification.pbpk.children import DRAWN_FROM, Child, by_drug, children_figures
from twin_service.qualification.pbpk.scores import split

COLORS = ("#1769aa", "#b5521b", "#2e7d32", "#8e24aa", "#c2185b", "#00838f", "#6d4c41", "#9e9d24", "#455a64", "#000000")
WIDTH, HEIGHT, EDGE, NAMES = 540, 340, 40, 100
AGES_Y = (0.01, 0.1, 1.0, 10.0)


def children_section(children: Sequence[Child]) -> str:
    """Headline, split by drug, plots and every row; empty without rows."""
    if not children:
        return ""
    figures = children_figures(children)
    return "\n".join(
        (
            "<h2>Children: clearance per kg</h2>",
            f"<p>GMFE {figures['pbpk.pediatric_cl_gmfe']:.3f} over {len(children)} rows: group means relative to the "
            "adults of their table, single children and small groups relative to adults where the table has some. "
            "Were each drug's bias gone, scatter between children would leave "
            f"{figures['pbpk.pediatric_bias_removed_gmfe']:.3f}."
            f" The {figures['pbpk.pediatric_unseen_n']:.0f} rows of drugs from which no maturation curve was drawn: "
            f"{figures['pbpk.pediatric_unseen_cl_gmfe']:.3f}.</p>",
            _split_table(children),
            "<div class='plots'>",
            _figure(children, "clearance, L/h/kg or relative to adults, observed and predicted", _observed, _predicted),
            _figure(children, "predicted over observed by age", _age, _fold),
            "</div>",
            _rows_table(children),
        )
    )


def _split_table(children: Sequence[Child]) -> str:
    head = ("drug", "n", "GMFE", "bias", "GMFE without bias", "CV of the ratios", "maturation curve drawn from it")
    body = []
    for drug, rows in by_drug(children).items():
        s = split([c.fold for c in rows])
        drawn = "not known" if drug == "s_warfarin" else "yes" if drug in DRAWN_FROM else ""
        body.append((drug, str(s.n), f"{s.gmfe:.2f}", f"{s.bias:.2f}", f"{s.scatter:.2f}", f"{s.cv:.0%}", drawn))
    return _table(head, body)


def _rows_table(children: Sequence[Child]) -> str:
    body = [(c.name, f"{c.age_y:.3g}", f"{c.observed:.3g}", f"{c.predicted:.3g}", f"{c.fold:.2f}") for c in children]
    return _table(("row", "age, y", "observed", "predicted", "fold"), body)


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{html.escape(h)}" for h in head)
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(c)}" for c in row) for row in body)
    return f"<table><tr>{top}{lines}</table>"


def _observed(c: Child) -> float:
    return c.observed


def _predicted(c: Child) -> float:
    return c.predicted


def _age(c: Child) -> float:
    return max(c.age_y, AGES_Y[0])


def _fold(c: Child) -> float:
    return c.fold


def _figure(children: Sequence[Child], title: str, x: Callable[[Child], float], y: Callable[[Child], float]) -> str:
    """Logarithmic axes; drugs by color, group means larger; lines of identity and 2-fold."""
    by_age = y is _fold
    across = [x(c) for c in children] if by_age else [v for c in children for v in (c.observed, c.predicted)]
    up = [0.4, 2.5, *(y(c) for c in children)] if by_age else across
    (x0, x1), (y0, y1) = ((np.log10(min(v)) - 0.08, np.log10(max(v)) + 0.08) for v in (across, up))

    def at(a: float, b: float) -> tuple[float, float]:
        left = EDGE + (np.log10(a) - x0) / (x1 - x0) * (WIDTH - EDGE - NAMES)
        return float(left), float(HEIGHT - EDGE - (np.log10(b) - y0) / (y1 - y0) * (HEIGHT - EDGE - 10))

    ends = [10.0**x0, 10.0**x1]
    lines = []
    for fold, color in ((1.0, "#444"), (2.0, "#bbb"), (0.5, "#bbb")):
        (a, b), (c, d) = (at(v, fold if by_age else v * fold) for v in ends)
        lines.append(f"<line x1='{a:.1f}' y1='{b:.1f}' x2='{c:.1f}' y2='{d:.1f}' stroke='{color}'/>")
    dots, names = [], []
    for i, ((drug, rows), color) in enumerate(zip(by_drug(children).items(), cycle(COLORS), strict=False)):
        for row in rows:
            a, b = at(x(row), y(row))
            size = 5 if row.group else 3
            dots.append(f"<circle cx='{a:.1f}' cy='{b:.1f}' r='{size}' fill='{color}' fill-opacity='.6'/>")
        place = f"x='{WIDTH - NAMES + 12}' y='{14 + 13 * i}'"
        names.append(f"<text {place} font-size='11' fill='{color}'>{html.escape(drug)}</text>")
    ticks = ""
    if by_age:
        ticks = "".join(
            f"<text x='{at(a, 1.0)[0]:.1f}' y='{HEIGHT - 22}' font-size='10'>{a:g} y</text>"
            for a in AGES_Y
            if x0 <= np.log10(a) <= x1
        )
    said = f"<text x='{EDGE}' y='{HEIGHT - 6}' font-size='11'>{'age' if by_age else 'observed'}, logarithmic</text>"
    return (
        f"<figure style='width:{WIDTH}px'><svg width='{WIDTH}' height='{HEIGHT}' role='img' style='overflow:hidden'>"
        f"{''.join(lines + dots + names)}{ticks}{said}</svg><figcaption>{html.escape(title)}</figcaption></figure>"
    )
