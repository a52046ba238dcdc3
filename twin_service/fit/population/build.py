"""A population problem from a model file and an event table's subjects.

Linear structures of one to three compartments whose covariates are constant within everybody are evaluated in closed
form; everything else goes to the engine.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.population.by_engine import EngineModel
from twin_service.fit.population.closed_form import DoseTable, GivenWays, closed_form, concentration_of
from twin_service.fit.population.handles import Freedom, Handles, handles_of
from twin_service.fit.population.likelihood import HazardLaw, LognormalLaw, NormalLaw, PoissonLaw, Readings, ResidualLaw
from twin_service.fit.population.parameters import OmegaBlock, ParameterSpace
from twin_service.fit.population.problem import PopulationProblem, StructuralModel
from twin_service.fit.population.typical import GeneratedTypical
from twin_service.fit.subject import TableSubject
from twin_service.model.compose import compose
from twin_service.model.poppk.build import covariates_of, observed_of, routes_of
from twin_service.model.poppk.record import PopPkRecord, effects_of, omega
from twin_service.model.poppk.responses import response_of
from twin_service.model.poppk.structures import structure_of
from twin_service.model.structure import Block, ErrorLaw, PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.expression import symbol
from twin_service.solver.schedule import Schedule
from twin_service.solver.system import Parameter
from twin_service.solver.tolerances import Tolerances

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class BuildOptions:
    """What is searched, how exact the engine is, and whether closed forms are used where they exist."""

    freedom: Freedom = field(default_factory=Freedom)
    closed_form: bool = True
    tolerances: Tolerances = field(default_factory=lambda: Tolerances(1e-6, 1e3))
    threads: int = 0


@dataclass(frozen=True)
class BuiltProblem:
    """The problem, where its search starts, and the file and handles it came from."""

    problem: PopulationProblem
    start: Floats
    record: PopPkRecord
    handles: Handles
    subjects: tuple[TableSubject, ...]


def build_problem(
    record: PopPkRecord, subjects: Sequence[TableSubject], options: BuildOptions = BuildOptions()
) -> BuiltProblem:
    """Refuses a table without readings, and covariates that the file needs and a subject lacks."""
    people = tuple(s for s in subjects if len(s))
    if not people:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"{record.where}: no subject of the table has a reading; check EVID, MDV and DV",
            field="data",
            reason="NO_READINGS",
        )
    covariates = [_known(record, s) for s in people]
    changing = frozenset(n for c in covariates for n in c[0] if any(part[n] != c[0][n] for part in c))
    changing |= {"occasion"} if any(e.occasions for e in effects_of(record).values()) else frozenset()
    made = handles_of(record, changing, options.freedom)
    readings, names = readings_of(record, people)
    space = _space(record, made, names)
    B = np.array([[h.effects.get(c, 0.0) for c in _columns(record)] for h in made.handles])
    everyone = np.arange(len(people))
    typical = GeneratedTypical.create(made, [c[0] for c in covariates])
    predict = (_closed(record, made, people, everyone) if options.closed_form and not changing else None) or by_engine(
        record, made, people, options
    )
    problem = PopulationProblem(
        tuple(s.id for s in people),
        readings,
        predict,
        typical,
        B.reshape(len(made.handles), -1),
        space,
        tuple(h.name for h in made.handles),
        everyone,
    )
    return BuiltProblem(problem, _start(record, made, space), record, made, people)


def _known(record: PopPkRecord, subject: TableSubject) -> list[dict[str, float]]:
    """Covariates of each segment that reaches a reading, defaults filled in."""
    declared = {c.name: c.default for c in covariates_of(record)}
    reached = 1 + sum(t <= float(subject.times_h[-1]) for t in subject.schedule.change_times_h)
    found = []
    for part in subject.covariates[:reached]:
        values = {n: part.get(n, d) for n, d in declared.items()}
        missing = [n for n, v in values.items() if v is None]
        if missing:
            raise Refusal(
                RefusalCode.PRECONDITION,
                f"{record.where} needs {', '.join(missing)}; add the column or map one to it",
                field=f"covariates.{missing[0]}",
                reason="COVARIATE_MISSING",
            )
        found.append({n: float(v) for n, v in values.items() if v is not None})
    return found


def _columns(record: PopPkRecord) -> list[str]:
    """Names of the effects in the order of eta: between patients, then each occasion's."""
    effects = effects_of(record)
    within = [f"{n} (occasion {k})" for n, e in effects.items() for k in range(1, e.occasions + 1)]
    return [*effects, *within]


def _space(record: PopPkRecord, made: Handles, sigma: Sequence[tuple[str, float, bool]]) -> ParameterSpace:
    effects, columns = effects_of(record), _columns(record)
    names = list(effects)
    matrix = omega(record)
    blocks, left = [], list(range(len(names)))
    while left:
        together, grown = {left[0]}, True
        while grown:
            more = {j for i in together for j in left if matrix[i, j] != 0.0}
            grown, together = not more <= together, together | more
        mine = tuple(sorted(together))
        blocks.append(OmegaBlock(tuple(names[i] for i in mine), (mine,)))
        left = [i for i in left if i not in together]
    for n, e in effects.items():
        if e.occasions:
            copies = tuple((columns.index(f"{n} (occasion {k})"),) for k in range(1, e.occasions + 1))
            blocks.append(OmegaBlock((f"{n} between occasions",), copies))
    held = {b.name for b in made.betas if b.fixed} | {n for n, _, fixed in sigma if fixed}
    fixed_effects = {
        n for q in record.parameters.values() if q.effect is not None for n in [q.effect.name] if _held(record, q.name)
    }
    held |= {f"omega[{n}]" for n in fixed_effects}
    return ParameterSpace(
        tuple(b.name for b in made.betas), tuple(blocks), tuple(n for n, _, _ in sigma), frozenset(held)
    )


def _held(record: PopPkRecord, parameter: str) -> bool:
    return bool((record.raw["parameters"][parameter].get("effect") or {}).get("fixed", False))


def _start(record: PopPkRecord, made: Handles, space: ParameterSpace) -> Floats:
    effects = effects_of(record)
    full = np.zeros((space.effects,) * 2)
    between = omega(record)
    full[: len(between), : len(between)] = between
    for block in space.blocks[-1::-1]:
        if block.names[0].endswith(" between occasions"):
            variance = effects[block.names[0].removesuffix(" between occasions")].occasion_variance
            for (c,) in block.copies:
                full[c, c] = variance
    beta = np.array([b.scale.inverse(b.start) for b in made.betas])
    sigma = np.array([size for _, size, _ in residual_sizes(record)])
    return space.joined(beta, full, sigma)


def residual_sizes(record: PopPkRecord) -> list[tuple[str, float, bool]]:
    """(name, log SD, held fixed) of every residual size, in the order of the observables."""
    found = []
    for o in record.raw["observable"]:
        e = o["error"]
        for part in ("additive", "proportional"):
            if float(e.get(part, 0.0)) > 0.0 and e.get("kind", "normal") != "poisson":
                found.append((f"{part}[{o['analyte']}]", float(np.log(e[part])), bool(e.get("fixed", False))))
    return found


def law_of(error: ErrorLaw) -> ResidualLaw:
    """The law of an observable's error record."""
    additive, proportional = error.additive > 0.0, error.proportional > 0.0
    if error.kind == "poisson":
        return PoissonLaw()
    if error.kind == "log":
        return LognormalLaw()
    power = error.power if error.kind == "power" else 1.0
    return NormalLaw(additive, proportional, power, sds_add=error.kind == "sum")


def readings_of(record: PopPkRecord, people: Sequence[TableSubject]) -> tuple[Readings, list[tuple[str, float, bool]]]:
    """Padded readings, and the residual sizes that belong to them."""
    observables = record.raw["observable"]
    place = {o["analyte"]: k for k, o in enumerate(observables)}
    laws: list[ResidualLaw] = []
    for o in observables:
        if o["error"].get("kind") == "hazard":
            laws.append(HazardLaw())
        else:
            laws.append(law_of(ErrorLaw(**{k: v for k, v in o["error"].items() if k not in ("origin", "fixed")})))
    n = max(len(s) for s in people)
    shape = (len(people), n)
    y, seen = np.zeros(shape), np.zeros(shape)
    law, censored = np.zeros(shape, np.intp), np.zeros(shape, np.int8)
    for i, s in enumerate(people):
        m = len(s)
        y[i, :m], seen[i, :m], censored[i, :m] = s.values, 1.0, s.censoring
        law[i, :m] = [place[a] for a in s.analytes]
        y[i, m:], law[i, m:] = s.values[-1], law[i, m - 1]
    return Readings(y, seen, law, censored, tuple(laws)), residual_sizes(record)


def _closed(
    record: PopPkRecord, made: Handles, people: Sequence[TableSubject], everyone: NDArray[np.intp]
) -> StructuralModel | None:
    doses = [s.schedule.doses for s in people]
    if any(d.steady_interval_h for mine in doses for d in mine):
        return None
    if len(record.raw["observable"]) != 1 or record.raw["observable"][0].get("compartment", "central") != "central":
        return None
    given = [d for mine in doses for d in mine]
    oral = [not d.input.endswith(".iv") for d in given]
    what = GivenWays(any(oral), not all(oral), any(d.duration_h > 0.0 for d in given))
    concentration = concentration_of(record.structure, made.parameters, what)
    if concentration is None:
        return None
    n, most = max(len(s) for s in people), max(1, max(map(len, doses)))
    amount, duration, enters = (np.zeros((len(people), most)) for _ in range(3))
    elapsed, scale = np.full((len(people), most, n), -1.0), np.full((len(people), n), _unit(record))
    table = DoseTable(elapsed, amount, duration, enters, scale)
    for i, (s, mine) in enumerate(zip(people, doses, strict=True)):
        for k, d in enumerate(mine):
            ahead = s.times_h - d.time_h
            reaches = (ahead > 0.0) | ((ahead == 0.0) & s.after_dose)
            for reset in s.schedule.reset_times_h:
                reaches &= ~((d.time_h < reset) & (s.times_h >= reset))
            table.elapsed[i, k, : len(s)] = np.where(reaches, ahead, -1.0)
            table.amount[i, k], table.duration[i, k] = d.amount, d.duration_h
            table.oral[i, k] = not d.input.endswith(".iv")
        table.elapsed[i, :, len(s) :] = table.elapsed[i, :, len(s) - 1 : len(s)]
    return closed_form(concentration, [h.name for h in made.handles], table, everyone)


def _unit(record: PopPkRecord) -> float:
    """mg/L -> the unit of the first observable."""
    outputs, observables = observed_of(record, {"central": symbol("concentration")})
    e = next(o.expression for o in outputs if o.name == observables[0].output)
    return e.args[0].value if e.op == "mul" else 1.0


def estimation_model(record: PopPkRecord, made: Handles) -> PatientModel:
    """The model of `record` in symbols of its handles, as the engine runs it."""
    p: dict[str, Any] = dict(made.parameters)
    structure = structure_of(record, p)
    response = response_of(record, p, structure.concentrations["central"])
    outputs, observables = observed_of(record, {**structure.concentrations, **response.outputs})
    block = Block(
        id=record.id,
        version=record.version,
        states=(*structure.states, *response.states),
        parameters=tuple(Parameter(h.name, "1", 0.0) for h in made.handles),
        outputs=outputs,
        inputs=structure.inputs,
        observables=observables,
        routes=routes_of(record, tuple(u.name for u in structure.inputs)),
        covariates=covariates_of(record),
    )
    return compose(record.id, {record.id: block})


def by_engine(record: PopPkRecord, made: Handles, people: Sequence[TableSubject], options: BuildOptions) -> EngineModel:
    """The structural model through the engine."""
    model = estimation_model(record, made)
    system = model.system
    n, segments = max(len(s) for s in people), max(1 + len(s.schedule.change_times_h) for s in people)
    rows = np.zeros((len(people), segments, len(system.parameters)))
    times, after = np.zeros((len(people), n)), np.zeros((len(people), n), bool)
    output = np.zeros((len(people), n), np.intp)
    start, courses = np.zeros(len(people)), []
    for i, s in enumerate(people):
        last, m = float(s.times_h[-1]), len(s)
        inputs = {d.input for d in s.schedule.doses}
        assert inputs <= set(system.input_index), inputs
        changes = tuple(t for t in s.schedule.change_times_h if t <= last)
        courses.append(
            Schedule(
                tuple(d for d in s.schedule.doses if d.time_h <= last),
                changes,
                tuple(t for t in s.schedule.reset_times_h if t <= last),
            )
        )
        for k in range(segments):
            rows[i, k] = model.values(s.covariates[min(k, len(changes))])
        times[i, :m], times[i, m:] = s.times_h, last
        after[i, :m], after[i, m:] = s.after_dose, s.after_dose[-1]
        output[i, :m] = [system.output_index[model.observables[a].output] for a in s.analytes]
        output[i, m:] = output[i, m - 1]
        start[i] = min([0.0, last, float(s.times_h[0]), *(d.time_h for d in s.schedule.doses[:1])])
    names = tuple(f"{record.id}__{h.name}" for h in made.handles)
    columns = np.array([system.parameter_index[name] for name in names], np.intp)
    threads = options.threads or (os.cpu_count() or 1)
    return EngineModel(
        system, rows, tuple(courses), times, after, output, start, names, columns, options.tolerances, threads
    )


def covariate_values(built: BuiltProblem, name: str) -> Floats:
    """First value of one covariate in every subject, (N,)."""
    return np.array([_known(built.record, s)[0][name] for s in built.subjects])
