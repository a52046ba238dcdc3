"""The qualification report: one HTML file with its plots drawn inside, readable without a network."""

from __future__ import annotations

import html
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twin_service.qualification.pbpk.children_page import children_section
from twin_service.qualification.pbpk.courses import CourseResult
from twin_service.qualification.pbpk.scores import gmfe, within

if TYPE_CHECKING:
    from twin_service.qualification.pbpk.run import Qualification

PLOTS_PER_DRUG = 12
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse;margin:1em 0}"
    "td,th{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:right}"
    "td:first-child,th:first-child{text-align:left}h2{margin-top:2em}.plots{display:flex;flex-wrap:wrap;gap:10px}"
    "figure{margin:0;font-size:11px;width:250px}.bad{color:#b00}"
)


def write_report(result: Qualification, path: Path) -> None:
    """Write the report of `result` to `path`."""
    parts = [
        "<!doctype html><meta charset='utf-8'><title>PBPK qualification</title>",
        f"<style>{STYLE}</style>",
        "<h1>PBPK qualification</h1><p>Verification studies gave no parameter of their drug; build studies did and are "
        "listed apart. Fold errors are predicted over observed.</p>",
        _figures(result),
        _drugs(result.courses),
        _scatter_section(result),
        _checks(result),
        _pairs(result),
        children_section(result.children),
        _populations(result),
        _ratios("Genotypes: area relative to the reference genotype", result.genotypes),
        _time_courses(result.courses),
    ]
    path.write_text("\n".join(parts), encoding="utf-8")


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{html.escape(h)}" for h in head)
    lines = "".join("<tr>" + "".join(f"<td>{html.escape(str(c))}" for c in row) for row in body)
    return f"<table><tr>{top}{lines}</table>"


def _figures(result: Qualification) -> str:
    body = []
    for name, value in result.figures.items():
        before = result.previous.get(name)
        change = "" if before is None else f"{value - before:+.3g}"
        body.append((name, f"{value:.4g}", "" if before is None else f"{before:.4g}", change))
    return "<h2>Figures</h2>" + _table(("figure", "now", "previous", "change"), body)


def _drugs(courses: Sequence[CourseResult]) -> str:
    by_drug: dict[str, list[CourseResult]] = defaultdict(list)
    for c in courses:
        by_drug[c.study.drug].append(c)
    body = []
    for drug, runs in sorted(by_drug.items()):
        for kind, fitted in (("verification", False), ("build", True)):
            some = [r for r in runs if r.fitted == fitted]
            if some:
                body.append(
                    (
                        drug,
                        kind,
                        len(some),
                        f"{gmfe(np.concatenate([r.ratios for r in some])):.2f}",
                        f"{gmfe([r.auc_ratio for r in some]):.2f}",
                        f"{within([r.auc_ratio for r in some], 2):.0%}",
                        f"{within([r.cmax_ratio for r in some], 2):.0%}",
                    )
                )
    head = ("drug", "studies are", "n", "GMFE concentration", "GMFE AUC", "AUC within 2-fold", "Cmax within 2-fold")
    return "<h2>Drugs</h2>" + _table(head, [[str(x) for x in row] for row in body])


def _scatter_section(result: Qualification) -> str:
    auc = [(float(np.trapezoid(c.study.levels, c.study.times_h)), c.auc_ratio) for c in result.courses if not c.fitted]
    ddi = [(r.observed, r.fold) for r in result.interactions]
    plots = [
        f"<figure style='width:480px'>{_scatter([o for o, _ in pairs], [o * r for o, r in pairs])}"
        f"<figcaption>{title}</figcaption></figure>"
        for title, pairs in (("AUC, mg h/L, verification", auc), ("AUC ratio of interactions", ddi))
        if pairs
    ]
    return "<h2>Observed and predicted</h2><div class='plots'>" + "".join(plots) + "</div>"


def _scatter(observed: Sequence[float], predicted: Sequence[float], size: int = 460) -> str:
    x, y = np.log10(np.maximum(observed, 1e-12)), np.log10(np.maximum(predicted, 1e-12))
    low, high = min(x.min(), y.min()) - 0.1, max(x.max(), y.max()) + 0.1

    def at(v: float) -> float:
        return float((v - low) / (high - low) * (size - 40) + 30)

    lines = "".join(
        f"<line x1='{at(low):.1f}' y1='{size - at(low + s):.1f}' x2='{at(high):.1f}' y2='{size - at(high + s):.1f}' "
        f"stroke='{'#444' if s == 0 else '#bbb'}'/>"
        for s in (0.0, np.log10(2.0), -np.log10(2.0))
    )
    dots = "".join(
        f"<circle cx='{at(a):.1f}' cy='{size - at(b):.1f}' r='2.5' fill='#1769aa' fill-opacity='.5'/>"
        for a, b in zip(x, y, strict=True)
    )
    return (
        f"<svg width='{size}' height='{size}' role='img'>{lines}{dots}<text x='40' y='{size - 4}' "
        f"font-size='11'>observed, "
        f"logarithmic; lines: identity and 2-fold</text></svg>"
    )


def _checks(result: Qualification) -> str:
    body = [
        (
            f.drug,
            f.study,
            f.measure,
            f"{f.expected:.4g}",
            f"{f.got:.4g}",
            f"{f.fold:.2f}",
            f"{f.allowed:g}",
            "" if f.ok else "outside",
        )
        for f in result.checks
    ]
    return "<h2>Check files</h2>" + _table(
        ("drug", "study", "measure", "published", "predicted", "fold", "allowed", ""), body
    )


def _pairs(result: Qualification) -> str:
    by_pair: dict[tuple[str, str], list[float]] = defaultdict(list)
    for r in result.interactions:
        by_pair[r.perpetrator, r.victim].append(r.fold)
    body = [
        (f"{p} on {v}", str(len(f)), f"{gmfe(f):.2f}", f"{within(f, 2.0):.0%}") for (p, v), f in sorted(by_pair.items())
    ]
    return "<h2>Interactions</h2>" + _table(("pair", "n", "GMFE AUC ratio", "within 2-fold"), body)


def _ratios(title: str, ratios: Sequence[object]) -> str:
    body = [(r.name, f"{r.observed:.3g}", f"{r.predicted:.3g}", f"{r.fold:.2f}") for r in ratios]  # type: ignore[attr-defined]
    return f"<h2>{title}</h2>" + _table(("group", "observed", "predicted", "fold"), body)


def _populations(result: Qualification) -> str:
    body = [
        (
            r.population,
            r.drug,
            r.measure,
            f"{r.ratio.observed:.3g}",
            f"{r.ratio.predicted:.3g}",
            f"{r.fold:.2f}",
            "build" if r.built else "",
            r.source,
        )
        for r in result.populations
    ]
    head = ("population", "drug", "measure", "published ratio", "ours", "fold", "", "source")
    return "<h2>Special populations: ratio to the reference group</h2>" + _table(head, body)


def _time_courses(courses: Sequence[CourseResult]) -> str:
    by_drug: dict[str, list[CourseResult]] = defaultdict(list)
    for c in sorted(courses, key=lambda c: -c.study.subjects):
        by_drug[c.study.drug].append(c)
    parts = [
        "<h2>Time courses</h2><p>Line: predicted for the typical person. Points: observed. Largest studies first.</p>"
    ]
    for drug, runs in sorted(by_drug.items()):
        plots = "".join(_time_plot(r) for r in runs[:PLOTS_PER_DRUG])
        parts.append(f"<h3>{html.escape(drug)}</h3><div class='plots'>{plots}</div>")
    return "".join(parts)


def _time_plot(run: CourseResult, width: int = 250, height: int = 150) -> str:
    t0, t1 = float(run.dense_t[0]), float(run.dense_t[-1])
    top = float(max(run.dense_c.max(), run.study.levels.max())) * 1.05

    def point(t: float, c: float) -> str:
        return f"{(t - t0) / max(t1 - t0, 1e-9) * (width - 10) + 5:.1f},{height - 5 - c / top * (height - 10):.1f}"

    line = " ".join(point(float(t), float(c)) for t, c in zip(run.dense_t, run.dense_c, strict=True))
    dots = "".join(
        "<circle cx='{}' cy='{}' r='2' fill='#b5521b'/>".format(*point(float(t), float(c)).split(","))
        for t, c in zip(run.study.times_h, run.study.levels, strict=True)
    )
    caption = html.escape(
        f"{run.study.name[:80]} | {t0:.3g} to {t1:.3g} h, top {top:.3g} mg/L, GMFE {run.gmfe:.2f}"
        f"{', build' if run.fitted else ''}"
    )
    return (
        f"<figure><svg width='{width}' height='{height}' style='border:1px solid #eee'><polyline "
        f"points='{line}' fill='none' "
        f"stroke='#1769aa'/>{dots}</svg><figcaption>{caption}</figcaption></figure>"
    )
