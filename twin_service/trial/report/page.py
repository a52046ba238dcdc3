"""One page a step: the answer first, what to know before believing it, then tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files

from twin_service.trial.protocol import OpenedProtocol
from twin_service.trial.report.results import StepResult

TITLES = {
    "data": "Data report",
    "plan": "Sample size",
    "forecast": "Control forecasts",
    "adjust": "Adjusted analysis",
    "external": "External control",
    "borrow": "Borrowing",
    "interim": "Interim analysis",
    "simulate": "Simulated design",
    "report": "Trial report",
}


def render(result: StepResult, opened: OpenedProtocol, digests: Mapping[str, str]) -> str:
    """Self-contained HTML; the same result gives the same bytes."""
    from jinja2 import Environment, StrictUndefined

    p = opened.protocol
    e = p.estimand
    estimand = [
        ("Population", e.population),
        ("Treatment", e.treatment),
        ("Variable", e.variable),
        ("Summary", e.summary),
        *((f"If: {i.event}", f"{i.strategy.value.replace('_', ' ')}: {i.handling}") for i in e.intercurrent),
    ]
    template = files("twin_service.trial.report").joinpath("templates/trial.html.j2").read_text(encoding="utf-8")
    return str(
        Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
        .from_string(template)
        .render(
            title=p.title,
            step=TITLES[result.step],
            set_name=p.analysis_set.name,
            answer=result.answer,
            notes=result.notes,
            sections=result.sections,
            estimand=estimand,
            protocol_digest=opened.digest,
            seed=p.seed,
            digests=sorted(digests.items()),
        )
    )
