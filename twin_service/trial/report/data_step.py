"""The data report as tables and pictures."""

from __future__ import annotations

from twin_service.report.page import Section
from twin_service.report.text import number
from twin_service.trial.data.assemble import AnalysisData
from twin_service.trial.data.quality import DataQuality, data_quality
from twin_service.trial.protocol import TrialProtocol
from twin_service.trial.report.results import StepResult, jsonable, section_of, text_table


def data_step(p: TrialProtocol, data: AnalysisData) -> StepResult:
    found = data_quality(p, data)
    warnings = sum(n.warning for n in found.notes)
    counts = ", ".join(f"{n} {a}" for n, a in zip(found.subjects, found.arms, strict=True))
    answer = f"{sum(found.subjects)} subjects ({counts}) can be analyzed; {warnings} things to know before."
    return StepResult("data", answer, _sections(found), {"quality": jsonable(found)}, found.notes)


def _sections(q: DataQuality) -> tuple[Section, ...]:
    rows = []
    for v in q.visits:
        for a, arm in enumerate(q.arms):
            shown = (v.read[a], v.derived[a], v.missing[a])
            rows.append((f"{v.visit}, {arm}", *(str(c) for c in shown), number(v.mean[a]), number(v.sd[a])))
    heads = ("Visit and arm", "read", "of which by rule", "missing", "mean", "SD")
    balance = tuple(
        (
            r.name,
            *(f"{number(m)} ({number(s)})" for m, s in zip(r.mean, r.sd, strict=True)),
            str(r.missing),
            number(r.largest_difference, 2),
        )
        for r in q.baseline
    )
    patterns = tuple((k, *(str(c) for c in counts)) for k, counts in q.dropout)
    grids = (text_table("Readings", heads, tuple(rows)),)
    sections = [section_of("The endpoint, visit by visit", "", grids)]
    if balance:
        text = "Mean and SD (share for a class). The difference is the largest from control, in SDs."
        grid = text_table("Baseline", ("", *q.arms, "missing", "difference"), balance)
        sections.append(section_of("Baseline", text, (grid,)))
    if len(q.visits) > 1:
        text = "X: read, dot: not read, one place a visit."
        sections.append(
            section_of("Patterns of missing visits", text, (text_table("Subjects", ("", *q.arms), patterns),))
        )
    return tuple(sections)
