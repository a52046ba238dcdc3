"""The data report that comes before any result: who is there, what is missing, and whether the arms are alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin_service.trial.data.assemble import AnalysisData
from twin_service.trial.note import Note
from twin_service.trial.protocol import TrialProtocol

FloatArray = NDArray[np.float64]
# A standardized difference beyond this in a randomized trial is said, not corrected.
IMBALANCE = 0.25


@dataclass(frozen=True)
class VisitCount:
    """Readings at a visit, by arm: read (arms,), derived by a rule (arms,), missing (arms,)."""

    visit: str
    read: tuple[int, ...]
    derived: tuple[int, ...]
    missing: tuple[int, ...]
    mean: tuple[float, ...]
    sd: tuple[float, ...]


@dataclass(frozen=True)
class BaselineRow:
    """A baseline characteristic: mean and SD by arm (share for a class), largest standardized difference to control."""

    name: str
    mean: tuple[float, ...]
    sd: tuple[float, ...]
    missing: int
    largest_difference: float


@dataclass(frozen=True)
class DataQuality:
    arms: tuple[str, ...]
    subjects: tuple[int, ...]
    visits: tuple[VisitCount, ...]
    baseline: tuple[BaselineRow, ...]
    dropout: tuple[tuple[str, tuple[int, ...]], ...]
    notes: tuple[Note, ...]


def data_quality(p: TrialProtocol, data: AnalysisData) -> DataQuality:
    """Counts, windows, missing data by pattern, duplicates and baseline balance."""
    arms = range(len(data.arms))
    subjects = tuple(int(np.sum(data.arm == a)) for a in arms)
    visits = tuple(_visit(data, j) for j in range(len(data.visits)))
    baseline = _baseline(p, data)
    notes = list(data.notes)
    for row in baseline:
        if row.largest_difference > IMBALANCE:
            notes.append(Note("balance", f"{row.name} differs by {row.largest_difference:.2f} SD between arms", True))
        if row.missing:
            notes.append(Note("baseline", f"{row.name} is missing in {row.missing} subjects", True))
    for v in visits:
        shares = [m / n for m, n in zip(v.missing, subjects, strict=True)]
        if max(shares) > 0.2:
            notes.append(Note("missing data", f"{v.visit}: up to {max(shares):.0%} of an arm is missing", True))
        if max(shares) - min(shares) > 0.1:
            notes.append(
                Note("missing data", f"{v.visit}: missing in {min(shares):.0%} to {max(shares):.0%} of the arms", True)
            )
    return DataQuality(data.arms, subjects, visits, baseline, _patterns(data), tuple(notes))


def _visit(data: AnalysisData, j: int) -> VisitCount:
    y, mine = data.y[:, j], [data.arm == a for a in range(len(data.arms))]
    read = np.isfinite(y)
    values = [y[m & read] for m in mine]
    return VisitCount(
        data.visits[j].name,
        tuple(int(np.sum(m & read)) for m in mine),
        tuple(int(np.sum(m & data.derived[:, j])) for m in mine),
        tuple(int(np.sum(m & ~read)) for m in mine),
        tuple(float(v.mean()) if len(v) else float("nan") for v in values),
        tuple(float(v.std(ddof=1)) if len(v) > 1 else float("nan") for v in values),
    )


def _baseline(p: TrialProtocol, data: AnalysisData) -> tuple[BaselineRow, ...]:
    spec = p.adjust
    names = list(dict.fromkeys((*(spec.covariates if spec else ()), *(p.forecast.covariates if p.forecast else ()))))
    rows = [_row(n, data.numbers((n,), "adjust.covariates")[:, 0], data.arm) for n in names if n != "baseline"]
    if np.isfinite(data.baseline).any():
        rows.insert(0, _row(f"{p.endpoint.label} at baseline", data.baseline, data.arm))
    for factor in dict.fromkeys((*(spec.factors if spec else ()), *(p.forecast.factors if p.forecast else ()))):
        labels = data.classes(factor, "adjust.factors")
        rows += [_row(f"{factor}: {v}", (labels == v).astype(float), data.arm) for v in sorted(set(labels))]
    return tuple(rows)


def _row(name: str, values: FloatArray, arm: NDArray[np.intp]) -> BaselineRow:
    groups = [values[(arm == a) & np.isfinite(values)] for a in range(int(arm.max()) + 1)]
    mean = tuple(float(g.mean()) if len(g) else float("nan") for g in groups)
    sd = tuple(float(g.std(ddof=1)) if len(g) > 1 else float("nan") for g in groups)
    gaps = [
        abs(mean[k] - mean[0]) / s for k in range(1, len(groups)) if (s := np.sqrt((sd[0] ** 2 + sd[k] ** 2) / 2)) > 0
    ]
    return BaselineRow(name, mean, sd, int(np.sum(~np.isfinite(values))), float(max(gaps, default=0.0)))


def _patterns(data: AnalysisData) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """Which visits were read together ("X" read, "." not), with subjects by arm; the commonest first."""
    text = ["".join("X" if r else "." for r in row) for row in np.isfinite(data.y)]
    table = pd.crosstab(pd.Series(text), pd.Series(data.arm))
    table = table.reindex(columns=range(len(data.arms)), fill_value=0)
    order = table.sum(axis=1).sort_values(ascending=False, kind="stable").index
    return tuple((str(k), tuple(int(v) for v in table.loc[k])) for k in order[:12])
