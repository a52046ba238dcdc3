"""The qualification report: one HTML file with its plots drawn inside, readable without a network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from twin_service.qualification.pbpk.children_page import children_section
from twin_service.qualification.pbpk.courses import CourseResult
from twin_service.qualification.pbpk.result import Qualification
from twin_service.qualification.pbpk.scores import gmfe, within
from twin_service.report.page import Page, Picture, Section, Table, write_page
from twin_service.report.scatter import FoldPoint, observed_predicted
from twin_service.report.text import number, percent
from twin_service.report.theme import BLUE, INK, panels, svg

PLOTS_PER_DRUG: Final = 12
DRUG_HEADS: Final = (
    "drug",
    "studies are",
    "n",
    "GMFE concentration",
    "GMFE AUC",
    "AUC within 2-fold",
    "Cmax within 2-fold",
)


def write_report(result: Qualification, path: Path) -> None:
    """Write the report of `result` to `path`."""
    genotypes = [(r.name, number(r.observed), number(r.predicted), f"{r.fold:.2f}") for r in result.genotypes]
    f = result.figures
    lead = [
        f"Over {sum(not c.fitted for c in result.courses)} verification studies concentrations are missed by a "
        f"factor of {number(f.get('pbpk.gmfe_concentration_median', np.nan))} (median GMFE of drugs)."
    ]
    sections = [
        _figures(result),
        _drugs(result.courses),
        _scatter(result),
        _checks(result),
        _pairs(result),
        *children_section(result.children),
        _populations(result),
        Section(
            "Genotypes: area relative to the reference genotype",
            tables=[Table(("group", "observed", "predicted", "fold"), genotypes)],
        ),
        *_time_courses(result.courses),
    ]
    basis = [
        "verification studies gave no parameter of their drug; build studies did and are listed apart",
        "fold errors are predicted over observed; GMFE = 10^mean|log10(predicted/observed)|",
    ]
    write_page(Page("PBPK qualification", lead, sections, basis, kind="qualify"), path)


def _figures(result: Qualification) -> Section:
    body = []
    for name, value in result.figures.items():
        before = result.previous.get(name)
        change = "" if before is None else f"{value - before:+.3g}"
        body.append((name, f"{value:.4g}", "" if before is None else f"{before:.4g}", change))
    return Section("Figures", tables=[Table(("figure", "now", "previous", "change"), body)])


def _drugs(courses: Sequence[CourseResult]) -> Section:
    by_drug: dict[str, list[CourseResult]] = defaultdict(list)
    for c in courses:
        by_drug[c.study.drug].append(c)
    body = []
    for drug, runs in sorted(by_drug.items()):
        for kind, fitted in (("verification", False), ("build", True)):
            some = [r for r in runs if r.fitted == fitted]
            if some:
                auc, cmax = [r.auc_ratio for r in some], [r.cmax_ratio for r in some]
                levels = gmfe(np.concatenate([r.ratios for r in some]))
                shares = (percent(within(auc, 2)), percent(within(cmax, 2)))
                body.append((drug, kind, str(len(some)), f"{levels:.2f}", f"{gmfe(auc):.2f}", *shares))
    return Section("Drugs", tables=[Table(DRUG_HEADS, body)])


def _scatter(result: Qualification) -> Section:
    auc: dict[str, list[FoldPoint]] = defaultdict(list)
    for c in result.courses:
        if not c.fitted:
            observed = float(np.trapezoid(c.study.levels, c.study.times_h))
            auc[c.study.drug].append(FoldPoint(observed, observed * c.auc_ratio, c.study.name))
    ddi = {
        "interactions": [
            FoldPoint(r.observed, r.observed * r.fold, f"{r.perpetrator} on {r.victim}") for r in result.interactions
        ]
    }
    pictures = [
        Picture(observed_predicted(groups, label, width=6.4), words)
        for groups, label, words in (
            (auc, "AUC, mg h/L", "areas of the verification studies, by drug"),
            (ddi, "AUC ratio", "interactions: area with over without the perpetrator"),
        )
        if any(groups.values())
    ]
    return Section("Observed and predicted", pictures=pictures)


def _checks(result: Qualification) -> Section:
    body = [
        (
            f.drug,
            f.study,
            f.measure,
            number(f.expected, 4),
            number(f.got, 4),
            f"{f.fold:.2f}",
            f"{f.allowed:g}",
            "" if f.ok else "outside",
        )
        for f in result.checks
    ]
    marks = {k: "harm" for k, f in enumerate(result.checks) if not f.ok}
    heads = ("drug", "study", "measure", "published", "predicted", "fold", "allowed", "")
    return Section("Check files", tables=[Table(heads, body, marks=marks)])


def _pairs(result: Qualification) -> Section:
    by_pair: dict[tuple[str, str], list[float]] = defaultdict(list)
    for r in result.interactions:
        by_pair[r.perpetrator, r.victim].append(r.fold)
    body = [
        (f"{p} on {v}", str(len(f)), f"{gmfe(f):.2f}", percent(within(f, 2.0))) for (p, v), f in sorted(by_pair.items())
    ]
    return Section("Interactions", tables=[Table(("pair", "n", "GMFE AUC ratio", "within 2-fold"), body)])


def _populations(result: Qualification) -> Section:
    body = [
        (
            r.population,
            r.drug,
            r.measure,
            number(r.ratio.observed),
            number(r.ratio.predicted),
            f"{r.fold:.2f}",
            "build" if r.built else "",
            r.source,
        )
        for r in result.populations
    ]
    heads = ("population", "drug", "measure", "published ratio", "ours", "fold", "", "source")
    return Section("Special populations: ratio to the reference group", tables=[Table(heads, body)])


def _time_courses(courses: Sequence[CourseResult]) -> list[Section]:
    by_drug: dict[str, list[CourseResult]] = defaultdict(list)
    for c in sorted(courses, key=lambda c: -c.study.subjects):
        by_drug[c.study.drug].append(c)
    said = ["Line: predicted for the typical person. Points: observed. Largest studies first."]
    return [
        Section(f"Time courses of {drug}", said, [_course(r) for r in runs[:PLOTS_PER_DRUG]], folded=True)
        for drug, runs in sorted(by_drug.items())
    ]


def _course(run: CourseResult) -> Picture:
    figure, (ax,) = panels(1, width=2.8, height=1.9)
    ax.plot(run.dense_t, run.dense_c, color=BLUE, lw=1.2)
    ax.plot(run.study.times_h, run.study.levels, "o", ms=2.5, color=INK)
    ax.tick_params(labelsize=6)
    ax.set_xlabel("hours", fontsize=7)
    ax.set_ylabel("mg/L", fontsize=7)
    words = f"{run.study.name[:80]}; GMFE {run.gmfe:.2f}{', build' if run.fitted else ''}"
    return Picture(svg(figure), words, small=True)
