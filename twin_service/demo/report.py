"""One self-contained HTML page: tables, pictures and the basis of each answer."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from twin_client.ehr.reading import Held
from twin_service.demo.control_arm import DemoControlArm
from twin_service.demo.questions import Answered
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


@dataclass(frozen=True)
class DemoPage:
    """Everything the template shows."""

    figures: dict[str, float]
    images: dict[str, Path]
    answers: Sequence[tuple[Answered, Sequence[Held]]]
    arm: DemoControlArm
    seconds: float


def write(page: DemoPage, path: Path) -> Path:
    """Render `page` to `path`."""
    from jinja2 import Environment, StrictUndefined

    template = files("twin_service.demo").joinpath("templates/report.html.j2").read_text(encoding="utf-8")
    html = (
        Environment(autoescape=True, undefined=StrictUndefined)
        .from_string(template)
        .render(
            rows=[_row(page.figures, name) for name in TEXTS],
            images={k: _embedded(p) for k, p in page.images.items()},
            sets=[
                {"title": t, "text": text, "image": _embedded(page.images[name])} for name, (t, text) in TEXTS.items()
            ],
            questions=[_question(a, held, page.images) for a, held in page.answers],
            arm=_arm(page.arm),
            seconds=f"{page.seconds:.0f}",
        )
    )
    path.write_text(html, encoding="utf-8")
    return path


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def harm(r: simulation_pb2.RankedRegimen) -> str:
    """The likeliest serious harm by name; a dash where the model knows none."""
    if not r.harm_endpoint:
        return "\N{EN DASH}"
    return f"{percent(r.harm_probability)} {r.harm_endpoint.replace('_', ' ')}"


def _row(figures: dict[str, float], name: str) -> dict[str, Any]:
    def f(key: str) -> float:
        return figures[f"demo.{name}.{key}"]

    return {
        "name": name,
        "patients": int(f("patients")),
        "observations": int(f("observations")),
        "prior_rrmse": percent(f("prior_rrmse")),
        "posterior_rrmse": percent(f("posterior_rrmse")),
        "prior_mape": percent(f("prior_mape")),
        "posterior_mape": percent(f("posterior_mape")),
        "prior_coverage": percent(f("prior_coverage90")),
        "coverage": percent(f("coverage90")),
    }


def _embedded(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def _question(answer: Answered, held: Sequence[Held], images: dict[str, Path]) -> dict[str, Any]:
    futures, ranking = answer.futures.what_ifs, answer.ranking
    return {
        "title": answer.title,
        "simulated": answer.simulated,
        "target": answer.target,
        "text": "Black: the course so far. From the decision on, each color is one named treatment: the line is the "
        "median, the shade holds 50 % and the thin lines 90 % of what this patient's twin thinks possible.",
        "image": _embedded(images[answer.patient]),
        "endpoints": [e.title for e in futures[0].endpoints],
        "futures": [
            {
                "name": w.name,
                "target": percent(w.joint_probability),
                "endpoints": [percent(e.probability) for e in w.endpoints],
            }
            for w in futures
        ],
        "considered": ranking.considered,
        "recommended": ranking.recommended,
        "ranked": [
            {
                "rank": r.rank,
                "name": r.what_if.name,
                "benefit": percent(r.benefit_probability),
                "harm": harm(r),
                "reason": r.reason,
            }
            for r in ranking.ranked[:6]
        ],
        "basis": ranking.basis,
        "held": held,
    }


def _arm(arm: DemoControlArm) -> dict[str, Any]:
    named = (
        ("unadjusted", arm.answer.unadjusted),
        ("adjusted by baseline bilirubin alone", arm.by_baseline.adjusted),
        ("adjusted by the twin's forecast", arm.answer.adjusted),
    )
    return {
        "n": len(arm.rows),
        "variance": percent(arm.answer.variance_reduction),
        "baseline": percent(arm.by_baseline.variance_reduction),
        "effects": [
            {
                "name": n,
                "estimate": f"{e.estimate:.3f}",
                "se": f"{e.standard_error:.3f}",
                "ci": f"{e.ci_low:.3f} to {e.ci_high:.3f}",
            }
            for n, e in named
        ],
    }
