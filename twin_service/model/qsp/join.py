"""Small blocks that stand between others: a constant, nothing at all, a change of unit, a sum.

They let a port be wired to no drug, to one whose concentrations are in mg/L, or to several drugs at once; and they open
a parameter of any block to what another block does to it (interleukin-6 to CYP3A4, albumin to binding).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from twin_service.model.structure import Block
from twin_service.outcome import Refusal, RefusalCode
from twin_service.solver.expression import TIME, Expression, constant, substitute, symbol
from twin_service.solver.functions import exp, where
from twin_service.solver.system import Input, Output, Parameter, SystemState
from twin_service.units import conversion


def constant_block(value: float, unit: str) -> Block:
    """A block whose output `level` is its parameter `level` (change it in time to make a pulse)."""
    return Block(
        id="constant",
        version="1",
        states=(),
        parameters=(Parameter("level", unit, value),),
        outputs=(Output("level", unit, symbol("level")),),
    )


def silent_block(unit: str) -> Block:
    """A block whose output `level` is 0: what an unused port is wired to."""
    return Block(id="silent", version="1", states=(), parameters=(), outputs=(Output("level", unit, constant(0.0)),))


def unit_block(source: str, target: str, molar_mass_g_mol: float | None = None) -> Block:
    """A block with port `x` in `source` and output `x` in `target`; raises UnitError where that cannot be."""
    factor = conversion(source, target, molar_mass_g_mol)
    return Block(
        id="unit",
        version="1",
        states=(),
        parameters=(),
        ports={"x": source},
        outputs=(Output("x", target, symbol("x") * factor),),
    )


def sum_block(weights: Sequence[float], unit: str) -> Block:
    """A block with ports x0, x1, ... and output `x`, their weighted sum (additive effects of several drugs).

    A weight is the potency relative to the drug to which the receiving block's numbers belong.
    """
    total = sum((symbol(f"x{i}") * w for i, w in enumerate(weights)), start=constant(0.0))
    return Block(
        id="sum",
        version="1",
        states=(),
        parameters=(),
        outputs=(Output("x", unit, total),),
        ports={f"x{i}": unit for i in range(len(weights))},
    )


def ramp_decay_block(shape: dict[str, float], unit: str, factor: float = 1.0) -> Block:
    """A block whose output rises linearly to `amplitude exp(-rate lag)` at `lag` (h) and then decays at `rate`."""
    lag, rate = shape["lag_h"], shape["rate_per_h"]
    peak = shape["amplitude"] * factor
    level = where(TIME < lag, peak * math.exp(-rate * lag) / lag * TIME, peak * exp(-rate * TIME))
    return Block(id="ramp_decay", version="1", states=(), parameters=(), outputs=(Output("level", unit, level),))


def two_compartment_block(rates: Mapping[str, float], unit: str) -> Block:
    """A drug in two compartments (cl, v1, v2, q in L/h and L), dosed into `dose`, whose plasma level is `level`."""
    a1, a2 = symbol("central"), symbol("peripheral")
    level = a1 * (1 / rates["v1"])
    move = level * rates["q"] - a2 * (rates["q"] / rates["v2"])
    amount = unit.split("/")[0]
    return Block(
        id="two_compartment",
        version="1",
        parameters=(),
        states=(SystemState("central", amount, -level * rates["cl"] - move), SystemState("peripheral", amount, move)),
        outputs=(Output("level", unit, level),),
        inputs=(Input("dose", amount, "central"),),
    )


def modulated(block: Block, parameter: str, port: str) -> Block:
    """`block` with `parameter` multiplied by a new port `port` (unit 1), which another block's output then drives.

    Disease acts back on the drug this way: a clearance follows an enzyme, a binding follows albumin, a filtration the
    eGFR. Initial values keep the plain parameter. Raises Refusal for a parameter the block does not have.
    """
    if parameter not in {p.name for p in block.parameters}:
        known = ", ".join(p.name for p in block.parameters)
        raise Refusal(
            RefusalCode.INVALID,
            f"{block.id} has no parameter {parameter!r}; it has: {known}",
            field="parameter",
            reason="NO_PARAMETER",
        )
    factor = {parameter: symbol(parameter) * symbol(port)}

    def sub(e: Expression) -> Expression:
        return substitute([e], factor)[0]

    changed = block.map(sub)
    plain = (replace(s, initial=b.initial) for s, b in zip(changed.states, block.states, strict=True))
    return replace(changed, ports={**block.ports, port: "1"}, states=tuple(plain))
