"""Published studies beside a drug file: regimen and person in, AUC, Cmax, half-life out, and the fold error allowed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin_service.library.files import parse_toml
from twin_service.model.compose import compose
from twin_service.model.library.check_tables import DrugCheckFile
from twin_service.model.library.reader import read_as
from twin_service.model.pbpk.body import build_body
from twin_service.model.pbpk.library import Library, load_library
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate
from twin_service.units import UnitError, conversion

Floats = NDArray[np.float64]
UNITS = {
    "auc": "mg/L.h",
    "auc_inf": "mg/L.h",
    "auc_tau": "mg/L.h",
    "cmax": "mg/L",
    "cmin": "mg/L",
    "thalf": "h",
    "tmax": "h",
    "auc_ratio": "1",
    "cmax_ratio": "1",
    "cav": "mg/L",
    "fe": "1",
}
POINTS = 400


@dataclass(frozen=True)
class Treatment:
    """`count` doses of `dose_mg` every `interval_h` from `start_h`."""

    drug: str
    route: str
    dose_mg: float
    interval_h: float = 24.0
    count: int = 1
    start_h: float = 0.0
    duration_h: float = 0.0


@dataclass(frozen=True)
class StudyFinding:
    """One expected figure, what came out, and the fold error allowed."""

    drug: str
    study: str
    measure: str
    expected: float
    got: float
    allowed: float
    source: str
    reached: float = 0.0

    @property
    def fold(self) -> float:
        """Predicted over observed."""
        return self.got / self.expected

    @property
    def ok(self) -> bool:
        """Within the fold error that the check allows."""
        return self._within(self.allowed)

    @property
    def is_known_miss(self) -> bool:
        """Not ok, but no worse than the fold error `reached` that the file admits: a debt that may only shrink."""
        return not self.ok and self.reached > 0.0 and self._within(self.reached)

    def _within(self, fold: float) -> bool:
        return bool(np.isfinite(self.fold) and 1.0 / fold <= self.fold <= fold)


def check_studies(path: Path, library: Library | None = None) -> list[StudyFinding]:
    """Run the studies of `<id>.check.toml` beside the drug file `path`.

    Raises Refusal where the check file is missing, empty, or names a study its drug file was fitted to.
    """
    library = library or load_library()
    sibling = path.with_suffix("").with_suffix(".check.toml")
    if not sibling.exists():
        raise _refuse(path, f"{sibling.name} is missing; a drug without check values is not shipped")
    own: dict[str, Any] = parse_toml(path)
    table: dict[str, Any] = parse_toml(sibling)
    read_as(DrugCheckFile, table, f"drugs/{sibling.name}")
    fitted, checks = own.get("fitted", []), table["check"]
    found: list[StudyFinding] = []
    for check in checks:
        for key in ("study", "source", "expect"):
            if not check.get(key):
                raise _refuse(sibling, f"check {check.get('study', '?')!r}: {key} is missing")
        if check["study"] in fitted:
            raise _refuse(sibling, f"study {check['study']!r} was used for fitting; verify on another")
        found += _run(path.stem, check, library)
    if not found:
        raise _refuse(sibling, "expects nothing; give at least one published figure")
    return found


def _run(drug: str, check: Mapping[str, Any], library: Library) -> list[StudyFinding]:
    person = {k: float(v) for k, v in check.get("person", {}).items()}
    # A metabolite's file doses the parent and measures itself; a perpetrator's doses and measures the victim.
    dosed, measured = check.get("dosed", drug), check.get("measured", drug)
    own = Treatment(dosed, **_treatment(check))
    others = [Treatment(**o) for o in check.get("with", ())]
    window = [float(x) for x in check.get("window_h", (0.0, _span(own)))]
    forms = check.get("formulations")
    alone = observe(course([own], person, library, formulations=forms), measured, window, own)
    together = alone
    if others:
        together = observe(course([own, *others], person, library, formulations=forms), measured, window, own)
    found = []
    for measure, want in check["expect"].items():
        got = together.get(measure, np.nan)
        if measure.endswith("_ratio"):
            base = measure.removesuffix("_ratio")
            got = together[base] / alone[base]
        found.append(
            StudyFinding(
                drug,
                check["study"],
                measure,
                _in_unit(measure, want, measured, library),
                float(got),
                float(want.get("fold", 2.0)),
                check["source"],
                float(want.get("reached", 0.0)),
            )
        )
    return found


def _treatment(check: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("route", "dose_mg", "interval_h", "count", "start_h", "duration_h")
    said = {k: check[k] for k in keys if k in check}
    if "dose_mg_kg" in check:
        said["dose_mg"] = check["dose_mg_kg"] * check["person"]["weight_kg"]
    return said


def _span(treatment: Treatment) -> float:
    return treatment.start_h + treatment.interval_h * (treatment.count - 1) + 240.0


def _in_unit(measure: str, want: Mapping[str, Any], drug: str, library: Library) -> float:
    if measure not in UNITS:
        raise Refusal(RefusalCode.INVALID, f"measure {measure!r} is unknown; known: {', '.join(UNITS)}", field=measure)
    mass = library.drug(drug).molar_mass
    try:
        return float(want["value"]) * conversion(want["unit"], UNITS[measure])
    except UnitError:
        return float(want["value"]) / conversion(UNITS[measure], want["unit"], mass)


@dataclass(frozen=True)
class StudyCourse:
    """A closed model, its person's parameters and the doses given."""

    model: PatientModel
    parameters: Floats
    schedule: Schedule


def course(
    treatments: Sequence[Treatment],
    person: Mapping[str, float],
    library: Library | None = None,
    *,
    formulations: Mapping[str, str] | None = None,
) -> StudyCourse:
    """The typical person with these covariates under these treatments."""
    drugs = list(dict.fromkeys(t.drug for t in treatments))
    routes = {t.route.split("_")[0] for t in treatments} | {"iv"}
    block = build_body(drugs, library, formulations=formulations, routes=tuple(routes))
    model = compose("study", {"body": block})
    entry = {(r.drug, r.route): r for r in model.routes}
    doses = []
    for t in treatments:
        if (t.drug, t.route) not in entry:
            raise Refusal(
                RefusalCode.INVALID,
                f"{t.drug} has no route {t.route!r}; it has: {', '.join(r for d, r in entry if d == t.drug)}",
                field="route",
                reason="UNKNOWN_ROUTE",
            )
        r = entry[t.drug, t.route]
        doses += [
            Dose(t.start_h + k * t.interval_h, r.input, t.dose_mg * r.units_per_mg, t.duration_h)
            for k in range(t.count)
        ]
    return StudyCourse(model, model.values(person), Schedule(tuple(sorted(doses))))


def series(run: StudyCourse, output: str, times_h: Floats) -> Floats:
    """`output` of the body at `times_h`; Refusal where the solver gave up."""
    solution = simulate(run.model.system, run.parameters, run.schedule, times_h)
    if not solution.ok:
        raise Refusal(
            RefusalCode.PRECONDITION, f"the study did not solve: {solution.outcomes[0]}", reason="DID_NOT_SOLVE"
        )
    return np.asarray(solution.outputs[0, :, run.model.system.output_index[f"body.{output}"]])


def study_grid(window: Sequence[float], treatment: Treatment) -> Floats:
    """Times dense after every dose that falls into the window."""
    low, high = window
    starts = treatment.start_h + treatment.interval_h * np.arange(treatment.count)
    after = np.concatenate(
        [s + np.geomspace(0.02, max(high - s, 0.1), POINTS) for s in starts if low <= s < high] or [[low]]
    )
    grid = np.unique(
        np.concatenate([[low, high], np.linspace(low, high, POINTS), after, starts + treatment.duration_h])
    )
    return grid[(grid >= low) & (grid <= high)]


def observe(run: StudyCourse, drug: str, window: Sequence[float], treatment: Treatment) -> dict[str, float]:
    """AUC, Cmax ... of `drug` (mg/L, h) in the window; auc_inf and thalf from the last tenth of it."""
    t = study_grid(window, treatment)
    c = series(run, f"{drug}_level", t)
    area, peak = float(np.trapezoid(c, t)), int(np.argmax(c))
    tail = np.arange(len(t)) >= min(len(t) - 3, int(np.searchsorted(t, t[-1] - 0.1 * (t[-1] - t[peak]))))
    slope = -np.polyfit(t[tail], np.log(np.maximum(c[tail], 1e-300)), 1)[0]
    rest = c[-1] / slope if slope > 0 and c[-1] > 1e-9 * c[peak] else 0.0
    return {
        "auc": area,
        "auc_tau": area,
        "auc_inf": area + rest,
        "cmax": float(c[peak]),
        "tmax": float(t[peak] - window[0]),
        "cmin": float(c[-1]),
        "cav": area / (t[-1] - t[0]),
        "thalf": _half_life(t, c, peak),
    }


def _half_life(t: Floats, c: Floats, peak: int) -> float:
    """Of the decline between a quarter and a fortieth of the peak: what a study with a usual assay sees."""
    part = (np.arange(len(t)) > peak) & (c < 0.25 * c[peak]) & (c > 0.025 * c[peak])
    if part.sum() < 3:
        return float("nan")
    return float(np.log(2.0) / -np.polyfit(t[part], np.log(c[part]), 1)[0])


def _refuse(path: Path, message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, f"drugs/{path.name}: {message}", field=path.name, reason="BAD_CHECK_FILE")
