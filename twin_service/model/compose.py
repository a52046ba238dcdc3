"""Join open blocks into one closed patient model.

States and parameters of block `alias` become `alias__name`, outputs `alias.name`; covariates keep their one shared
name. A wire connects a port to another block's output of the same unit. Open ports, unknown outputs and unit
mismatches are refused (check R4, R5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from scipy.linalg import block_diag

from twin_service.model.structure import Block, Covariate, Observable, PatientModel, Values
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.expression import Expression, substitute, symbol, symbols_of
from twin_service.solver.system import Parameter, System


def compose(
    name: str, blocks: Mapping[str, Block], wires: Mapping[str, str] | None = None, *, version: str = "1"
) -> PatientModel:
    """The patient model of `blocks` (alias -> block) with `wires` ("alias.port" -> "alias.output").

    Raises Refusal naming the port, output or unit at fault.
    """
    renamed = {alias: _prefixed(alias, block) for alias, block in blocks.items()}
    resolved = _resolve(name, renamed, wires or {})
    covariates = _shared_covariates(name, blocks)
    system = System.create(
        name,
        states=tuple(s for b in resolved.values() for s in b.states),
        parameters=tuple(p for b in resolved.values() for p in b.parameters)
        + tuple(Parameter(c.name, c.unit, np.nan if c.default is None else c.default) for c in covariates),
        outputs=tuple(o for b in resolved.values() for o in b.outputs),
        inputs=tuple(u for b in resolved.values() for u in b.inputs),
        events=tuple(e for b in resolved.values() for e in b.events),
    )
    effects = tuple(e for b in resolved.values() for e in b.effects)
    return PatientModel(
        id=name,
        version=version,
        system=system,
        effects=effects,
        omega=_omega(resolved),
        observables=_observables(name, resolved),
        routes=tuple(r for b in resolved.values() for r in b.routes),
        covariates=covariates,
        endpoints=tuple(p for b in resolved.values() for p in b.endpoints),
        individualize=_joined_individualize(blocks),
        warnings=_joined_warnings(blocks, covariates),
        block_versions={b.id: b.version for b in blocks.values()},
    )


def _prefixed(alias: str, block: Block) -> Block:
    """`block` with its own names made unique; port symbols become `alias.port` until `_resolve` replaces them."""
    names = [s.name for s in block.states] + [p.name for p in block.parameters]
    mapping = {n: symbol(f"{alias}__{n}") for n in names}
    mapping |= {port: symbol(f"{alias}.{port}") for port in block.ports}

    def sub(e: Expression) -> Expression:
        return substitute([e], mapping)[0]

    def local(n: str) -> str:
        return f"{alias}__{n}"

    block = block.map(sub)
    return replace(
        block,
        states=tuple(replace(s, name=local(s.name)) for s in block.states),
        parameters=tuple(replace(p, name=local(p.name)) for p in block.parameters),
        outputs=tuple(replace(o, name=f"{alias}.{o.name}") for o in block.outputs),
        inputs=tuple(replace(u, name=f"{alias}.{u.name}", state=local(u.state)) for u in block.inputs),
        events=tuple(
            replace(
                e,
                name=f"{alias}.{e.name}",
                assignments={local(k): v for k, v in e.assignments.items()},
                factors={local(k): v for k, v in e.factors.items()},
            )
            for e in block.events
        ),
        effects=tuple(replace(e, name=local(e.name)) for e in block.effects),
        observables=tuple(replace(o, output=f"{alias}.{o.output}") for o in block.observables),
        routes=tuple(replace(r, input=f"{alias}.{r.input}") for r in block.routes),
        endpoints=tuple(replace(p, output=f"{alias}.{p.output}") for p in block.endpoints),
    )


def _resolve(name: str, blocks: Mapping[str, Block], wires: Mapping[str, str]) -> dict[str, Block]:
    outputs = {o.name: o for b in blocks.values() for o in b.outputs}
    ports = {f"{alias}.{port}": unit for alias, b in blocks.items() for port, unit in b.ports.items()}
    for port in wires:
        if port not in ports:
            raise _refuse(
                f"{name}: wire to {port!r}, which is no port (R4); ports: {', '.join(sorted(ports)) or 'none'}"
            )
    table: dict[str, Expression] = {}
    for port, unit in ports.items():
        source = wires.get(port)
        if source is None:
            raise _refuse(f"{name}: port {port!r} [{unit}] is open (R4); wire it to one of: {', '.join(outputs)}")
        if source not in outputs:
            raise _refuse(
                f"{name}: port {port!r} is wired to {source!r}, which is no output (R4); outputs: {', '.join(outputs)}"
            )
        if outputs[source].unit != unit:
            raise _refuse(f"{name}: port {port!r} expects {unit}, output {source!r} is in {outputs[source].unit} (R5)")
        table[port] = outputs[source].expression
    table = _closed(name, table)

    def sub(e: Expression) -> Expression:
        return substitute([e], table)[0]

    return {alias: b.map(sub) for alias, b in blocks.items()}


def _closed(name: str, table: dict[str, Expression]) -> dict[str, Expression]:
    """`table` with ports inside its own expressions replaced; an algebraic loop between outputs is refused."""
    for _ in range(len(table) + 1):
        open_ports = {p for e in table.values() for p in symbols_of([e]) if p in table}
        if not open_ports:
            return table
        table = {port: substitute([e], table)[0] for port, e in table.items()}
    raise _refuse(
        f"{name}: algebraic loop through the ports {', '.join(sorted(open_ports))}; "
        "break it with a state (an effect compartment, an enzyme pool)"
    )


def _omega(blocks: Mapping[str, Block]) -> np.ndarray:
    parts = [
        np.diag([e.variance for e in b.effects]) if b.omega is None else np.asarray(b.omega, dtype=np.float64)
        for b in blocks.values()
        if b.effects
    ]
    return np.asarray(block_diag(*parts)) if parts else np.zeros((0, 0))


def _observables(name: str, blocks: Mapping[str, Block]) -> dict[str, Observable]:
    found: dict[str, Observable] = {}
    for b in blocks.values():
        for o in b.observables:
            if o.analyte in found:
                raise _refuse(f"{name}: two blocks predict {o.analyte!r}; keep one of them")
            found[o.analyte] = o
    return found


def _shared_covariates(name: str, blocks: Mapping[str, Block]) -> tuple[Covariate, ...]:
    """One covariate a name: the narrowest limits, required if any block requires it."""
    merged: dict[str, Covariate] = {}
    for b in blocks.values():
        for c in b.covariates:
            old = merged.get(c.name)
            if old is not None and old.unit != c.unit:
                raise _refuse(f"{name}: covariate {c.name} is in {old.unit} and in {c.unit} (R5)")
            merged[c.name] = (
                c
                if old is None
                else replace(
                    old,
                    default=_shared_default(old, c),
                    low=max(old.low, c.low),
                    high=min(old.high, c.high),
                    caution_low=max(old.caution_low, c.caution_low),
                    caution_high=min(old.caution_high, c.caution_high),
                )
            )
    return tuple(merged.values())


def _shared_default(a: Covariate, b: Covariate) -> float | None:
    """Required if either requires it. A block may use a default outside another's domain to say "not measured"; the
    default that both can use is then the one for all, so that no two blocks assume different patients."""
    if a.default is None or b.default is None:
        return None
    low, high = max(a.low, b.low), min(a.high, b.high)
    return next((d for d in (a.default, b.default) if low <= d <= high), a.default)


def _joined_individualize(blocks: Mapping[str, Block]) -> Callable[[Values], dict[str, float]]:
    functions = [(alias, b.individualize) for alias, b in blocks.items() if b.individualize is not None]

    def individualize(covariates: Values) -> dict[str, float]:
        return {f"{alias}__{k}": v for alias, f in functions for k, v in f(covariates).items()}

    return individualize


def _joined_warnings(blocks: Mapping[str, Block], covariates: tuple[Covariate, ...]) -> Callable[[Values], list[str]]:
    functions = [b.warnings for b in blocks.values() if b.warnings is not None]

    def warnings(values: Values) -> list[str]:
        near = [
            f"{c.name} = {values[c.name]:g} {c.unit} is near the edge of what the model was built for "
            f"({c.caution_low:g} to {c.caution_high:g})"
            for c in covariates
            if c.name in values and not c.caution_low <= values[c.name] <= c.caution_high
        ]
        return near + [w for f in functions for w in f(values)]

    return warnings


def _refuse(message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field="model", reason="MODEL_DOES_NOT_COMPOSE")
