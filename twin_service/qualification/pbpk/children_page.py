"""The section on children: what is bias and what is scatter for each drug, and clearance by age."""

from __future__ import annotations

from collections.abc import Sequence

from twin_service.qualification.pbpk.children import DRAWN_FROM, Child, by_drug, children_figures
from twin_service.qualification.pbpk.scores import split
from twin_service.report.page import Picture, Section, Table
from twin_service.report.scatter import FoldPoint, observed_predicted
from twin_service.report.text import number, percent
from twin_service.report.theme import GRAY, PALE, SERIES, panels, plain_log, svg

YOUNGEST_Y = 0.01
SPLIT_HEADS = ("drug", "n", "GMFE", "bias", "GMFE without bias", "CV of the ratios", "maturation curve drawn from it")


def children_section(children: Sequence[Child]) -> list[Section]:
    """Headline, split by drug, plots and every row; empty without rows."""
    if not children:
        return []
    figures = children_figures(children)
    said = (
        f"GMFE {figures['pbpk.pediatric_cl_gmfe']:.3f} over {len(children)} rows: group means relative to the adults "
        "of their table, single children and small groups relative to adults where the table has some. Were each "
        f"drug's bias gone, scatter between children would leave {figures['pbpk.pediatric_bias_removed_gmfe']:.3f}. "
        f"The {figures['pbpk.pediatric_unseen_n']:.0f} rows of drugs from which no maturation curve was drawn: "
        f"{figures['pbpk.pediatric_unseen_cl_gmfe']:.3f}."
    )
    points = {d: [FoldPoint(c.observed, c.predicted, c.name) for c in rows] for d, rows in by_drug(children).items()}
    pictures = [
        Picture(observed_predicted(points, "clearance", width=6.0), "clearance, L/h/kg or relative to adults, by drug"),
        Picture(_by_age(children), "predicted over observed by age; large: means of groups"),
    ]
    rows = [(c.name, number(c.age_y), number(c.observed), number(c.predicted), f"{c.fold:.2f}") for c in children]
    every = Table(("row", "age, years", "observed", "predicted", "fold"), rows)
    return [
        Section("Children: clearance per kg", [said], pictures, [Table(SPLIT_HEADS, _by_drug(children))]),
        Section("Every child", tables=[every], folded=True),
    ]


def _by_drug(children: Sequence[Child]) -> list[tuple[str, ...]]:
    body: list[tuple[str, ...]] = []
    for drug, rows in by_drug(children).items():
        s = split([c.fold for c in rows])
        drawn = "not known" if drug == "s_warfarin" else "yes" if drug in DRAWN_FROM else ""
        body.append((drug, str(s.n), f"{s.gmfe:.2f}", f"{s.bias:.2f}", f"{s.scatter:.2f}", percent(s.cv), drawn))
    return body


def _by_age(children: Sequence[Child]) -> str:
    figure, (ax,) = panels(1, width=6.0, height=6.0)
    for fold, color in ((1.0, GRAY), (2.0, PALE), (0.5, PALE)):
        ax.axhline(fold, color=color, lw=1)
    for k, rows in enumerate(by_drug(children).values()):
        for c in rows:
            size = 6 if c.group else 4
            ax.plot(max(c.age_y, YOUNGEST_Y), c.fold, "o", ms=size, alpha=0.6, color=SERIES[k % len(SERIES)])
    plain_log(ax, x=True)
    ax.set(xlabel="age, years", ylabel="predicted over observed")
    return svg(figure)
