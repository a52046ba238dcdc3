"""What `twin predict --out` leaves: a page to read with its plots inside, and as CSV the course, figures and people."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from twin_service.fit.predict.figures import unit_of
from twin_service.fit.predict.plan import DosePlan, told
from twin_service.report.course import AimedRange, CourseLine, SeenLevels, draw_course
from twin_service.report.page import Page, Picture, Section, Table, write_page
from twin_service.report.scatter import FoldPoint, observed_predicted
from twin_service.report.text import number, percent

# Figures in words, by what they are about.
WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "Exposure": {
        "auc_mg_h_l": "area under the curve, this interval or to the end",
        "auc_inf_mg_h_l": "area under the curve to infinity",
        "cmax_mg_l": "highest level",
        "tmax_h": "time of the highest level",
        "ctrough_mg_l": "level at the end",
        "accumulation": "area of the last interval over the first",
    },
    "Interaction": {
        "auc_ratio": "area with the others over alone",
        "cmax_ratio": "highest level with the others over alone",
        "auc_mg_h_l_alone": "area alone",
        "cmax_mg_l_alone": "highest level alone",
    },
    "Way in": {
        "f": "bioavailability",
        "fa": "absorbed from the gut",
        "fg": "escapes the gut wall",
        "fh": "escapes the liver",
    },
    "Elimination": {
        "thalf_h": "terminal half-life",
        "thalf_seen_h": "half-life as a study would see it",
        "cl_f_l_h": "dose over area",
        "clearance_l_h": "plasma clearance",
    },
    "Distribution": {
        "vss_l_kg": "volume at steady state",
        "blood_plasma_ratio": "blood over plasma",
        "fraction_unbound": "unbound in plasma",
    },
    "Person": {"weight_kg": "weight", "height_cm": "height", "gfr_ml_min": "glomerular filtration"},
}
ENDS: Final = ("_q05", "_q95")


def write_prediction(found: Mapping[str, Any], plan: DosePlan, folder: Path) -> Path:
    """Write report.html, course.csv, figures.csv and, of a population, people.csv into `folder`; returns the page."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_course(found, folder / "course.csv")
    with (folder / "figures.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("figure", "value", "unit"), *_figures(found["figures"])])
    if "individuals" in found:
        _write_people(found["individuals"], folder / "people.csv")
    return write_page(_page(found, plan), folder / "report.html")


def _write_people(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    columns = list(dict.fromkeys(k for row in rows for k in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, restval="")
        table.writeheader()
        table.writerows({k: f"{v:.6g}" for k, v in row.items()} for row in rows)


def _figures(figures: Mapping[str, float]) -> list[tuple[str, str, str]]:
    return [(name.removeprefix("predict."), f"{value:.4g}", unit_of(name)) for name, value in figures.items()]


def _write_course(found: Mapping[str, Any], path: Path) -> None:
    columns = {"time_h": found["time_h"]}
    columns |= {f"{d}_mg_l": c for d, c in found["courses"].items()}
    columns[f"{found['drug']}_unbound_mg_l"] = found["unbound_mg_l"]
    columns |= {f"{found['drug']}_{q}_mg_l": c for q, c in found.get("quantiles_mg_l", {}).items()}
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows([f"{v:.6g}" for v in row] for row in zip(*columns.values(), strict=True))


def _page(found: Mapping[str, Any], plan: DosePlan) -> Page:
    drug, f = _words(found["drug"]), found["figures"]
    person = ", ".join(f"{_words(k)} {v:g}" for k, v in found["person"].items()) or "a man of 30 years, the reference"
    many = f"{plan.population} people (seed {plan.seed}); median and 90 %" if plan.population else "the typical person"
    lead = [f"{told(plan)}. {person}; {many}."]
    lead += [f"Beside it {b}." for b in found.get("beside", ())]
    if "predict.auc_ratio" in f:
        lead.append(f"The others change its area under the curve {_cell('auc_ratio', f)}-fold.")
    sections = [Section("The course", pictures=_courses(found)), Section("Figures", tables=_tables(f))]
    if found.get("observed"):
        sections.insert(1, _compared(found))
    doubts = list(dict.fromkeys(found["warnings"]))
    assumed = list(dict.fromkeys(found.get("assumptions", ())))
    return Page(
        f"{drug}: predicted exposure",
        lead,
        sections,
        assumed or ["the library's files, as they stand"],
        doubts,
        "predict",
    )


def _words(name: str) -> str:
    return name.replace("_", " ")


def _cell(name: str, figures: Mapping[str, float]) -> str:
    low, high = (figures.get(f"predict.{name}{end}") for end in ENDS)
    value = number(figures[f"predict.{name}"])
    return value if low is None or high is None else f"{value} ({number(low)} to {number(high)})"


def _tables(figures: Mapping[str, float]) -> list[Table]:
    """By group, in words; the machine-readable names stand in figures.csv and the JSON."""
    tables = []
    for group, words in WORDS.items():
        rows = [
            (said, _cell(name, figures), "" if unit_of(name) == "1" else unit_of(name))
            for name, said in words.items()
            if f"predict.{name}" in figures
        ]
        tables.append(Table(("", "value", "unit"), rows, group))
    return tables


def _courses(found: Mapping[str, Any]) -> list[Picture]:
    """The drug looked at on axes of its own, alone beside with others; everything else below, each on its own scale."""
    t, drug = np.array(found["time_h"]), found["drug"]
    low, high = (_array(found.get("quantiles_mg_l", {}).get(q)) for q in ("q5%", "q95%"))
    main = (
        "with the others"
        if "alone_mg_l" in found
        else "half of people below, 90 % in the band"
        if low is not None
        else ""
    )
    lines = [CourseLine(main, t, np.array(found["courses"][drug]), low, high)]
    if "alone_mg_l" in found:
        lines.append(CourseLine("alone", t, np.array(found["alone_mg_l"]), is_beside=True))
    aimed = [
        AimedRange(_end(r["low"], -np.inf), _end(r["high"], np.inf), f"range of the {_words(r['measure'])}")
        for r in found.get("ranges_mg_l", ())
    ]
    observed = found.get("observed", ())
    seen = np.array([[y["time_h"], y["value_mg_l"], y["below"]] for y in observed], dtype=float).reshape(-1, 3)
    measured = [SeenLevels(seen[:, 0], seen[:, 1], seen[:, 2] > 0)] if len(seen) else []
    label = f"{_words(drug)} in plasma, mg/L"
    pictures = [Picture(draw_course(lines, label, seen=measured, aimed=aimed), f"{label}; linear and logarithmic")]
    for other, course in found["courses"].items():
        if other != drug:
            label = f"{_words(other)}, mg/L"
            pictures.append(Picture(draw_course([CourseLine("", t, np.array(course))], label), label))
    return pictures


def _array(values: Sequence[float] | None) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    return None if values is None else np.array(values, dtype=float)


def _end(value: float | None, default: float) -> float:
    return default if value is None else value


def _compared(found: Mapping[str, Any]) -> Section:
    """Own levels beside the prediction: the scatter, and figures by study."""
    points: dict[str, list[FoldPoint]] = {}
    for y in found["observed"]:
        if not y["below"]:
            points.setdefault(str(y["study"]), []).append(FoldPoint(y["value_mg_l"], y["predicted_mg_l"]))
    rows: dict[str, dict[str, float]] = {}
    for name, value in found["figures"].items():
        if name.startswith("predict.data."):
            study, _, figure = name.removeprefix("predict.data.").rpartition(".")
            rows.setdefault(study, {})[figure] = value
    heads = list(dict.fromkeys(k for r in rows.values() for k in r))
    body = [(study, *(_said(k, r.get(k, np.nan)) for k in heads)) for study, r in rows.items()]
    picture = Picture(observed_predicted(points, "level, mg/L"), "own levels against the prediction")
    return Section("Own data", pictures=[picture], tables=[Table(("study", *map(_words, heads)), body)])


def _said(name: str, value: float) -> str:
    return percent(value) if name.startswith("within") else number(value)
