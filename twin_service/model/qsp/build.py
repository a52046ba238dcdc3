"""From a QSP file to a `Block`: the law is called once with symbols, its parameters made individual.

    theta_i = theta exp(eta)                                log
    theta_i = low + (high - low) expit(logit(x) + eta)      logit, x = (theta - low)/(high - low)
    theta_i = theta + eta                                   none

each times the product of its covariate laws (before the effect, at the typical value).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from twin_service.model.domain import DomainSpan, narrowed, read_domain, with_dose_domain
from twin_service.model.library.endpoint import endpoint_of
from twin_service.model.library.findings import hinted
from twin_service.model.library.tables import CovariateTable, EffectObservable, RouteTable
from twin_service.model.qsp.law import Equations, Names
from twin_service.model.qsp.record import CovariateEffect, LawParameter, QspRecord, block_files, read_block_file
from twin_service.model.structure import Block, Covariate, DoseRoute, Effect, ErrorLaw, Observable
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver import functions as fn
from twin_service.solver.expression import TIME, expression, symbol
from twin_service.solver.system import ONE, ZERO, Input, Output, Parameter, SystemState


def list_blocks(library_dir: Path | None = None) -> list[str]:
    """Ids of all QSP blocks in the library."""
    return list(block_files(library_dir))


def build_block(
    block_id: str, library_dir: Path | None = None, *, parameters: Mapping[str, float] | None = None
) -> Block:
    """The open block `block_id`; `parameters` replaces typical values (in the law's units), inside their bounds.

    Raises Refusal for an unknown block or parameter, or a value outside its bounds.
    """
    return block_of(with_values(read_block_file(block_id, library_dir), parameters or {}))


def wiring(block_id: str, library_dir: Path | None = None) -> dict[str, dict[str, str]]:
    """For each port: its unit, and which output (`wire`) of which `drug` the published numbers belong to.

    `wire` "" marks a port that no drug concentration feeds (an exposure, a dose, interleukin-6, an inhibition);
    `default` is the level it has when nothing is wired. `molar_mass` (g/mol, "" if unknown) turns mass into amount.
    """
    record = read_block_file(block_id, library_dir)
    mass = f"{record.file.molar_mass.value:.15g}" if record.file.molar_mass else ""
    return {
        p.name: {
            "unit": p.unit,
            "wire": p.wire,
            "drug": p.drug,
            "note": p.note,
            "default": repr(p.default),
            "molar_mass": mass,
        }
        for p in record.ports
    }


def block_of(record: QspRecord) -> Block:
    """The `Block` of a parsed file."""
    law, file = record.law, record.file
    said = law.equations(*_symbols(record), TIME)
    _check_names(record, said)
    effects, omega = _effects(record)
    domain = _domain(record)
    return Block(
        id=record.id,
        version=record.version,
        states=tuple(
            SystemState(n, u, expression(said.rates[n]), expression(said.initial[n]), law.smallest.get(n, 1e-8))
            for n, u in law.states.items()
        ),
        parameters=tuple(Parameter(p.name, p.unit, p.value) for p in record.parameters)
        + tuple(Parameter(e.name, "1", 0.0) for e in effects),
        outputs=tuple(Output(n, u, expression(said.outputs[n])) for n, u in law.outputs.items()),
        inputs=tuple(_input(n, s, u, said) for n, (s, u) in law.inputs.items()),
        ports=dict(law.ports),
        effects=effects,
        omega=omega,
        observables=tuple(_observable(o, record) for o in file.observable),
        routes=tuple(_route(r, domain) for r in file.route),
        covariates=tuple(narrowed(_covariate(c), domain) for c in file.covariate),
        endpoints=tuple(endpoint_of(e, law.outputs, partial(_refuse, record)) for e in file.endpoint),
    )


def with_values(record: QspRecord, values: Mapping[str, float]) -> QspRecord:
    """`record` with other typical values, in the law's units; refused outside their bounds."""
    known = {q.name: q for q in record.parameters}
    for name, value in values.items():
        if name not in known:
            raise _refuse(record, f"parameter {name!r} is unknown; known: {', '.join(known)}")
        if not known[name].low <= value <= known[name].high:
            raise Refusal(
                RefusalCode.OUT_OF_RANGE,
                f"{record.where} parameters.{name}: {value:g} {known[name].unit} is outside its bounds "
                f"{known[name].low:g} to {known[name].high:g}",
                field=f"parameters.{name}",
                reason="PARAMETER_OUT_OF_BOUNDS",
            )
    changed = tuple(replace(q, value=float(values.get(q.name, q.value))) for q in record.parameters)
    return replace(record, parameters=changed)


def individual(parameter: LawParameter, typical: Any, eta: Any) -> Any:
    """The individual value of a parameter with typical value `typical` and random effect `eta`."""
    if parameter.transform == "log":
        return typical * fn.exp(eta)
    if parameter.transform == "none":
        return typical + eta
    share = (typical - parameter.low) / (parameter.high - parameter.low)
    return parameter.low + (parameter.high - parameter.low) / (1 + (1 - share) / share * fn.exp(-eta))


def covariate_factor(effect: CovariateEffect, x: Any) -> Any:
    """The factor by which covariate value `x` changes a typical value."""
    k, x0 = effect.coefficients, effect.reference
    return _FACTORS[effect.law](x, k, x0)


_FACTORS: Final[Mapping[str, Callable[[Any, tuple[float, ...], float], Any]]] = {
    "power": lambda x, k, x0: (x / x0) ** k[0],
    "linear": lambda x, k, x0: 1 + k[0] * (x - x0),
    "fraction": lambda x, k, x0: 1 + k[0] * x,
    "broken_line": lambda x, k, x0: 1 + fn.where(x < x0, k[0], k[1]) * (x - x0),
}


def _symbols(record: QspRecord) -> tuple[Names, Names, Names]:
    law = record.law
    known = {c.name: _known(c) for c in record.file.covariate}
    p: dict[str, Any] = {name: known.get(name, symbol(name)) for name in law.covariates}
    for q in record.parameters:
        value: Any = symbol(q.name)
        for effect in record.covariate_effects:
            if effect.parameter == q.name:
                value = value * covariate_factor(effect, known[effect.covariate])
        p[q.name] = value if q.transform == "fixed" else individual(q, value, symbol(f"eta_{q.name}"))
    return Names(**{n: symbol(n) for n in law.states}), Names(**p), Names(**{n: symbol(n) for n in law.ports})


def _known(covariate: CovariateTable) -> Any:
    """The covariate, or its default where another block's default of 0 says that nobody measured it."""
    x, low = symbol(covariate.name), covariate.limits[0] if covariate.limits else 0.0
    return fn.where(x > 0.0, x, covariate.default) if low > 0 and covariate.default is not None else x


def _effects(record: QspRecord) -> tuple[tuple[Effect, ...], np.ndarray | None]:
    varied = [q for q in record.parameters if q.transform != "fixed"]
    effects = tuple(Effect(f"eta_{q.name}", q.variance, q.name, drift_per_h=q.drift_per_h) for q in varied)
    if not record.file.covariance:
        return effects, None
    omega = np.diag([q.variance for q in varied])
    names = [q.name for q in varied]
    for c in record.file.covariance:
        strange = [n for n in c.between if n not in names]
        if strange:
            raise _refuse(record, f"covariance of {strange[0]}: no such effect{hinted(strange[0], names)} (R4)")
        i, j = (names.index(n) for n in c.between)
        omega[i, j] = omega[j, i] = c.value
    return effects, omega


def _input(name: str, state: str, unit: str, said: Equations) -> Input:
    duration = said.duration.get(name)
    return Input(
        name,
        unit,
        state,
        expression(said.bioavailability.get(name, ONE)),
        expression(said.lag.get(name, ZERO)),
        None if duration is None else expression(duration),
    )


def _observable(o: EffectObservable, record: QspRecord) -> Observable:
    _expect_output(record, "observable", o.analyte, o.output, o.unit)
    error = ErrorLaw(o.error.additive, o.error.proportional, o.error.kind, o.error.power)
    return Observable(o.analyte, o.output, o.unit, error, o.title, o.lower_limit, o.upper_limit)


def _expect_output(record: QspRecord, kind: str, name: str, output: str, unit: str) -> None:
    outputs = record.law.outputs
    if output not in outputs:
        raise _refuse(record, f"{kind} {name}: output {output!r} is unknown (R4); known: {', '.join(outputs)}")
    if outputs[output] != unit:
        raise _refuse(record, f"{kind} {name}: unit {unit!r}, but output {output} is in {outputs[output]} (R5)")


def _domain(record: QspRecord) -> dict[str, DomainSpan]:
    """The spans of `[domain]`: any covariate the file declares, and dose_mg of its routes."""

    def fault(place: str, message: str) -> None:
        raise _refuse(record, f"{place}: {message}")

    names = [c.name for c in record.file.covariate]
    return read_domain({"domain": record.file.domain}, (*names, "dose_mg"), fault)


def _route(r: RouteTable, domain: Mapping[str, DomainSpan]) -> DoseRoute:
    return with_dose_domain(DoseRoute(r.drug, r.route, r.input, r.units_per_mg), domain)


def _covariate(c: CovariateTable) -> Covariate:
    low, high = c.limits or (-np.inf, np.inf)
    caution_low, caution_high = c.caution or (-np.inf, np.inf)
    return Covariate(c.name, c.unit, c.default, low, high, caution_low, caution_high)


def _check_names(record: QspRecord, said: Equations) -> None:
    law = record.law
    for title, got, want in (
        ("rates", said.rates, law.states),
        ("initial", said.initial, law.states),
        ("outputs", said.outputs, law.outputs),
    ):
        assert set(got) == set(want), f"law {law.id}: {title} {sorted(got)} do not match {sorted(want)}"
    symbols = [*law.states, *law.parameters, *law.ports, *law.covariates]
    assert len(set(symbols)) == len(symbols), f"law {law.id}: a name stands for two things"
    known = {c.name: c.unit for c in record.file.covariate}
    for name, unit in law.covariates.items():
        if known.get(name) != unit:
            raise _refuse(record, f"law {law.id} needs the covariate {name} in {unit} (R4); declare it")


def _refuse(record: QspRecord, message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, f"{record.where}: {message}", field=record.where, reason="BAD_LIBRARY_FILE")
