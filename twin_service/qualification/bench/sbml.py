"""The SBML semantic test suite, or any folder laid out like it: one folder per case with model, settings and results.

A case passes when every value lies within the suite's own tolerances, |x - expected| <= absolute + relative |expected|.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode

_CASE_SECONDS = 60.0


class SbmlCase(NamedTuple):
    """What happened to one case: `passed`, `refused` or `wrong`, and why."""

    id: str
    result: str
    detail: str = ""


class SbmlCaseSettings(NamedTuple):
    start: float
    duration: float
    steps: int
    variables: tuple[str, ...]
    absolute: float
    relative: float
    amounts: tuple[str, ...]
    concentrations: tuple[str, ...]


def run(
    folder: Path | str,
    report: Callable[[SbmlCase], None] | None = None,
    workers: int = 2,
    *,
    only: set[str] | None = None,
) -> dict[str, float]:
    """Run every case below `folder`; figures sbml.cases, .passed, .refused, .wrong. `report` sees each case.

    Raises Refusal when the folder holds no case.
    """
    folders = sorted({p.parent for p in Path(folder).rglob("*-settings.txt")})
    folders = [f for f in folders if only is None or f.name in only]
    if not folders:
        raise Refusal(
            RefusalCode.NOT_FOUND,
            f"{folder}: no case (NNNNN/NNNNN-settings.txt) below it; give the suite's folder `semantic`",
            field="folder",
        )
    counts = dict.fromkeys(("cases", "passed", "refused", "wrong"), 0)
    if workers <= 1:
        cases = map(run_case, folders)
        return _count(cases, report, counts)
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        return _count(pool.imap(run_case, folders, chunksize=8), report, counts)


def _count(cases: object, report: Callable[[SbmlCase], None] | None, counts: dict[str, int]) -> dict[str, float]:
    for case in cases:  # type: ignore[attr-defined]
        counts["cases"] += 1
        counts[case.result] += 1
        if report is not None:
            report(case)
    return {f"sbml.{k}": float(v) for k, v in counts.items()}


def run_case(folder: Path) -> SbmlCase:
    """One case. Anything but a right answer or a refusal by name is wrong."""
    name = folder.name
    try:
        return _compare(folder, name)
    except Refusal as refusal:
        return SbmlCase(name, "refused", f"{refusal.reason}: {refusal.message}")
    except Exception as error:
        return SbmlCase(name, "wrong", f"{type(error).__name__}: {error}")


def _compare(folder: Path, name: str) -> SbmlCase:
    from twin_service.model.sbml import load, simulate_sbml
    from twin_service.solver.tolerances import Deadline

    text = (folder / f"{name}-settings.txt").read_text()
    if not re.search(r"^steps:\s*\d", text, re.MULTILINE):
        load(model_file(folder))
        raise Refusal(RefusalCode.UNSUPPORTED, f"{name}: asks for no time course", reason="NO_TIME_COURSE")
    s = parse_settings(text)
    model = load(model_file(folder))
    table = simulate_sbml(
        model,
        s.start,
        s.start + s.duration,
        s.steps,
        amounts=s.amounts,
        concentrations=s.concentrations,
        variables=s.variables,
        deadline=Deadline(_CASE_SECONDS),
    )
    columns, expected = read_results(folder / f"{name}-results.csv")
    if len(expected) != len(table.values):
        return SbmlCase(name, "wrong", f"{len(table.values)} rows, expected {len(expected)}")
    for i, variable in enumerate(s.variables):
        ours, right = table.values[:, i + 1], expected[:, columns.index(variable, 1)]
        fault = _fault(ours, right, s)
        if fault is not None:
            return SbmlCase(
                name,
                "wrong",
                f"{variable} at t = {table['time'][fault]:g}: {ours[fault]:.8g}, expected {right[fault]:.8g}",
            )
    return SbmlCase(name, "passed")


def _fault(ours: NDArray[np.float64], expected: NDArray[np.float64], s: SbmlCaseSettings) -> int | None:
    """The first row outside the tolerances."""
    with np.errstate(invalid="ignore"):
        close = np.abs(ours - expected) <= s.absolute + s.relative * np.abs(expected)
    same = (np.isnan(ours) & np.isnan(expected)) | (ours == expected)
    bad = np.flatnonzero(~(np.where(np.isfinite(expected), close, False) | same))
    return int(bad[0]) if bad.size else None


def model_file(folder: Path) -> Path:
    """The newest level and version of the case's model."""
    found = sorted(folder.glob(f"{folder.name}-sbml-l*v*.xml"))
    if not found:
        raise Refusal(RefusalCode.NOT_FOUND, f"{folder.name}: no model file", reason="NO_MODEL")
    return found[-1]


def parse_settings(text: str) -> SbmlCaseSettings:
    pairs = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    raw = {k.strip(): v.strip() for k, v in pairs.items()}

    def names(key: str) -> tuple[str, ...]:
        return tuple(n for n in re.split(r"[,\s]+", raw.get(key, "")) if n)

    start, duration, absolute, relative = (float(raw[k]) for k in ("start", "duration", "absolute", "relative"))
    return SbmlCaseSettings(
        start,
        duration,
        int(raw["steps"]),
        names("variables"),
        absolute,
        relative,
        names("amount"),
        names("concentration"),
    )


def read_results(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    with path.open(newline="") as file:
        rows = [r for r in csv.reader(file) if r]
    return [c.strip() for c in rows[0]], np.array([[float(x) for x in r] for r in rows[1:]])


def write_report(path: Path, cases: list[SbmlCase], figures: dict[str, float]) -> None:
    """Figures and the fate of every case as JSON."""
    path.write_text(json.dumps({"figures": figures, "cases": [c._asdict() for c in cases]}, indent=1) + "\n")
