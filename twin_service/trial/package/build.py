"""A protocol carried out whole: every step it speaks of on one page, and the package a statistician hands on."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from twin_service.outcome import Refusal, RefusalCode
from twin_service.report.page import Section, Table
from twin_service.trial.data.assemble import load_data
from twin_service.trial.data.tables import parse_table
from twin_service.trial.desk import DeskStep, Progress, run_adjust, run_step
from twin_service.trial.external.run import external_analysis
from twin_service.trial.forecast.run import forecast_trial, history_tables
from twin_service.trial.note import Note
from twin_service.trial.package.adam import adam_tables
from twin_service.trial.package.checklist import Analyzed, ReviewItem, checklist
from twin_service.trial.package.dataset_json import dataset_json
from twin_service.trial.package.define_xml import define_xml
from twin_service.trial.package.log import LOG, LoggedRun, log_text, sha256, software
from twin_service.trial.package.transport import transport
from twin_service.trial.protocol import OpenedProtocol, parse_protocol
from twin_service.trial.report.adjust_step import adjust_step, forecast_step
from twin_service.trial.report.data_step import data_step
from twin_service.trial.report.external_step import external_step
from twin_service.trial.report.page import TITLES, render
from twin_service.trial.report.results import StepResult


@dataclass(frozen=True)
class TrialPackage:
    """`files` by name: report.html, data sets, define.xml, checklist, values, the protocol and the log."""

    answer: str
    notes: tuple[Note, ...]
    files: Mapping[str, bytes]


def build_package(
    opened: OpenedProtocol, text: str, created: str, progress: Progress = lambda share: None
) -> TrialPackage:
    """`text`: the protocol as written; `created`: the package's hour, ISO 8601. The same arguments, the same bytes.

    Raises Refusal as the steps do: nothing half done is packaged.
    """
    p = opened.protocol
    analyzed, steps, inputs = _analyzed(opened, lambda share: progress(0.6 * share))
    for step in _others(opened):
        done = run_step(step, opened)
        steps.append(done.result)
        inputs |= done.digests
    progress(0.8)
    asked = checklist(p, analyzed, opened.digest)
    main = next((s for s in steps if s.step in ("adjust", "external")), steps[0])
    notes = tuple(dict.fromkeys(n for s in steps for n in s.notes))
    sections = [part for s in steps for part in _parts(s)]
    sections.append(Section("Regulators' questions", tables=[_checklist_table(asked)]))
    whole = StepResult("report", main.answer, tuple(sections), {}, notes)
    tables = adam_tables(p, analyzed.data, analyzed.forecast, analyzed.external)
    mine = software()["twin-service"]
    files: dict[str, bytes] = {
        "report.html": render(whole, opened, inputs).encode(),
        "values.json": _values(steps),
        "checklist.csv": _checklist_csv(asked),
        "trial.toml": text.encode(),
        "define.xml": define_xml(p, tables, created, mine),
    }
    for t in tables:
        files[f"{t.name.lower()}.xpt"] = transport(t, created)
        files[f"{t.name.lower()}.json"] = dataset_json(t, p.id.upper(), created, mine)
    files[LOG] = log_text(text, p.seed, created, inputs, {s.step: s.answer for s in steps}, files)
    progress(1.0)
    return TrialPackage(whole.answer, notes, files)


def rerun(
    logged: LoggedRun, read_file: Callable[[str], bytes], progress: Progress = lambda share: None
) -> dict[str, bool]:
    """Each file of the log: whether the same bytes came out again. Raises Refusal when the data are not those."""
    for name, digest in logged.inputs.items():
        found = sha256(read_file(name))
        if found != digest:
            said = f"{name} is not the file that was analyzed: {found[:12]}, the log says {digest[:12]}"
            raise Refusal(RefusalCode.PRECONDITION, said, field="data", reason="OTHER_DATA")
    opened = parse_protocol(logged.protocol.encode(), read_file)
    again = build_package(opened, logged.protocol, logged.created, progress)
    return {n: n in again.files and sha256(again.files[n]) == d for n, d in logged.outputs.items()}


def _analyzed(opened: OpenedProtocol, progress: Progress) -> tuple[Analyzed, list[StepResult], dict[str, str]]:
    """The steps that look at the trial's own results, each computed once."""
    p = opened.protocol
    data = load_data(opened)
    inputs = dict(data.digests)
    steps = [data_step(p, data)]
    adjusted, forecast = run_adjust(opened, data, progress) if p.adjust is not None else (None, None)
    if p.forecast is not None and forecast is None:
        forecast = forecast_trial(p, data, history_tables(opened), progress)
    if forecast is not None:
        steps.append(forecast_step(p, data, forecast))
        for name in (p.data.historical, p.data.historical_results):
            inputs |= {name: sha256(opened.read_file(name))} if name else {}
    if adjusted is not None:
        steps.append(adjust_step(p, data, adjusted))
    external = None
    if p.external is not None and p.data.external:
        outside = parse_table(p.data.external, opened.read_file(p.data.external))
        external = external_analysis(p, data, outside)
        steps.append(external_step(p, data, external))
        inputs[outside.source] = outside.digest
    return Analyzed(data, adjusted, forecast, external), steps, inputs


def _others(opened: OpenedProtocol) -> list[DeskStep]:
    p = opened.protocol
    wanted = {
        DeskStep.PLAN: p.plan is not None,
        DeskStep.BORROW: p.borrow is not None,
        DeskStep.INTERIM: p.interim is not None,
        DeskStep.SIMULATE: p.interim is not None and p.plan is not None,
    }
    return [step for step, asked in wanted.items() if asked]


def _parts(step: StepResult) -> list[Section]:
    """A step's sections, the first of which opens with its answer."""
    first = Section(f"{TITLES[step.step]}: in short", [step.answer])
    return [first, *step.sections]


def _checklist_table(asked: tuple[ReviewItem, ...]) -> Table:
    marks = {i: "harm" for i, a in enumerate(asked) if a.is_open}
    return Table(("question", "asked by", "answer"), [tuple(a) for a in asked], marks=marks)


def _checklist_csv(asked: tuple[ReviewItem, ...]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("question", "asked_by", "answer"))
    writer.writerows(asked)
    return out.getvalue().encode()


def _values(steps: list[StepResult]) -> bytes:
    body = {s.step: dict(s.values) for s in steps}
    return (json.dumps(body, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()
