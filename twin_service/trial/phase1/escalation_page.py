"""Pages of an escalation: the decision now, and designs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from twin_service.report.page import Page, Section, write_page
from twin_service.report.text import number, percent
from twin_service.report.theme import BLUE, GRAY, HARM, SERIES, TARGET, panels, svg
from twin_service.trial.phase1.comparison import DesignComparison
from twin_service.trial.phase1.decision import ChangedDecision, Decision, DoseView
from twin_service.trial.phase1.escalation_plan import EscalationPlan
from twin_service.trial.phase1.live import TrialState
from twin_service.trial.phase1.page import section_of, table_of


def write_decision(
    state: TrialState, decision: Decision, past: Sequence[Decision], changed: Sequence[ChangedDecision], folder: Path
) -> Path:
    """`decision.html` in `folder`."""
    return write_page(decision_page(state, decision, past, changed), folder / "decision.html")


def decision_page(
    state: TrialState, decision: Decision, past: Sequence[Decision], changed: Sequence[ChangedDecision]
) -> Page:
    """What follows now, why, what was given, and what corrections change of what was said."""
    plan = state.plan
    lead = [answer(plan, decision), *decision.reasons]
    sections = [_doses(plan, decision), _course(state), _past(plan, past, decision)]
    if changed:
        sections.append(
            section_of(
                "What corrections change",
                [
                    f"Before cohort {c.cohort}: said {_dose(plan, c.said)}, would be {_dose(plan, c.now)} today."
                    for c in changed
                ],
            )
        )
    basis = [
        f"{decision.revision} events, day {decision.day:g}; plan and events {decision.digest[:16]}",
        f"design: {plan.design[0].name}; target risk {plan.target:g}",
        *decision.notes,
        *(f"late toxicity: {t}" for t in decision.late),
    ]
    return Page(plan.title or "Dose escalation", lead, sections, basis)


def answer(plan: EscalationPlan, decision: Decision) -> str:
    """The decision in one line."""
    if decision.ends:
        if decision.declared is None:
            return "Stop: no dose is declared tolerated."
        return f"Stop: {decision.declared:g} {plan.unit} is declared the maximum tolerated dose."
    if decision.next_dose is None:
        return "Wait before the next cohort."
    return f"Next cohort of {plan.conduct.cohort}: {decision.next_dose:g} {plan.unit}."


def view_row(v: DoseView) -> list[str]:
    """One dose of a decision as text."""
    risk = "" if v.risk is None else percent(v.risk)
    if v.low is not None and v.high is not None:
        risk += f" ({percent(v.low)} to {percent(v.high)})"
    return [
        f"{v.dose:g}",
        f"{v.toxicities} of {v.patients}",
        str(v.pending) if v.pending else "",
        risk,
        "" if v.in_target is None else percent(v.in_target),
        "" if v.overdose is None else percent(v.overdose),
        v.barred,
    ]


HEADERS = ("Dose", "Toxic", "Watched", "Risk", "In target interval", "Overdosing", "Why not")


def _doses(plan: EscalationPlan, decision: Decision) -> Section:
    figure, (ax,) = panels(1, width=9, height=3.4)
    x = np.arange(len(decision.doses))
    risk = np.array([np.nan if v.risk is None else v.risk for v in decision.doses])
    low = np.array([np.nan if v.low is None else v.low for v in decision.doses])
    high = np.array([np.nan if v.high is None else v.high for v in decision.doses])
    ax.axhline(plan.target, color=TARGET, lw=1.2)
    ax.annotate(
        f"target {plan.target:g}", (x[-1] + 0.45, plan.target), color=TARGET, fontsize=8, va="bottom", ha="right"
    )
    ax.vlines(x, low, high, color=BLUE, lw=5, alpha=0.3)
    ax.plot(x, risk, "o", color=BLUE, label="risk")
    seen = [v.toxicities / v.patients if v.patients else np.nan for v in decision.doses]
    ax.plot(x + 0.12, seen, "x", color="black", label="observed share")
    over = [v.overdose for v in decision.doses]
    if all(o is not None for o in over):
        ax.bar(x - 0.25, [o or 0.0 for o in over], 0.18, color=HARM, alpha=0.5, label="probability of overdosing")
    if decision.next_dose is not None:
        place = [v.dose for v in decision.doses].index(decision.next_dose)
        ax.axvspan(place - 0.45, place + 0.45, color=TARGET, alpha=0.12, lw=0)
    ax.set_xticks(x, [f"{v.dose:g}" for v in decision.doses])
    ax.set(ylim=(0, 1.02), xlabel=f"dose, {plan.unit}", ylabel="probability")
    ax.legend(fontsize=8, frameon=False, loc="upper left")
    marks = {k: "strong" for k, v in enumerate(decision.doses) if v.dose == decision.next_dose}
    table = table_of([f"Dose, {plan.unit}", *HEADERS[1:]], [view_row(v) for v in decision.doses], marks)
    return section_of("Each dose", [], svg(figure), "risk of each dose", table)


def _course(state: TrialState) -> Section:
    figure, (ax,) = panels(1, width=9, height=2.8)
    places = {d: k for k, d in enumerate(state.plan.doses)}
    for k, p in enumerate(state.patients):
        color = HARM if p.toxic else GRAY if p.withdrawn else BLUE if p.toxic is False else "white"
        edge = GRAY if p.withdrawn or p.toxic is None else color
        ax.plot(k + 1, places[p.dose], "o", color=color, markeredgecolor=edge, ms=9)
    ax.set_yticks(range(len(places)), [f"{d:g}" for d in places])
    ax.set(xlabel="patient, in order of dosing", ylabel=f"dose, {state.plan.unit}", ylim=(-0.5, len(places) - 0.5))
    text = ["Filled blue: followed without toxicity. Orange: toxic. Hollow: still watched. Gray: left."]
    return section_of("Patients", text, svg(figure), "doses given and outcomes")


def _past(plan: EscalationPlan, past: Sequence[Decision], now: Decision) -> Section:
    rows = [
        [str(k + 1), f"{d.day:g}", str(d.revision), _dose(plan, d.next_dose), "; ".join(d.reasons), d.digest[:12]]
        for k, d in enumerate(past)
    ]
    headers = ["Before cohort", "Day", "Events", "Said", "Because", "Digest"]
    return section_of(
        "Decisions so far", ["Each is made again here from the events known then."], table=table_of(headers, rows)
    )


def _dose(plan: EscalationPlan, dose: float | None) -> str:
    return "no dose" if dose is None else f"{dose:g} {plan.unit}"


def write_comparison(found: DesignComparison, folder: Path) -> Path:
    """`comparison.html` in `folder`."""
    return write_page(comparison_page(found), folder / "comparison.html")


def comparison_page(found: DesignComparison) -> Page:
    """The choice, the ranking, and every scenario."""
    lead = [f"Chosen: {found.chosen}." if found.chosen else "No design is chosen.", found.reason]
    rows = [
        [
            r.design + (" (tie)" if r.tie and r.design != found.chosen else ""),
            f"{percent(r.right, 1)} (SE {100 * r.right_se:.1f})",
            number(r.patients),
            percent(r.overdosed, 1),
            f"{r.days / 30.4:.0f} months",
            "yes" if r.admissible else "no",
        ]
        for r in found.ranked
    ]
    headers = ["Design", "Right dose", "Patients", "Overdosed", "Duration, median", "Keeps the constraints"]
    marks = {0: "strong"} if found.chosen else {}
    sections = [
        section_of(
            "Over all scenarios", [], _ranking(found), "right dose against overdosing", table_of(headers, rows, marks)
        )
    ]
    sections += [_scenario(found, name) for name in dict.fromkeys(r.scenario for r in found.rows)]
    trials = found.rows[0].found.trials
    basis = [
        f"{trials:,} simulated trials a design and scenario; standard errors beside the numbers",
        "3 + 3 from the first dose is enumerated exactly, but for its duration",
        "overdosed: share of patients given a dose whose true risk is above 0.33",
        "right: the dose whose true risk is nearest to the target; none, where every dose is too toxic",
    ]
    return Page(found.plan.title or "Designs compared", lead, sections, basis)


def _ranking(found: DesignComparison) -> str:
    figure, axes = panels(2, width=10, height=3.4)
    colors = _colors(found)
    for k, r in enumerate(found.ranked):
        axes[0].errorbar(r.overdosed, r.right, 2 * r.right_se, fmt="o", color=colors[r.design], ms=8)
        axes[0].annotate(r.design, (r.overdosed, r.right), textcoords="offset points", xytext=(8, 4), fontsize=9)
        axes[1].barh(k, r.days / 30.4, color=colors[r.design])
    axes[0].axvline(found.plan.constraints.overdosing_max, color=HARM, lw=1)
    axes[0].margins(0.25)
    axes[0].set(xlabel="share of patients overdosed", ylabel="finds the right dose")
    axes[1].set_yticks(range(len(found.ranked)), [r.design for r in found.ranked])
    axes[1].invert_yaxis()
    axes[1].set(xlabel="months from first patient to last decision, median")
    return svg(figure)


def _colors(found: DesignComparison) -> dict[str, str]:
    """One color a design on every picture."""
    return {part.name: SERIES[k % len(SERIES)] for k, part in enumerate(found.plan.design)}


def _scenario(found: DesignComparison, name: str) -> Section:
    rows = [r for r in found.rows if r.scenario == name]
    plan = found.plan
    figure, (ax,) = panels(1, width=9, height=3.0)
    labels = ["none", *(f"{d:g}" for d in plan.doses)]
    width = 0.8 / len(rows)
    for k, r in enumerate(rows):
        x = np.arange(len(labels)) + (k - (len(rows) - 1) / 2) * width
        ax.bar(x, r.found.selection, width, color=_colors(found)[r.design], label=r.design)
    ax.plot(np.arange(1, len(labels)), rows[0].risks, "k_", ms=18, mew=2, label="true risk")
    ax.axhline(plan.target, color=TARGET, lw=1)
    ax.set_xticks(range(len(labels)), labels)
    ax.set(xlabel=f"declared dose, {plan.unit}", ylabel="probability", ylim=(0, 1))
    ax.legend(fontsize=8, frameon=False, ncols=3)
    cells = []
    for r in rows:
        c = r.found
        patients = " / ".join(f"{v:.1f}" for v in c.patients)
        days = " to ".join(f"{d / 30.4:.0f}" for d in (c.days[0], c.days[2]))
        cells.append(
            [
                r.design,
                percent(c.right, 1),
                percent(c.above, 1),
                patients,
                f"{c.total:.1f}",
                f"{c.toxicities:.1f}",
                percent(c.overdosed, 1),
                f"{days} months",
            ]
        )
    headers = [
        "Design",
        "Right dose",
        "Declares too high",
        "Patients by dose",
        "Patients",
        "Toxicities",
        "Overdosed",
        "Duration, 90 %",
    ]
    text = [f"True risks: {', '.join(f'{p:g}' for p in rows[0].risks)}."]
    return section_of(
        name[0].upper() + name[1:], text, svg(figure), f"declared doses, {name}", table_of(headers, cells)
    )
