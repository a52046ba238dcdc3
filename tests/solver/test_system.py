from __future__ import annotations

import pickle
from dataclasses import replace

import pytest

from tests.solver.systems import S, one_compartment, parameters, saturable
from twin_service.qualification.bench.reference_problem import reference_system
from twin_service.solver.expression import constant, symbol
from twin_service.solver.system import Input, Output, StateEvent, System, SystemState

X = SystemState("x", "1", -S("k") * S("x"))


def eventful() -> System:
    event = StateEvent("refill", S("x") < 0.1, {"x": S("x") + 1.0, "k": S("k") * 2.0}, S("k"), S("k") + 1.0)
    plain = StateEvent("plain", S("x") > 9.0, {"x": constant(0.0)})
    event = replace(event, factors={"x": S("k") + 3.0})
    return System.create("eventful", states=(X,), parameters=parameters(k=1.0), events=(event, plain))


@pytest.mark.parametrize(
    "system", [one_compartment(), saturable(), reference_system(), eventful()], ids=lambda s: s.name
)
def test_pickle_gives_the_same_system(system: System) -> None:
    restored = pickle.loads(pickle.dumps(system))
    assert restored == system
    assert restored.digest == system.digest


def test_pickle_does_not_fear_long_sums() -> None:
    total = S("x")
    for i in range(5000):
        total = total + S("k") * float(i)
    system = System.create("long", states=(SystemState("x", "1", total),), parameters=parameters(k=1.0))
    assert pickle.loads(pickle.dumps(system)).digest == system.digest


def test_the_digest_sees_everything_that_decides_a_solution() -> None:
    base = one_compartment()
    A = base.states[1]
    changed = [
        replace(base, name="other"),
        replace(base, states=(base.states[0], replace(A, rate=A.rate * 2.0))),
        replace(base, states=(base.states[0], replace(A, atol=1e-3))),
        replace(base, states=(base.states[0], replace(A, initial=constant(1.0)))),
        replace(base, states=base.states[::-1]),
        replace(base, outputs=(Output("C", "mg/L", S("A")),)),
        replace(base, inputs=(*base.inputs[:2], replace(base.inputs[2], duration=S("D1") * 2.0))),
        replace(base, inputs=(replace(base.inputs[0], lag=S("lag") * 2.0), *base.inputs[1:])),
        replace(base, parameters=(replace(base.parameters[0], value=9.0), *base.parameters[1:])),
    ]
    digests = {base.digest, *(s.digest for s in changed)}
    assert len(digests) == 1 + len(changed)
    assert one_compartment().digest == base.digest


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"states": (X, X)}, "x named more than once"),
        ({"states": (SystemState("k", "1", S("k")),)}, "k named more than once"),
        ({"states": (SystemState("x", "1", S("gone")),)}, "rate of x: gone is neither"),
        ({"states": (SystemState("x", "1", S("k"), S("x")),)}, "initial value of x: uses the state x"),
        ({"outputs": (Output("o", "1", S("gone")),)}, "output o: gone"),
        ({"inputs": (Input("i", "1", "gone"),)}, "input i: no state 'gone'"),
        ({"inputs": (Input("i", "1", "x", lag=S("gone")),)}, "lag of input i: gone"),
        ({"events": (StateEvent("e", S("gone") > 0.0, {}),)}, "trigger of event e: gone"),
        ({"events": (StateEvent("e", S("x") > 0.0, {"gone": S("x")}),)}, "event e: no state or parameter 'gone'"),
    ],
)
def test_a_faulty_system_is_named(fields: dict[str, object], says: str) -> None:
    given: dict[str, object] = {"states": (X,), "parameters": parameters(k=1.0), **fields}
    with pytest.raises(ValueError, match=says) as caught:
        System.create("faulty", **given)  # type: ignore[arg-type]
    assert "'faulty'" in str(caught.value)
    assert symbol("time").name == "time"
