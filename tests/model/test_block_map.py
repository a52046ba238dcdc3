"""What is written in a block is read everywhere it stands."""

from __future__ import annotations

from twin_service.model.compose import compose
from twin_service.model.structure import Block
from twin_service.solver.expression import constant, symbol, symbols_of
from twin_service.solver.system import Input, Output, Parameter, StateEvent, SystemState


def block() -> Block:
    k, port = symbol("k"), symbol("port")
    return Block(
        "b",
        "1",
        states=(SystemState("x", "mg", k, port),),
        parameters=(Parameter("k", "1/h", 0.1),),
        outputs=(Output("y", "mg", port),),
        inputs=(Input("dose", "mg", "x", port, port, port),),
        events=(StateEvent("e", port - constant(1.0), {"x": port}, delay=port, priority=port, factors={"x": port}),),
        ports={"port": "1"},
    )


def test_a_port_is_closed_in_durations_delays_and_priorities_too() -> None:
    source = Block("s", "1", (), (Parameter("p", "1", 2.0),), (Output("level", "1", symbol("p")),))
    system = compose("m", {"b": block(), "s": source}, {"b.port": "s.level"}).system
    u, e = system.inputs[0], system.events[0]
    assert u.duration is not None and e.priority is not None
    held = [
        u.bioavailability,
        u.lag,
        u.duration,
        e.trigger,
        e.delay,
        e.priority,
        *e.assignments.values(),
        *e.factors.values(),
    ]
    assert all(symbols_of([x]) == {"s__p"} for x in held)
