"""From a protocol and its files to what is analyzed: subjects by visits, with everything that was left out counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin_service.trial.data.results import (
    columns_of,
    data_refusal,
    kept,
    long_results,
    numbers_of,
    parameter_rows,
    subject_table,
)
from twin_service.trial.data.tables import DataTable, parse_table
from twin_service.trial.note import Note
from twin_service.trial.protocol import EndpointKind, EndpointMeasure, OpenedProtocol, TrialProtocol, VisitSpec
from twin_service.trial.protocol_reader import did_you_mean

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class AnalysisData:
    """The analysis set: rows of `subjects` (index: subject) and of y (n, m), NaN where not read, in one order.

    arm        position in `arms` (n,): 0 is control
    y          the endpoint at each visit; for a time to event (n, 1) the time
    event      1 where the event happened (n,), time to event only
    baseline   (n,), NaN where there is none
    derived    y came from a rule such as LOCF (DTYPE), (n, m)
    results    every record of the endpoint, as read
    digests    SHA-256 of each file
    """

    subjects: pd.DataFrame
    arms: tuple[str, ...]
    arm: NDArray[np.intp]
    y: FloatArray
    event: FloatArray
    baseline: FloatArray
    derived: NDArray[np.bool_]
    visits: tuple[VisitSpec, ...]
    results: pd.DataFrame
    notes: tuple[Note, ...]
    digests: Mapping[str, str]

    def numbers(self, names: tuple[str, ...], field: str) -> FloatArray:
        """Columns of the subjects as numbers (n, k); "baseline" is the endpoint's."""
        plain = [n for n in names if n != "baseline"]
        found = numbers_of(self.subjects, plain, field)
        return np.column_stack(
            [self.baseline if n == "baseline" else found[n].to_numpy() for n in names] or [np.zeros((len(self.arm), 0))]
        )

    def classes(self, name: str, field: str) -> NDArray[np.object_]:
        if name not in self.subjects.columns:
            known = did_you_mean(name, sorted(self.subjects.columns))
            raise data_refusal(f"no column {name!r}{known}", field)
        return np.asarray(self.subjects[name].astype(str).to_numpy(dtype=object))


def load_data(opened: OpenedProtocol) -> AnalysisData:
    """Read the protocol's files. Raises Refusal naming the file, column or row that cannot be understood."""
    p = opened.protocol
    subjects = parse_table(p.data.subjects, opened.read_file(p.data.subjects))
    results = parse_table(p.data.results, opened.read_file(p.data.results)) if p.data.results else subjects
    return assemble(p, subjects, results)


def load_tables(p: TrialProtocol, subjects: DataTable, results: DataTable | None = None) -> AnalysisData:
    """The same from tables in memory."""
    return assemble(p, subjects, results or subjects)


def assemble(p: TrialProtocol, subjects: DataTable, results: DataTable) -> AnalysisData:
    columns = columns_of(results, _declared(p))
    all_subjects = subject_table(subjects, columns.subject)
    everyone, notes = _randomized(p, all_subjects, subjects.source)
    rows = kept(parameter_rows(results, p.endpoint.parameter), p.endpoint.where, results.source)
    long = long_results(rows, columns)
    strangers = sorted(set(long["subject"]) - set(all_subjects.index))
    if strangers:
        raise data_refusal(f"{results.source}: {len(strangers)} subjects have results and no row in {subjects.source}")
    long = long[long["subject"].isin(everyone.index)].reset_index(drop=True)
    if long.empty:
        raise data_refusal(f"{results.source}: no record of the endpoint for a subject of the analysis set", "endpoint")
    position = {s: i for i, s in enumerate(everyone.index)}
    n = len(everyone)
    event = np.full(n, np.nan)
    if p.endpoint.kind is EndpointKind.TIME_TO_EVENT:
        visits: tuple[VisitSpec, ...] = (VisitSpec("time to event", number=0),)
        y, derived = _placed([_one_each(long, results.source)], position, "value")
        if np.nanmin(y) < 0:
            raise data_refusal(f"{results.source}: a time to event below zero", "endpoint")
        at = long["subject"].map(position).to_numpy()
        event[at] = long["event"].to_numpy()
    else:
        visits = p.visits
        measure = "change" if p.endpoint.measure is EndpointMeasure.CHANGE else "value"
        y, derived = _placed([_at_visit(long, v, p, results.source) for v in visits], position, measure)
    baseline = np.full(n, np.nan)
    known = long.dropna(subset=["base"]).drop_duplicates("subject")
    baseline[known["subject"].map(position).to_numpy(dtype=int)] = known["base"].to_numpy()
    if p.endpoint.responder_at_least is not None:
        y = np.where(np.isnan(y), np.nan, (y >= p.endpoint.responder_at_least).astype(float))
    arms = (p.arms.control, *p.arms.treated)
    arm = np.array([arms.index(a) for a in everyone[p.arms.variable].astype(str)], dtype=np.intp)
    if derived.any():
        notes = (*notes, Note("endpoint", f"{int(derived.sum())} values were derived by a rule of the data (DTYPE)"))
    return AnalysisData(
        everyone,
        arms,
        arm,
        y,
        event,
        baseline,
        derived,
        visits,
        long,
        notes,
        {subjects.source: subjects.digest, results.source: results.digest},
    )


def _declared(p: TrialProtocol) -> dict[str, str]:
    return dict(p.data.columns)


def _randomized(p: TrialProtocol, frame: pd.DataFrame, source: str) -> tuple[pd.DataFrame, tuple[Note, ...]]:
    """Subjects of the protocol's arms and analysis set, and who was left out."""
    if p.arms.variable not in frame.columns:
        known = did_you_mean(p.arms.variable, sorted(frame.columns))
        raise data_refusal(f"{source}: no column {p.arms.variable!r}{known}", "arms.variable")
    labels = frame[p.arms.variable].astype(str)
    wanted = (p.arms.control, *p.arms.treated)
    present = sorted(set(labels))
    for arm in wanted:
        if arm not in present:
            raise data_refusal(f"{source}: nobody is in arm {arm!r}{did_you_mean(arm, present)}", "arms")
    notes = []
    others = ~labels.isin(wanted)
    if others.any():
        names = ", ".join(sorted(set(labels[others])))
        notes.append(Note("arms", f"{int(others.sum())} subjects of other arms are not analyzed: {names}"))
    randomized = frame[~others]
    chosen = kept(randomized, p.analysis_set.where, source)
    if len(chosen) < len(randomized):
        left = len(randomized) - len(chosen)
        notes.append(Note("analysis set", f"{left} of {len(randomized)} randomized are not in {p.analysis_set.name!r}"))
    for arm in wanted:
        count = int((chosen[p.arms.variable].astype(str) == arm).sum())
        if count < 2:
            raise data_refusal(
                f"{count} subjects of arm {arm!r} are in the analysis set; two or more are needed", "arms"
            )
    return chosen, tuple(notes)


def _one_each(rows: pd.DataFrame, source: str, what: str = "the endpoint") -> pd.DataFrame:
    twice = rows["subject"].duplicated()
    if twice.any():
        raise data_refusal(
            f"{source}: {int(twice.sum())} subjects have {what} twice; choose one record with endpoint.where",
            "endpoint",
        )
    return rows


def _at_visit(long: pd.DataFrame, visit: VisitSpec, p: TrialProtocol, source: str) -> pd.DataFrame:
    if long["visit"].isna().all() and long["day"].isna().all():
        if len(p.visits) > 1:
            raise data_refusal(f"{source}: several visits are asked of a table without a visit or day column", "visits")
        return _one_each(long, source)
    if visit.target_day is None:
        rows = long[long["visit"] == visit.number]
        if rows.empty:
            known = ", ".join(f"{v:g}" for v in sorted(long["visit"].dropna().unique()))
            raise data_refusal(f"{visit.name}: nobody was read at visit {visit.number:g}; visits are {known}", "visits")
        return _one_each(rows, source, f"visit {visit.number:g}")
    inside = long[(long["day"] >= visit.low_day) & (long["day"] <= visit.high_day)]
    if inside.empty:
        last = long["day"].max()
        raise data_refusal(
            f"{visit.name}: nobody was read in its window; the last reading is at day {last:g}", "visits"
        )
    near = inside.assign(gap=(inside["day"] - visit.target_day).abs()).sort_values(["gap", "day"], kind="stable")
    same = near.duplicated(["subject", "day"], keep=False) & (
        near.groupby("subject")["gap"].transform("min") == near["gap"]
    )
    if same.any():
        raise data_refusal(
            f"{source}: {visit.name}: two readings on one day; choose one with endpoint.where", "endpoint"
        )
    return near.drop_duplicates("subject")


def _placed(
    visits: list[pd.DataFrame], position: Mapping[str, int], measure: str
) -> tuple[FloatArray, NDArray[np.bool_]]:
    y = np.full((len(position), len(visits)), np.nan)
    derived = np.zeros(y.shape, dtype=bool)
    for j, rows in enumerate(visits):
        at = rows["subject"].map(position).to_numpy(dtype=int)
        y[at, j] = rows[measure].to_numpy()
        derived[at, j] = (rows["derived"] != "").to_numpy()
    return y, derived
