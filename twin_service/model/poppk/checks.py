"""Population PK models against the levels of their check files: the typical patient's course at stated times."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from twin_service.library.files import check_of, parse_toml
from twin_service.model.compose import compose
from twin_service.model.library.check_tables import PopulationCheck, PopulationCheckFile
from twin_service.model.library.reader import read_as
from twin_service.model.poppk.build import build_poppk
from twin_service.model.poppk.record import parse_model
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate
from twin_service.solver.tolerances import Tolerances

EXACT = Tolerances(rtol=1e-9)


class LevelFinding(NamedTuple):
    """A level that a check file expects, and what came out; `tolerance` is relative."""

    check: str
    measure: str
    expected: float
    got: float
    tolerance: float
    source: str

    @property
    def ok(self) -> bool:
        return bool(abs(self.got - self.expected) <= max(self.tolerance * abs(self.expected), 1e-9))


def check_population(path: Path) -> list[LevelFinding]:
    """Run the checks beside the model file `path`. Raises Refusal for a faulty or missing check file."""
    beside = check_of(path)
    file = read_as(PopulationCheckFile, parse_toml(beside), f"poppk/{beside.name}")
    record = parse_model(parse_toml(path))
    model = compose(record.id, {"d": build_poppk(record)})
    return [found for check in file.check for found in _run(model, check, beside.name)]


def _run(model: PatientModel, check: PopulationCheck, file: str) -> list[LevelFinding]:
    entry: Mapping[str, str] = {r.route: r.input for r in model.routes}
    unknown = [d.route for d in check.doses if d.route not in entry]
    unknown += [e.analyte for e in check.expect if e.analyte not in model.observables]
    if unknown:
        raise _refuse(f"{file} check {check.id!r}: {unknown[0]!r} is no route and no analyte of {model.id}")
    doses = tuple(Dose(d.time_h, entry[d.route], d.amount_mg, d.duration_h) for d in check.doses)
    times = np.array(sorted({e.time_h for e in check.expect}))
    solution = simulate(model.system, model.values(check.covariates), Schedule(doses), times, tolerances=EXACT)
    if not solution.ok:
        raise _refuse(f"{file} check {check.id!r} did not solve: {solution.outcomes[0]}")
    found = []
    for e in check.expect:
        column = model.system.output_index[model.observables[e.analyte].output]
        got = float(solution.outputs[0, int(np.searchsorted(times, e.time_h)), column])
        measure = f"{e.analyte} at {e.time_h:g} h"
        found.append(LevelFinding(check.id, measure, e.value, got, e.tolerance, check.source))
    return found


def _refuse(message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field="check", reason="BAD_CHECK_FILE")
