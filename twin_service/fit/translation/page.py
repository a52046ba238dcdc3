"""The page of a translation: man's clearance, volume and course with intervals, and every method beside them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from twin_service.fit.translation.allometry import ScalingMethod
from twin_service.fit.translation.evidence import HumanBelief
from twin_service.fit.translation.translate import Translation
from twin_service.report.course import CourseLine, SeenLevels, draw_course
from twin_service.report.page import Page, Picture, Section, Table, write_page
from twin_service.report.text import number
from twin_service.report.theme import BLUE, GRAY, HARM, SKY, panels, plain_log, svg

WORDS = {
    "clearance_ml_min_kg": ("Plasma clearance", "mL/min/kg"),
    "vss_l_kg": ("Volume at steady state", "L/kg"),
    "thalf_h": ("Half-life (ln 2 volume over clearance)", "h"),
    "f": ("Oral bioavailability", ""),
    "auc_mg_h_l": ("Area under the curve", "mg h/L"),
    "cmax_mg_l": ("Highest level", "mg/L"),
}


def write_translation(found: Translation, folder: Path) -> Path:
    """Write report.html, methods.csv and, with a dose, course.csv into `folder`; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "methods.csv").open("w", newline="", encoding="utf-8") as file:
        rows = [(q, m.name, f"{m.value:.6g}", m.note) for q, ms in found.methods.items() for m in ms]
        csv.writer(file).writerows([("quantity", "method", "value", "note"), *rows])
    if found.course is not None:
        _write_course(found, folder / "course.csv")
    return write_page(_page(found), folder / "report.html")


def _write_course(found: Translation, path: Path) -> None:
    assert found.course is not None
    bands = np.quantile(found.course.levels, (0.1, 0.5, 0.9), axis=0)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("time_h", "q10_mg_l", "median_mg_l", "q90_mg_l"))
        table.writerows([f"{x:.6g}" for x in row] for row in zip(found.course.time_h, *bands, strict=True))


def _page(found: Translation) -> Page:
    figures = found.figures()
    rows = [_row(name, figures) for name in WORDS if f"translate.{name}" in figures]
    dose = f" after {found.plan.dose_mg:g} mg {found.plan.route}" if found.plan else ""
    label = f"{found.compound.chemistry.title} in plasma, mg/L"
    course = [Section(f"The course in man{dose}", pictures=_course(found, label))] if found.course is not None else []
    agree = "No method lies outside the posterior's 90 % interval."
    weighed = "How far man's logarithm moves for each unit the source's logarithm moves."
    sections = [
        Section("In man", tables=[Table(("", "median", "80 % interval", "unit"), rows)]),
        *course,
        Section("Every method beside the posterior", pictures=[_methods(found)]),
        Section("Who disagrees, and why it might", [] if found.disagreements else [agree], notes=found.disagreements),
        Section(
            "What each source weighed", [weighed], tables=[Table(("quantity", "source", "weight"), _weights(found))]
        ),
    ]
    basis = [
        "the posterior is a multivariate Student distribution of log clearance and log volume over man, rat, dog, "
        f"monkey and the well-stirred liver, fitted to published compounds (data digest {found.evidence_digest[:16]})",
        "intervals are of the typical man, not of a population",
        *found.compound.chemistry.assumed,
    ]
    title = f"{found.compound.chemistry.title}: from animals and in vitro to man"
    return Page(title, [_lead(found)], sections, basis, found.warnings, "translate")


def _lead(found: Translation) -> str:
    c, v = found.clearance, found.vss
    return (
        f"Man clears {c.median:.3g} mL/min/kg (80 of 100: {c.quantile(0.1):.3g} to {c.quantile(0.9):.3g}) from "
        f"{v.median:.3g} L/kg ({v.quantile(0.1):.3g} to {v.quantile(0.9):.3g})."
    )


def _row(name: str, figures: dict[str, float]) -> tuple[str, str, str, str]:
    words, unit = WORDS[name]
    low, middle, high = (figures[f"translate.{name}{end}"] for end in ("_q10", "", "_q90"))
    return words, number(middle), f"{number(low)} to {number(high)}", unit


def _weights(found: Translation) -> list[tuple[str, str, str]]:
    return [
        (what, source, f"{weight:.2f}")
        for what, belief in (("clearance", found.clearance), ("volume", found.vss))
        for source, weight in belief.weights.items()
    ]


def _methods(found: Translation) -> Picture:
    longest = max(len(ms) for ms in found.methods.values())
    figure, axes = panels(2, width=11.5, height=1.2 + 0.27 * (longest + 1))
    for ax, (what, belief) in zip(axes, (("clearance", found.clearance), ("vss", found.vss)), strict=True):
        _forest(ax, found.methods[what], belief)
        ax.set_xlabel("clearance, mL/min/kg" if what == "clearance" else "volume at steady state, L/kg")
    return Picture(svg(figure), "line and band: posterior with its 80 % interval; orange: outside 90 %")


def _forest(ax: Axes, methods: Sequence[ScalingMethod], belief: HumanBelief) -> None:
    low, high = belief.quantile(0.1), belief.quantile(0.9)
    ax.axvspan(low, high, color=SKY, alpha=0.3, lw=0)
    ax.axvline(belief.median, color=BLUE, lw=2)
    wide = belief.quantile(0.05), belief.quantile(0.95)
    for i, m in enumerate(methods):
        ax.plot(m.value, -i, "o", color=GRAY if wide[0] <= m.value <= wide[1] else HARM, ms=6)
    ax.set_yticks([-i for i in range(len(methods))], [m.name for m in methods], fontsize=8)
    plain_log(ax, x=True, y=False)


def _course(found: Translation, label: str) -> list[Picture]:
    assert found.course is not None and found.plan is not None
    low, middle, high = np.quantile(found.course.levels, (0.1, 0.5, 0.9), axis=0)
    lines = [CourseLine("typical man, 80 %", found.course.time_h, middle, low, high)]
    per_kg = found.plan.dose_mg / 70.0
    seen = []
    for species, (times, per_dose) in found.stretched.items():
        values = np.array([c * per_kg for c in per_dose])
        seen.append(SeenLevels(np.array(times), values, np.zeros(len(values), dtype=bool), species))
    more = f"; dots: {', '.join(found.stretched)}, time stretched" if seen else ""
    return [Picture(draw_course(lines, label, seen=seen), f"{label}, linear and logarithmic{more}")]
