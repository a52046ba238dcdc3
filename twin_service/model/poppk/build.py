"""From a population PK file to a `Block`: typical values become individual ones, structures become states.

    TV_i = value * law(x_i) [or + law(x_i)] in the order of the file
    P_i = TV_i exp(eta) | TV_i (1 + eta) | TV_i + eta | expit(logit(TV_i) + eta)

Occasion effects are one effect per occasion, chosen by the covariate `occasion`; a forecast for an occasion that has
no effect of its own sees 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from twin_service.model.domain import DomainSpan, narrowed, read_domain, with_dose_domain
from twin_service.model.library.endpoint import endpoint_of
from twin_service.model.library.findings import hinted
from twin_service.model.library.tables import PopulationObservable
from twin_service.model.poppk.covariates import DERIVED, LAWS
from twin_service.model.poppk.record import (
    EffectRecord,
    PopPkRecord,
    TypicalParameter,
    effects_of,
    model_files,
    omega,
    read_model,
    refuse,
)
from twin_service.model.poppk.responses import response_of
from twin_service.model.poppk.structures import structure_of
from twin_service.model.structure import Block, Covariate, DoseRoute, Effect, ErrorLaw, Observable
from twin_service.solver import functions as fn
from twin_service.solver.expression import Expression, expression, symbol
from twin_service.solver.system import Output, Parameter
from twin_service.units import UnitError, conversion


def list_poppk(library_dir: Path | None = None) -> list[str]:
    """Ids of all population PK models in the library."""
    return list(model_files(library_dir))


def build_poppk(model: str | PopPkRecord, library_dir: Path | None = None) -> Block:
    """The block of a library id or of a parsed record. Raises Refusal for an unknown id or a faulty file."""
    record = read_model(model, library_dir) if isinstance(model, str) else model
    p = ParametersUsed(individual_parameters(record))
    structure = structure_of(record, p)
    response = response_of(record, p, structure.concentrations["central"])
    _refuse_unused(record, p)
    concentrations = {**structure.concentrations, **response.outputs}
    outputs, observables = observed_of(record, concentrations)
    units = {o.name: o.unit for o in outputs}
    return Block(
        id=record.id,
        version=record.version,
        states=(*structure.states, *response.states),
        parameters=tuple(Parameter(q.name, q.unit, q.value) for q in record.parameters.values())
        + tuple(Parameter(e.name, "1", 0.0) for e in _effects(record)),
        outputs=outputs,
        inputs=structure.inputs,
        effects=_effects(record),
        omega=_omega(record),
        observables=observables,
        routes=routes_of(record, tuple(u.name for u in structure.inputs)),
        covariates=covariates_of(record),
        endpoints=tuple(endpoint_of(e, units, partial(refuse, record.where)) for e in record.file.endpoint),
        warnings=None if not record.file.note_to_user else lambda _: [record.file.note_to_user],
    )


class ParametersUsed(Mapping[str, Expression]):
    """Parameters by name, remembering which were used and which were looked for."""

    def __init__(self, values: Mapping[str, Expression]) -> None:
        self._values, self.used, self.sought = values, set[str](), set[str]()

    def __getitem__(self, name: str) -> Expression:
        self.sought.add(name)
        value = self._values[name]
        self.used.add(name)
        return value

    def __contains__(self, name: object) -> bool:
        self.sought.add(str(name))
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _refuse_unused(record: PopPkRecord, p: ParametersUsed) -> None:
    """A parameter that no law of the file's structure reads would change nothing: most likely a misspelled name."""
    unused = [n for n in p if n not in p.used]
    if unused:
        known = p.sought | p.used
        lines = (f"parameters.{n}: nothing in this structure uses it{hinted(n, known)} (R10)" for n in unused)
        raise refuse(record.where, f"\n{record.where}: ".join(lines))


def individual_parameters(record: PopPkRecord) -> dict[str, Expression]:
    """Name -> expression of covariates and effects, for every parameter of the file."""
    covariates: dict[str, Any] = {c.name: symbol(c.name) for c in record.file.covariate}
    for name in record.file.derived:
        covariates[name] = DERIVED[name][0](covariates)
    return {n: expression(_individual(q, covariates)) for n, q in record.parameters.items()}


def _individual(q: TypicalParameter, covariates: Mapping[str, Any]) -> Any:
    typical: Any = symbol(q.name)
    for term in q.terms:
        value = LAWS[term.law](covariates[term.covariate], term.coefficient, term.reference)
        typical = typical + value if term.adds else typical * value
    return typical if q.effect is None else _varied(typical, q.effect)


def _varied(typical: Any, e: EffectRecord) -> Any:
    eta = e.scale * symbol(f"eta_{e.name}")
    for k in range(1, e.occasions + 1):
        eta = eta + fn.where(fn.equal(symbol("occasion"), float(k)), symbol(f"eta_{e.name}_occasion{k}"), 0.0)
    return _VARIED[e.kind](typical, eta, e.shape)


def _logit(typical: Any, eta: Any, shape: float) -> Any:
    return 1.0 / (1.0 + (1.0 - typical) / typical * fn.exp(-eta))


# kind of random effect -> individual value from (typical value, eta, shape)
_VARIED: Final[Mapping[str, Callable[[Any, Any, float], Any]]] = {
    "exponential": lambda typical, eta, shape: typical * fn.exp(eta),
    "proportional": lambda typical, eta, shape: typical * (1.0 + eta),
    "additive": lambda typical, eta, shape: typical + eta,
    "logit": _logit,
    "boxcox_logit": lambda typical, eta, shape: _logit(typical, (fn.exp(shape * eta) - 1.0) / shape, shape),
}


def _effects(record: PopPkRecord) -> tuple[Effect, ...]:
    effects = effects_of(record)
    between = [Effect(f"eta_{n}", e.variance, n, drift_per_h=e.drift_per_h) for n, e in effects.items()]
    within = [
        Effect(f"eta_{n}_occasion{k}", e.occasion_variance, f"{n}, occasion {k}", occasion=True)
        for n, e in effects.items()
        for k in range(1, e.occasions + 1)
    ]
    return (*between, *within)


def _omega(record: PopPkRecord) -> np.ndarray | None:
    between, all_effects = omega(record), _effects(record)
    full = np.diag([e.variance for e in all_effects])
    full[: len(between), : len(between)] = between
    return full if len(all_effects) else None


def observed_of(
    record: PopPkRecord, known: Mapping[str, Expression]
) -> tuple[tuple[Output, ...], tuple[Observable, ...]]:
    """Outputs in mg/L (or the response's unit), and one more for each observable in another unit."""
    response = record.structure.response
    of_response = response.unit if response is not None else "1"
    outputs = {n: Output(n, of_response if n == "response" else "mg/L", e) for n, e in known.items()}
    observables = []
    for o in record.file.observable:
        compartment, unit = o.compartment, o.unit
        if compartment not in outputs:
            raise refuse(
                record.where,
                f"observable {o.analyte}: compartment {compartment!r} is unknown (R4); known: {', '.join(outputs)}",
            )
        name = compartment
        if unit != outputs[compartment].unit:
            scale = _scale(record, o)
            name = f"{compartment}_{unit.replace('/', '_per_')}"
            outputs[name] = Output(name, unit, scale * known[compartment])
        error = ErrorLaw(o.error.additive, o.error.proportional, o.error.kind, o.error.power)
        observables.append(Observable(o.analyte, name, unit, error, o.title, o.lower_limit, o.upper_limit))
    return tuple(outputs.values()), tuple(observables)


def _scale(record: PopPkRecord, o: PopulationObservable) -> float:
    """mg/L -> the observable's unit."""
    try:
        return conversion("mg/L", o.unit, o.molar_mass_g_mol)
    except UnitError as error:
        raise refuse(
            record.where, f"observable {o.analyte}: {error} (R5); an amount of substance needs molar_mass_g_mol"
        ) from None


def routes_of(record: PopPkRecord, inputs: tuple[str, ...]) -> tuple[DoseRoute, ...]:
    """Which routes the publication supports: `routes` of the file, by default every input."""
    wanted = tuple(inputs if record.file.routes is None else record.file.routes)
    unknown = [r for r in wanted if r not in inputs]
    if unknown:
        raise refuse(record.where, f"route {unknown[0]!r} has no input (R4); inputs: {', '.join(inputs)}")
    units_per_mg = record.file.units_per_mg
    domain = domain_of(record)
    return tuple(with_dose_domain(DoseRoute(record.drug, r, r, units_per_mg), domain) for r in wanted)


def domain_of(record: PopPkRecord) -> dict[str, DomainSpan]:
    """The spans of `[domain]`: any covariate the file declares, and dose_mg. Refusal for a faulty one."""

    def fault(place: str, message: str) -> None:
        raise refuse(record.where, f"{place}: {message}")

    names = [c.name for c in record.file.covariate]
    return read_domain({"domain": record.file.domain}, (*names, "dose_mg"), fault)


def covariates_of(record: PopPkRecord) -> tuple[Covariate, ...]:
    found, domain = [], domain_of(record)
    for c in record.file.covariate:
        low, high = c.limits or (-np.inf, np.inf)
        caution = c.caution or (low, high)
        said = Covariate(c.name, c.unit, c.default, low, high, caution[0], caution[1])
        found.append(narrowed(said, domain))
    if any(e.occasions for e in effects_of(record).values()):
        found.append(Covariate("occasion", "1", 0.0, 0.0))
    return tuple(found)
