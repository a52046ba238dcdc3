"""Pictures and pages of `twin treat` and `twin toxicity`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twin_service.report.page import Page, Picture, Section, Table, write_page
from twin_service.report.text import number, percent
from twin_service.report.theme import AMBER, BLUE, GRAY, HARM, INK, TARGET, panels, save_png, svg
from twin_service.trial.toxicity import JudgedMechanism, ToxicityPanel
from twin_service.twin.simulate import WhatIf
from twin_service.twin.treat import TreatedMembers


def draw_protocol(ruled: TreatedMembers, plain: WhatIf, folder: Path) -> Path:
    """Each output with and without the rules, and what was given, as one PNG file."""
    count = len(plain.bands.series)
    fig, axes = panels(count + 1, width=9.0, height=2.6, columns=1)
    for ax, a, b in zip(axes, plain.bands.series, ruled.what_if.bands.series, strict=False):
        for series, color, label in ((a, GRAY, "plan"), (b, BLUE, "by rule")):
            t = plain.bands.times_h / 24.0
            ax.fill_between(t, series.quantiles[0], series.quantiles[-1], color=color, alpha=0.18, lw=0)
            ax.plot(t, series.quantiles[2], color=color, lw=1.4, label=label)
        ax.set_ylabel(f"{a.output.replace('_', ' ')}, {a.unit}", fontsize=8)
        ax.legend(frameon=False, fontsize=8, ncol=2)
        ax.set_xlabel("days")
    for (drug, share), color in zip(ruled.intensity.items(), (BLUE, AMBER, TARGET), strict=False):
        axes[-1].hist(
            share,
            bins=np.linspace(0, max(1.0, float(share.max())) * 1.001, 41).tolist(),
            color=color,
            alpha=0.6,
            label=drug,
        )
    axes[-1].set(xlabel="relative dose intensity", ylabel="members")
    axes[-1].legend(frameon=False, fontsize=8)
    return save_png(fig, folder / "protocol.png")


def write_toxicity(found: ToxicityPanel, folder: Path) -> Path:
    """Every risk with its interval as a bar, mechanisms that are not known beside them: toxicity.html."""
    signals = list(found.signals())
    lead = [f"Look first: {s}." for s in signals] or ["No risk lies above 10 %."]
    sections = [
        Section("Risks", pictures=[Picture(_risks(found), "share of patients harmed, with the 90 % interval")]),
        *(_mechanism(j) for j in found.judged),
    ]
    basis = [
        f"{found.patients} virtual patients over {found.horizon_h:g} h",
        f"models: {', '.join(found.models)}",
        *found.notes,
    ]
    page = Page(found.regimen.name, lead, sections, basis, kind="toxicity panel")
    return write_page(page, folder / "toxicity.html")


def _risks(found: ToxicityPanel) -> str:
    rows = [(f"{_words(j)}: {r.endpoint.title}", r) for j in found.judged for r in j.risks]
    silent = [j for j in found.judged if not j.known]
    count = len(rows) + len(silent)
    figure, (ax,) = panels(1, width=10.0, height=0.36 * count + 1.0)
    for y, (_, r) in enumerate(rows):
        ax.barh(y, 100 * r.probability, color=HARM if r.endpoint.serious else BLUE, height=0.6)
        ax.plot([100 * r.low, 100 * r.high], [y, y], color=INK, lw=1.2)
    for y in range(len(rows), count):
        ax.text(1.0, y, "the library has no data of this drug", va="center", color=GRAY, fontsize=8)
    ax.set(xlim=(0, 100), ylim=(-0.6, count - 0.4), xlabel="patients, %; orange: serious")
    labels = [label[:70] for label, _ in rows] + [f"{_words(j)}: not known" for j in silent]
    ax.set_yticks(range(count), labels, fontsize=8)
    ax.invert_yaxis()
    return svg(figure)


def _words(j: JudgedMechanism) -> str:
    return j.mechanism.id.replace("_", " ")


def _mechanism(j: JudgedMechanism) -> Section:
    risks = [
        (r.endpoint.title, percent(r.probability, 1), f"{percent(r.low, 1)} to {percent(r.high, 1)}") for r in j.risks
    ]
    margins = [
        (
            m.threshold.id.replace("_", " "),
            f"{number(m.cmax_umol_l)} umol/L",
            f"{number(m.threshold.concentration_umol_l)} umol/L",
            number(m.margin, 2),
            f"{m.threshold.safe_margin:g}",
        )
        for m in j.margins
    ]
    tables = [
        Table(("harm", "probability", "90 % interval"), risks),
        Table(("threshold", "highest unbound level", "threshold at", "margin", "called safe from"), margins),
    ]
    return Section(_words(j).capitalize(), [f"{j.mechanism.text}.", j.basis], tables=tables)
