"""The page of a selection: whether markers tell responders apart, calibration, decision curve, trials that use them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twin_service.report.page import Page, Section, write_page
from twin_service.report.text import number, percent
from twin_service.report.theme import BLUE, GRAY, HARM, SERIES, TARGET, panels, svg
from twin_service.trial.phase1.enrichment import Performance
from twin_service.trial.phase1.page import section_of, table_of
from twin_service.trial.phase1.selection import Reasoned, Validated, decision_curve

BINS = 5


def write_selection(
    found: Validated, patients: Sequence[tuple[str, Reasoned]], skipped: Sequence[str], folder: Path
) -> Path:
    """`selection.html` in `folder`."""
    return write_page(selection_page(found, patients, skipped), folder / "selection.html")


def selection_page(found: Validated, patients: Sequence[tuple[str, Reasoned]], skipped: Sequence[str]) -> Page:
    """The verdict first; patients only when the markers proved themselves."""
    low, high = found.threshold_interval
    lead = [found.verdict[0].upper() + found.verdict[1:] + "."]
    if found.useful:
        lead.append(
            f"Select from a probability of {percent(found.threshold)} on (90 % interval {percent(low)} to "
            f"{percent(high)})."
        )
    rows = [
        [name, f"{a.auc:.2f}", f"{a.brier:.3f}", f"{a.slope:.2f}", f"{a.intercept:.2f}"]
        for name, a in (("on its own patients", found.apparent), ("on patients left out", found.nested))
    ]
    rows.append(["corrected for optimism (bootstrap)", f"{found.corrected_auc:.2f}", "", "", ""])
    headers = ["Validation", "Pairs ordered rightly", "Brier score", "Calibration slope", "Calibration intercept"]
    sections = [
        section_of(
            "What the model is worth", [], _pictures(found), "calibration and decision curve", table_of(headers, rows)
        ),
        _markers(found),
    ]
    if found.useful and patients:
        sections.append(_patients(patients, found.threshold))
    basis = [
        f"{len(found.responded)} patients, {int(found.responded.sum())} responders",
        "logistic regression with a penalty chosen in inner folds (nested cross-validation)",
        *([f"left out for an empty marker: {', '.join(skipped)}"] if skipped else []),
    ]
    return Page("Who is likely to respond", lead, sections, basis)


def _pictures(found: Validated) -> str:
    figure, axes = panels(2, width=10, height=3.8)
    edges = np.quantile(found.scores, np.linspace(0, 1, BINS + 1))
    place = np.clip(np.searchsorted(edges, found.scores, side="right") - 1, 0, BINS - 1)
    for k in range(BINS):
        rows = place == k
        if rows.any():
            share, n = found.responded[rows].mean(), int(rows.sum())
            half = 1.96 * np.sqrt(max(share * (1 - share), 0.02) / n)
            axes[0].errorbar(found.scores[rows].mean(), share, half, fmt="o", color=BLUE)
    axes[0].plot([0, 1], [0, 1], color=GRAY, lw=1)
    axes[0].set(
        xlabel="predicted probability of response, left-out patients",
        ylabel="share who responded",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    thresholds = np.linspace(0.02, 0.9, 60)
    curve = decision_curve(found.scores, found.responded, thresholds)
    axes[1].plot(thresholds, curve.model, color=BLUE, label="select by the model")
    axes[1].plot(thresholds, curve.everyone, color=HARM, label="treat all")
    axes[1].axhline(0, color=GRAY, label="treat none")
    axes[1].set(xlabel="threshold probability", ylabel="net benefit", ylim=(-0.1, max(curve.everyone.max(), 0.1) * 1.1))
    axes[1].legend(fontsize=8, frameon=False)
    return svg(figure)


def _markers(found: Validated) -> Section:
    m = found.model
    b, sd = m.coefficients[1:], np.sqrt(np.diag(m.covariance))[1:]
    order = np.argsort(-np.abs(b))
    figure, (ax,) = panels(1, width=8, height=0.8 + 0.35 * len(b))
    for k, j in enumerate(order):
        ax.errorbar(
            np.exp(b[j]),
            k,
            xerr=[[np.exp(b[j]) - np.exp(b[j] - 1.96 * sd[j])], [np.exp(b[j] + 1.96 * sd[j]) - np.exp(b[j])]],
            fmt="o",
            color=BLUE,
        )
    ax.axvline(1, color=GRAY, lw=1)
    ax.set_yticks(range(len(b)), [m.names[j] for j in order])
    ax.invert_yaxis()
    ax.set(xscale="log", xlabel="odds ratio of response for one standard deviation more")
    return section_of("Markers", [f"Penalty {m.penalty:g}."], svg(figure), "odds ratios")


def _patients(patients: Sequence[tuple[str, Reasoned]], threshold: float) -> Section:
    ranked = sorted(patients, key=lambda p: -p[1].probability)
    rows = [
        [
            name,
            f"{percent(r.probability)} ({percent(r.low)} to {percent(r.high)})",
            "; ".join(f"{n} {'raises' if v > 0 else 'lowers'} it" for n, v in r.reasons[:3]),
            "; ".join(r.doubts),
        ]
        for name, r in ranked
    ]
    marks = {k: "strong" for k, (_, r) in enumerate(ranked) if r.probability >= threshold}
    headers = ["Patient", "Probability of response", "Why", "Doubts"]
    return section_of(
        "Patients asked about", ["Bold: at or above the threshold."], table=table_of(headers, rows, marks)
    )


def enrichment_page(found: Sequence[Performance]) -> Page:
    """Designs that use a marker, side by side."""
    best = max(found, key=lambda p: p.power)
    figure, axes = panels(2, width=10, height=3.2)
    for k, p in enumerate(found):
        axes[0].bar(k, p.power, color=SERIES[k % len(SERIES)])
        axes[1].bar(k, p.randomized, color=SERIES[k % len(SERIES)])
        axes[1].bar(k, p.screen_failures, bottom=p.randomized, color=GRAY)
    axes[0].axhline(0.8, color=TARGET, lw=1)
    for ax, words in zip(axes, ("power", "patients: randomized, and failed at screening (gray)"), strict=True):
        ax.set_xticks(range(len(found)), [p.design for p in found])
        ax.set_ylabel(words)
    rows = [
        [
            p.design,
            f"{percent(p.power, 1)} (SE {100 * p.power_se:.1f})",
            percent(p.power_all, 1),
            percent(p.power_positive, 1),
            number(p.screened),
            number(p.screen_failures),
            number(p.months),
        ]
        for p in found
    ]
    headers = ["Design", "Power", "In all", "In positives", "Screened", "Screen failures", "Months"]
    table = table_of(headers, rows, {list(found).index(best): "strong"})
    return Page(
        "Designs that use a marker",
        [f"Highest power: {best.design}, {percent(best.power)}."],
        [section_of("Side by side", [], svg(figure), "power and patients", table)],
        ["one-sided tests at 0.025 in all; half of the patients treated"],
    )
