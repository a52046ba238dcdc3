"""The page of a translation: man's clearance, volume and course with intervals, and every method beside them."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from twin_service.fit.translation.allometry import ScalingMethod
from twin_service.fit.translation.evidence import HumanBelief
from twin_service.fit.translation.translate import Translation

BLUE, TINT, GREY, RED = "#0072B2", "#56B4E9", "#777777", "#D55E00"
STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:1080px;margin:2em auto;padding:0 1em;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:left}"
    "svg{max-width:100%;height:auto}h1{margin-bottom:.1em}.lead{font-size:1.15em}"
)
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
    page = folder / "report.html"
    page.write_text(_page(found), encoding="utf-8")
    return page


def _write_course(found: Translation, path: Path) -> None:
    assert found.course is not None
    bands = np.quantile(found.course.levels, (0.1, 0.5, 0.9), axis=0)
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("time_h", "q10_mg_l", "median_mg_l", "q90_mg_l"))
        table.writerows([f"{x:.6g}" for x in row] for row in zip(found.course.time_h, *bands, strict=True))


def _page(found: Translation) -> str:
    title = html.escape(found.compound.chemistry.title)
    figures = found.figures()
    rows = "".join(_row(name, figures) for name in WORDS if f"translate.{name}" in figures)
    dose = f" after {found.plan.dose_mg:g} mg {found.plan.route}" if found.plan else ""
    course = f"<h2>The course in man{dose}</h2>{_svg(_draw_course(found))}" if found.course is not None else ""
    apart = _list(found.disagreements) or "<p>No method lies outside the posterior's 90 % interval.</p>"
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
        f"<title>{title} in man</title><style>{STYLE}</style><h1>{title}: from animals and in vitro to man</h1>"
        f"<p class='lead'>{_lead(found)}</p><table><tr><th>in man<th>median<th>80 % interval<th>unit{rows}</table>"
        f"{course}<h2>Every method beside the posterior</h2>{_svg(_draw_methods(found))}"
        f"<h2>Who disagrees, and why it might</h2>{apart}"
        f"<h2>What each source weighed</h2>{_weights(found)}"
        f"<h2>To be aware of</h2>{_list(found.warnings) or '<p>Nothing was noticed.</p>'}"
        "<details><summary>What this rests on</summary><p>The posterior is a multivariate Student distribution of "
        "log clearance and log volume over man, rat, dog, monkey and the well-stirred liver, fitted to published "
        f"compounds (data digest {found.evidence_digest[:16]}). Intervals are of the typical man, not of a "
        "population. "
        + " ".join(html.escape(a) + "." for a in found.compound.chemistry.assumed)
        + "</p></details></html>"
    )


def _lead(found: Translation) -> str:
    c, v = found.clearance, found.vss
    return (
        f"Man clears {c.median:.3g} mL/min/kg (80 of 100: {c.quantile(0.1):.3g} to {c.quantile(0.9):.3g}) from "
        f"{v.median:.3g} L/kg ({v.quantile(0.1):.3g} to {v.quantile(0.9):.3g})."
    )


def _row(name: str, figures: dict[str, float]) -> str:
    words, unit = WORDS[name]
    low, middle, high = (figures[f"translate.{name}{end}"] for end in ("_q10", "", "_q90"))
    return f"<tr><td>{words}<td>{middle:.3g}<td>{low:.3g} to {high:.3g}<td>{unit}"


def _list(lines: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(x)}" for x in lines) + "</ul>" if lines else ""


def _weights(found: Translation) -> str:
    rows = "".join(
        f"<tr><td>{what}<td>{html.escape(source)}<td>{weight:.2f}"
        for what, belief in (("clearance", found.clearance), ("volume", found.vss))
        for source, weight in belief.weights.items()
    )
    return (
        "<p>How far man's logarithm moves for each unit the source's logarithm moves.</p>"
        f"<table><tr><th>quantity<th>source<th>weight{rows}</table>"
        if rows
        else "<p>No source entered.</p>"
    )


def _svg(figure: Figure) -> str:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return "<figure style='margin:0'>" + text.getvalue()[text.getvalue().index("<svg") :] + "</figure>"


def _draw_methods(found: Translation) -> Figure:
    longest = max(len(ms) for ms in found.methods.values())
    figure = Figure(figsize=(11.5, 1.2 + 0.27 * (longest + 1)), layout="constrained")
    axes = figure.subplots(1, 2)
    for ax, (what, belief) in zip(axes, (("clearance", found.clearance), ("vss", found.vss)), strict=True):
        _forest(ax, found.methods[what], belief)
        ax.set_xlabel("clearance, mL/min/kg" if what == "clearance" else "volume at steady state, L/kg")
    return figure


def _forest(ax: Axes, methods: Sequence[ScalingMethod], belief: HumanBelief) -> None:
    low, high = belief.quantile(0.1), belief.quantile(0.9)
    ax.axvspan(low, high, color=TINT, alpha=0.3, lw=0)
    ax.axvline(belief.median, color=BLUE, lw=2)
    wide = belief.quantile(0.05), belief.quantile(0.95)
    for i, m in enumerate(methods):
        ax.plot(m.value, -i, "o", color=GREY if wide[0] <= m.value <= wide[1] else RED, ms=6)
    ax.set_yticks([-i for i in range(len(methods))], [m.name for m in methods], fontsize=8)
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter(lambda x, _: f"{x:g}")
    ax.set_title("line and band: posterior, 80 %; orange: outside 90 %", fontsize=9, loc="left")
    ax.spines[["top", "right"]].set_visible(False)


def _draw_course(found: Translation) -> Figure:
    assert found.course is not None and found.plan is not None
    figure = Figure(figsize=(11.5, 4), layout="constrained")
    bands = np.quantile(found.course.levels, (0.1, 0.5, 0.9), axis=0)
    t = found.course.time_h
    for ax, scale in zip(figure.subplots(1, 2), ("linear", "log"), strict=True):
        ax.fill_between(t, bands[0], bands[2], color=TINT, alpha=0.35, lw=0)
        ax.plot(t, bands[1], color=BLUE, lw=2)
        peak = int(np.argmax(bands[1]))
        ax.annotate("typical man, 80 %", (t[peak], bands[1][peak]), (8, 6), textcoords="offset points", color=BLUE)
        for species, (times, per_dose) in found.stretched.items():
            dose = found.plan.dose_mg / 70.0
            ax.plot(times, [c * dose for c in per_dose], "--s", color=GREY, ms=4, label=f"{species}, time stretched")
        ax.set_yscale(scale)
        if scale == "log":
            ax.set_ylim(bottom=bands[1].max() * 1e-4)
        ax.set_xlabel("hours after the first dose")
        ax.set_ylabel(f"{found.compound.chemistry.title} in plasma, mg/L")
        ax.spines[["top", "right"]].set_visible(False)
        if found.stretched:
            ax.legend(frameon=False, fontsize=8)
    return figure
