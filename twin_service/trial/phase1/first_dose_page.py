"""The page of a first dose: routes side by side, the ladder with its risks, courses, and sentences for a brochure."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from twin_service.report.page import Page, Section, write_page
from twin_service.report.text import number, percent
from twin_service.report.theme import AMBER, BLUE, GRAY, HARM, TARGET, panels, svg
from twin_service.trial.phase1.first_dose import FirstDose, Rung, to_umol
from twin_service.trial.phase1.human_course import concentration, draw
from twin_service.trial.phase1.occupancy import occupancy_course
from twin_service.trial.phase1.page import section_of, table_of

COURSES = 4


def write_first_dose(found: FirstDose, folder: Path) -> Path:
    """`first_dose.html` in `folder`."""
    return write_page(first_dose_page(found), folder / "first_dose.html")


def first_dose_page(found: FirstDose) -> Page:
    """The page as data."""
    plan = found.plan
    lead = [
        f"Start with {number(found.start_mg)} mg ({number(found.start_mg / plan.person.weight)} mg/kg): the lowest "
        f"route is {found.limiting.name}.",
        f"Go no higher than {number(found.maximum_mg)} mg: {found.maximum_reason}.",
        f"{found.sentinel.capitalize()}: at least {number(found.stagger_h)} h.",
    ]
    if found.effective_mg is not None:
        share = percent(plan.target.effect or 0) if plan.target else ""
        lead.append(
            f"{share} of the target, the share that is needed, is held from {number(found.effective_mg)} mg on."
        )
    sections = [_routes(found), _ladder(found), _courses(found), _brochure(found)]
    return Page(plan.title or f"First dose of {plan.drug.name}", lead, sections, [*found.notes, *_sources()])


def _routes(found: FirstDose) -> Section:
    rows = sorted(found.routes, key=lambda r: r.dose_mg)
    figure, (ax,) = panels(1, width=9, height=0.9 + 0.5 * len(rows))
    for k, r in enumerate(reversed(rows)):
        ax.plot([r.dose_mg], [k], "o", color=HARM if r is found.limiting else BLUE, ms=8)
        ax.annotate(f"{number(r.dose_mg)} mg", (r.dose_mg, k), textcoords="offset points", xytext=(8, -4), fontsize=9)
    ax.set_yticks(range(len(rows)), [r.name for r in reversed(rows)])
    ax.set_xscale("log")
    ax.margins(x=0.15, y=0.3)
    ax.set_xlabel("starting dose, mg (logarithmic)")
    table = table_of(
        ["Route", "Dose, mg", "mg/kg", "How", "Reasons"],
        [[r.name, number(r.dose_mg), number(r.dose_mg_per_kg), r.how, "; ".join(r.reasons)] for r in rows],
        {0: "strong"},
    )
    text = [f"The routes differ by a factor of {number(rows[-1].dose_mg / rows[0].dose_mg)}."]
    return section_of("Routes to the starting dose", text, svg(figure), "starting dose by route", table)


def _ladder(found: FirstDose) -> Section:
    headers = [
        "Dose, mg",
        "Step",
        "Highest level, umol/L",
        "AUC, umol h/L",
        "Target bound at peak",
        "Margin to animals",
    ]
    headers += [f"Chance to pass: {c.name}" for c in found.caps]
    rows, marks = [], {}
    for k, r in enumerate(found.ladder):
        step = "start" if k == 0 else f"x {r.dose_mg / found.ladder[k - 1].dose_mg:.2g}"
        rows.append(
            [
                number(r.dose_mg),
                step,
                _interval(r.cmax),
                _interval(r.auc),
                _shares(r),
                f"{number(r.margin)}-fold" if r.margin else "not known",
                *(percent(p) for p in r.exceeds),
            ]
        )
        if max(r.exceeds, default=0.0) > found.plan.escalation.exceed_max:
            marks[k] = "harm"
    text = [
        "Median and 90 % interval over the doubt of kinetics and binding. "
        f"Shaded rows pass a cap with more than {percent(found.plan.escalation.exceed_max)} probability: "
        "they need data from the doses below before they are given.",
        *(s[0].upper() + s[1:] + "." for s in found.stopping),
    ]
    return section_of(
        "Ladder of doses", text, _risk_picture(found), "chance to pass each cap", table_of(headers, rows, marks)
    )


def _risk_picture(found: FirstDose) -> str:
    figure, axes = panels(2 if found.target else 1, width=10, height=3.3)
    doses = [r.dose_mg for r in found.ladder]
    for k, cap in enumerate(found.caps):
        axes[0].plot(
            doses, [r.exceeds[k] for r in found.ladder], "o-", color=(HARM, AMBER, BLUE)[k % 3], label=cap.name
        )
    axes[0].axhline(found.plan.escalation.exceed_max, color=GRAY, lw=1)
    axes[0].set(xscale="log", ylim=(-0.02, 1.02), xlabel="dose, mg", ylabel="chance to pass the cap")
    if found.caps:
        axes[0].legend(fontsize=8, frameon=False, loc="upper left")
    if found.target:
        bound = np.array([r.bound for r in found.ladder if r.bound is not None])
        axes[1].fill_between(doses, bound[:, 0], bound[:, 2], color=BLUE, alpha=0.2, lw=0)
        axes[1].plot(doses, bound[:, 1], "o-", color=BLUE)
        for share, words, color in (
            (found.plan.target.start if found.plan.target else None, "start", TARGET),
            (found.plan.target.effect if found.plan.target else None, "effect", AMBER),
            (found.plan.target.limit if found.plan.target else None, "limit", HARM),
        ):
            if share is not None:
                axes[1].axhline(share, color=color, lw=1)
                axes[1].annotate(words, (doses[-1], share), fontsize=8, color=color, va="bottom", ha="right")
        axes[1].set(xscale="log", ylim=(0, 1.03), xlabel="dose, mg", ylabel="share of target bound at the peak")
    return svg(figure)


def _courses(found: FirstDose) -> Section:
    pick = sorted({0, len(found.ladder) // 3, 2 * len(found.ladder) // 3, len(found.ladder) - 1})[:COURSES]
    times = np.linspace(0, 5 * found.pk.half_life_h, 300)
    figure, axes = panels(2 if found.target else 1, width=10, height=3.6)
    draws = draw(found.pk, 400, np.random.default_rng(7))
    for k, i in enumerate(pick):
        dose = to_umol(found.plan, found.ladder[i].dose_mg)
        color = (BLUE, TARGET, AMBER, HARM)[k]
        many = concentration(found.pk, dose, times, draws)
        if k in (0, len(pick) - 1):
            low, high = np.quantile(many, [0.05, 0.95], axis=0)
            axes[0].fill_between(times / 24, low, high, color=color, alpha=0.15, lw=0)
        typical = concentration(found.pk, dose, times)[0]
        axes[0].plot(times / 24, typical, color=color)
        axes[0].annotate(
            f"{number(found.ladder[i].dose_mg)} mg", (times[40] / 24, typical[40]), fontsize=8, color=color
        )
        if found.target:
            axes[1].plot(times / 24, occupancy_course(found.pk, found.target, dose, times)[1], color=color)
    top = concentration(found.pk, to_umol(found.plan, found.ladder[-1].dose_mg), times)[0].max()
    axes[0].set(yscale="log", ylim=(top * 1e-6, top * 5), xlabel="days after the dose", ylabel="in plasma, umol/L")
    if found.target:
        turnover = "with its turnover" if found.target.half_life else "without turnover"
        axes[1].set(ylim=(0, 1.03), xlabel="days after the dose", ylabel=f"share of target bound, {turnover}")
    text = ["Typical courses; 90 % bands at the lowest and highest dose drawn."]
    return section_of("Expected course in man", text, svg(figure), "concentration and occupancy over time")


def _brochure(found: FirstDose) -> Section:
    plan = found.plan
    routes = "; ".join(f"{r.name} {number(r.dose_mg)} mg" for r in sorted(found.routes, key=lambda r: r.dose_mg))
    text = [
        f"The proposed first dose of {plan.drug.name} is {number(found.start_mg)} mg for a person of "
        f"{number(plan.person.weight)} kg. It was chosen as the lowest of the following: {routes}.",
        f"Doses rise {len(found.ladder) - 1} times to at most {number(found.maximum_mg)} mg ({found.maximum_reason}), "
        f"in groups of {plan.escalation.cohort}; {found.sentinel}, {number(found.stagger_h)} h apart.",
    ]
    return section_of("For the investigator's brochure", text)


def _interval(band: tuple[float, float, float]) -> str:
    return f"{number(band[1])} ({number(band[0])} to {number(band[2])})"


def _shares(r: Rung) -> str:
    if r.bound is None:
        return "not known"
    return f"{percent(r.bound[1])} ({percent(r.bound[0])} to {percent(r.bound[2])})"


def _sources() -> list[str]:
    return [
        "Human equivalent doses: FDA 2005, Estimating the maximum safe starting dose, table 1; ICH S9 2009 for HNSTD, "
        "and STD10",
        "Occupancy: Muller & Brennan 2009, doi:10.1038/clpt.2008.256; highest exposure: EMA 2017",
    ]
