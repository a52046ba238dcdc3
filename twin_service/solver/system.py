"""The contract every model meets: a `System` of ordinary differential equations with doses, outputs and events.

    dy/dt = f(t, y, p)      y(start) = y0(p)      outputs g(t, y, p)

Symbols in the expressions are state names, parameter names and `time`. Random effects and covariates are parameters
like any other: an individual clearance is an expression of a typical value, a covariate and an effect, so one graph
gives solutions and exact derivatives with respect to all of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from twin_service.solver.expression import Expression, Packed, constant, pack, symbols_of, unpack, walk

ONE = constant(1.0)
ZERO = constant(0.0)


@dataclass(frozen=True)
class SystemState:
    """A quantity that integrates. `initial` may use parameters; `atol` is its absolute tolerance in its own unit."""

    name: str
    unit: str
    rate: Expression
    initial: Expression = ZERO
    atol: float = 1e-8


@dataclass(frozen=True)
class Parameter:
    """A number that differs between patients or segments of time; `value` is its default."""

    name: str
    unit: str
    value: float


@dataclass(frozen=True)
class Output:
    """A named quantity computed from states, parameters and time."""

    name: str
    unit: str
    expression: Expression


@dataclass(frozen=True)
class Input:
    """A place where doses enter: `amount * bioavailability` goes into `state` at `time + lag`.

    Doses with a duration are infused at a constant rate. `duration` (h), when given, is a modelled duration that
    replaces the dose's own (zero-order absorption).
    """

    name: str
    unit: str
    state: str
    bioavailability: Expression = ONE
    lag: Expression = ZERO
    duration: Expression | None = None


@dataclass(frozen=True)
class StateEvent:
    """When `trigger` turns true, each named state or parameter takes its new value after `delay` (h).

    A target in `factors` is multiplied by its factor as it is when the event executes, before any of its assignments:
    a concentration becomes an amount by the volume of that moment.
    """

    name: str
    trigger: Expression
    assignments: Mapping[str, Expression]
    delay: Expression = ZERO
    priority: Expression | None = None
    persistent: bool = True
    initially_true: bool = True
    values_at_trigger: bool = True
    factors: Mapping[str, Expression] = field(default_factory=dict)


@dataclass(frozen=True)
class System:
    """A closed model, ready to solve. `create` checks it; the constructor trusts its caller."""

    name: str
    states: tuple[SystemState, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...] = ()
    inputs: tuple[Input, ...] = ()
    events: tuple[StateEvent, ...] = field(default=())

    @classmethod
    def create(
        cls,
        name: str,
        *,
        states: tuple[SystemState, ...],
        parameters: tuple[Parameter, ...],
        outputs: tuple[Output, ...] = (),
        inputs: tuple[Input, ...] = (),
        events: tuple[StateEvent, ...] = (),
    ) -> System:
        """A checked system. Raises ValueError naming the system, the element and the fault."""
        system = cls(name, states, parameters, outputs, inputs, events)
        _check(system)
        return system

    def __reduce__(self) -> tuple[object, ...]:
        # Pickle follows a graph by recursion and gives up on long sums; a flat list of nodes has no depth.
        packed, places = pack(_roots(self))
        return (_restored, (packed, places, _mapped(self, lambda _: ZERO)))

    @cached_property
    def state_index(self) -> dict[str, int]:
        return {s.name: i for i, s in enumerate(self.states)}

    @cached_property
    def parameter_index(self) -> dict[str, int]:
        return {p.name: i for i, p in enumerate(self.parameters)}

    @cached_property
    def output_index(self) -> dict[str, int]:
        return {o.name: i for i, o in enumerate(self.outputs)}

    @cached_property
    def input_index(self) -> dict[str, int]:
        return {u.name: i for i, u in enumerate(self.inputs)}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything that decides a solution: names, units, defaults and the whole expression graph."""
        h = hashlib.sha256()
        h.update(self.name.encode())
        number: dict[int, int] = {}
        for i, node in enumerate(walk(_roots(self))):
            number[id(node)] = i
            args = ",".join(str(number[id(a)]) for a in node.args)
            h.update(f"{node.op}({args}){node.value.hex()}{node.name};".encode())
        for s in self.states:
            h.update(f"S{s.name}|{s.unit}|{number[id(s.rate)]}|{number[id(s.initial)]}|{s.atol.hex()};".encode())
        for p in self.parameters:
            h.update(f"P{p.name}|{p.unit}|{float(p.value).hex()};".encode())
        for o in self.outputs:
            h.update(f"O{o.name}|{o.unit}|{number[id(o.expression)]};".encode())
        for u in self.inputs:
            duration = "" if u.duration is None else number[id(u.duration)]
            h.update(
                f"I{u.name}|{u.unit}|{u.state}|{number[id(u.bioavailability)]}|{number[id(u.lag)]}|{duration};".encode()
            )
        for e in self.events:
            targets = ",".join(f"{k}={number[id(v)]}" for k, v in [*e.assignments.items(), *e.factors.items()])
            priority = "" if e.priority is None else number[id(e.priority)]
            h.update(
                f"E{e.name}|{number[id(e.trigger)]}|{targets}|{number[id(e.delay)]}|{priority}|"
                f"{e.persistent}{e.initially_true}{e.values_at_trigger};".encode()
            )
        return h.hexdigest()


def _roots(system: System) -> list[Expression]:
    roots = [s.rate for s in system.states] + [s.initial for s in system.states]
    roots += [o.expression for o in system.outputs]
    for u in system.inputs:
        roots += [u.bioavailability, u.lag] + ([u.duration] if u.duration is not None else [])
    for e in system.events:
        roots += [e.trigger, e.delay, *e.assignments.values(), *e.factors.values()]
        roots += [e.priority] if e.priority is not None else []
    return roots


Fields = tuple[
    str, tuple[SystemState, ...], tuple[Parameter, ...], tuple[Output, ...], tuple[Input, ...], tuple[StateEvent, ...]
]


def _mapped(system: System, f: Callable[[Expression], Expression]) -> Fields:
    """The fields of `system` with `f` applied to every expression, in the order of `_roots`."""
    rates = [f(s.rate) for s in system.states]
    states = tuple(replace(s, rate=r, initial=f(s.initial)) for s, r in zip(system.states, rates, strict=True))
    outputs = tuple(replace(o, expression=f(o.expression)) for o in system.outputs)
    inputs = tuple(
        replace(
            u,
            bioavailability=f(u.bioavailability),
            lag=f(u.lag),
            duration=f(u.duration) if u.duration is not None else None,
        )
        for u in system.inputs
    )
    events = tuple(
        replace(
            e,
            trigger=f(e.trigger),
            delay=f(e.delay),
            assignments={k: f(v) for k, v in e.assignments.items()},
            factors={k: f(v) for k, v in e.factors.items()},
            priority=f(e.priority) if e.priority is not None else None,
        )
        for e in system.events
    )
    return system.name, states, system.parameters, outputs, inputs, events


def _restored(packed: Packed, places: list[int], fields: Fields) -> System:
    nodes = unpack(packed)
    following = iter(places)
    return System(*_mapped(System(*fields), lambda _: nodes[next(following)]))


def _check(system: System) -> None:
    names = [s.name for s in system.states] + [p.name for p in system.parameters]
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ValueError(f"system {system.name!r}: {', '.join(twice)} named more than once; rename one of them")
    known = set(names) | {"time"}
    for label, root in _labelled(system):
        unknown = sorted(symbols_of([root]) - known)
        if unknown:
            raise ValueError(
                f"system {system.name!r}, {label}: {', '.join(unknown)} is neither a state nor a "
                "parameter; declare it or correct the name"
            )
    for s in system.states:
        wrong = sorted(symbols_of([s.initial]) & set(system.state_index))
        if wrong:
            raise ValueError(
                f"system {system.name!r}, initial value of {s.name}: uses the state {wrong[0]}; "
                "initial values may use parameters only"
            )
    for u in system.inputs:
        if u.state not in system.state_index:
            raise ValueError(f"system {system.name!r}, input {u.name}: no state {u.state!r}")
    for e in system.events:
        for target in e.assignments:
            if target not in known:
                raise ValueError(f"system {system.name!r}, event {e.name}: no state or parameter {target!r}")


def _labelled(system: System) -> list[tuple[str, Expression]]:
    pairs = [(f"rate of {s.name}", s.rate) for s in system.states]
    pairs += [(f"initial value of {s.name}", s.initial) for s in system.states]
    pairs += [(f"output {o.name}", o.expression) for o in system.outputs]
    for u in system.inputs:
        pairs += [(f"bioavailability of input {u.name}", u.bioavailability), (f"lag of input {u.name}", u.lag)]
    pairs += [(f"trigger of event {e.name}", e.trigger) for e in system.events]
    return pairs
