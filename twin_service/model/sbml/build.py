"""From a draft to a System: amounts of species and everything with a rate rule integrate; all else is a parameter."""

from __future__ import annotations

import math
from pathlib import Path

from twin_service.model.sbml.algebra import solve_algebraic
from twin_service.model.sbml.collect import collect, has_literal_nonfinite
from twin_service.model.sbml.document import open_file
from twin_service.model.sbml.record import Draft, Happening, SbmlModel, SbmlQuantity
from twin_service.model.sbml.refusal import refuse
from twin_service.model.sbml.resolve import Motion, Resolver, Starts
from twin_service.solver.evaluate import scalar_function
from twin_service.solver.expression import Expression, constant, symbol, symbols_of
from twin_service.solver.system import Output, Parameter, StateEvent, System, SystemState

_ZERO = constant(0.0)


def load(path: str | Path, *, strict_units: bool = False) -> SbmlModel:
    """The model in an SBML file, Level 2 or 3, ready to solve.

    Raises Refusal naming the file, the element, the cause and the remedy. Contradictory units are warnings, or a
    refusal when `strict_units`.
    """
    opened = open_file(Path(path), strict_units=strict_units)
    draft = collect(opened)
    solved = solve_algebraic(draft)
    resolver = Resolver(draft, solved)
    motion = Motion(resolver, _rates(draft, resolver))
    system = _system(draft, motion)
    moving = {s.name for s in system.states} | {n for e in system.events for n in e.assignments} | {"time"}
    varying = tuple(n for n in draft.quantities if symbols_of([motion.finish(resolver.value(n))]) & moving)
    return SbmlModel(
        draft.file,
        system,
        draft.quantities,
        varying,
        tuple(r.id for r in draft.reactions),
        opened.warnings,
        has_literal_nonfinite(draft),
    )


def _rates(draft: Draft, resolver: Resolver) -> dict[str, Expression]:
    """The rate of every base symbol that integrates; of species, in amount per time."""
    rates = {name: _by_rule(draft.quantities[name], raw, resolver) for name, raw in draft.rates.items()}
    for reaction in draft.reactions:
        if reaction.rate is None:
            continue
        speed = resolver.value(reaction.id)
        for part in reaction.parts:
            species = draft.quantities[part.species]
            if species.boundary or species.constant or part.species in draft.rates or part.species in draft.assigned:
                continue
            stoichiometry = resolver.formula(part.stoichiometry, f"reaction {reaction.id}")
            _need(draft, stoichiometry, reaction.id, part.species)
            change = (stoichiometry if part.sign > 0 else -stoichiometry) * speed
            if part.species in draft.factors:
                change = resolver.formula(draft.factors[part.species], f"species {part.species}") * change
            rates[part.species] = rates.get(part.species, _ZERO) + change
    return rates


def _need(draft: Draft, stoichiometry: Expression, reaction: str, species: str) -> None:
    if stoichiometry.op == "const" and not math.isfinite(stoichiometry.value):
        raise refuse(draft.file, f"reaction {reaction}", f"gives no stoichiometry for {species}", "set it")


def _by_rule(quantity: SbmlQuantity, raw: Expression, resolver: Resolver) -> Expression:
    """d amount/dt = V d concentration/dt + concentration dV/dt."""
    rate = resolver.formula(raw, f"rule of {quantity.id}")
    if quantity.kind != "species" or quantity.by_amount:
        return rate
    size = resolver.value(quantity.compartment)
    return rate * size + resolver.value(quantity.id) * symbol(f"rateOf {quantity.compartment}")


def _system(draft: Draft, motion: Motion) -> System:
    resolver = motion.resolver
    base = [q for q in draft.quantities.values() if symbol(q.id) is _base_of(q, resolver)]
    moving = {q.id for q in base if q.id in motion.rates}
    states, parameters = [q for q in base if q.id in moving], [q for q in base if q.id not in moving]
    closed = Starts(motion, lambda name: False)
    held = {q.id for q in parameters} | set(draft.local)
    kept = Starts(motion, held.__contains__)
    return System.create(
        draft.name,
        states=tuple(SystemState(q.id, q.unit, motion.finish(motion.rates[q.id]), kept.own(q.id)) for q in states),
        parameters=tuple(
            [Parameter(q.id, q.unit, _number(draft, q.id, closed.own(q.id))) for q in parameters]
            + [Parameter(n, "", v) for n, v in draft.local.items()]
        ),
        outputs=tuple(_outputs(draft, motion)),
        events=tuple(_event(h, draft, motion) for h in draft.happenings),
    )


def _base_of(quantity: SbmlQuantity, resolver: Resolver) -> Expression | None:
    """The symbol that stands for a quantity that no rule determines."""
    value = resolver.value(quantity.id)
    if quantity.id in resolver.draft.assigned or quantity.id in resolver.solved:
        return None
    return symbol(quantity.id) if quantity.kind == "species" else value


def _number(draft: Draft, name: str, value: Expression) -> float:
    unknown = symbols_of([value])
    if unknown:
        raise refuse(draft.file, f"initial value of {name}", f"uses {sorted(unknown)[0]!r}", "correct the formula")
    number = float(scalar_function([value], [])()[0])
    if value.op != "const" and not math.isfinite(number) and name in draft.starts and not has_literal_nonfinite(draft):
        raise refuse(
            draft.file,
            f"initial assignment of {name}",
            f"gives {number}: a division by zero or a function outside its domain at the start",
            "correct the formula or the values it uses",
            reason="SBML_NOT_FINITE",
        )
    return number


def _outputs(draft: Draft, motion: Motion) -> list[Output]:
    resolver = motion.resolver
    outputs = [Output(q.id, q.unit, motion.finish(resolver.value(q.id))) for q in draft.quantities.values()]
    for q in draft.quantities.values():
        if q.kind == "species":
            outputs.append(Output(f"amount {q.id}", q.unit, motion.finish(resolver.amount(q.id))))
            outputs.append(Output(f"concentration {q.id}", q.unit, motion.finish(resolver.concentration(q.id))))
    outputs += [Output(r.id, "", motion.finish(resolver.value(r.id))) for r in draft.reactions]
    return outputs


def _event(h: Happening, draft: Draft, motion: Motion) -> StateEvent:
    owner = f"event {h.id}"

    def resolved(raw: Expression) -> Expression:
        return motion.finish(motion.resolver.formula(raw, owner))

    assignments, factors = {}, {}
    for name, raw in h.assignments:
        quantity = draft.quantities[name]
        if quantity.constant or name in draft.assigned or name in motion.resolver.solved:
            raise refuse(
                draft.file,
                owner,
                f"assigns {name}, which is constant or determined by a rule",
                "let it vary or remove the assignment",
            )
        assignments[name] = resolved(raw)
        if quantity.kind == "species" and not quantity.by_amount:
            factors[name] = motion.finish(motion.resolver.value(quantity.compartment))
    return StateEvent(
        h.id,
        resolved(h.trigger),
        assignments,
        resolved(h.delay),
        None if h.priority is None else resolved(h.priority),
        h.persistent,
        h.initially_true,
        h.values_at_trigger,
        factors,
    )
