"""One page a step: the answer first, what to know before believing it, then tables and pictures."""

from __future__ import annotations

from collections.abc import Mapping

from twin_service.report.page import Page, Section, Table
from twin_service.report.page import render as page
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
    p = opened.protocol
    e = p.estimand
    estimand = [
        ("Population", e.population),
        ("Treatment", e.treatment),
        ("Variable", e.variable),
        ("Summary", e.summary),
        *((f"If: {i.event}", f"{i.strategy.value.replace('_', ' ')}: {i.handling}") for i in e.intercurrent),
    ]
    sections = [*result.sections, Section("Estimand", tables=[Table(("", ""), estimand)])]
    warnings = [f"{n.about}: {n.message}" for n in result.notes if n.warning]
    basis = [f"{n.about}: {n.message}" for n in result.notes if not n.warning]
    basis += [
        f"protocol {opened.digest}, seed {p.seed}",
        *(f"{name} {digest}" for name, digest in sorted(digests.items())),
    ]
    kind = f"{TITLES[result.step]}, {p.analysis_set.name}"
    return page(Page(p.title, [result.answer], sections, basis, warnings, kind))
