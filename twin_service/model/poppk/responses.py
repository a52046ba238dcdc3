"""Responses driven by the central concentration C: direct, through an effect compartment, or by turnover.

    direct_emax        R = E0 (1 + s EMAX C^g / (EC50^g + C^g))                                  s = +1 or -1
    effect_emax        the same with Ce, dCe/dt = KE0 (C - Ce)
    turnover_in        dR/dt = KIN (1 + s EMAX C^g/(EC50^g + C^g)) - KOUT R,  R(0) = E0, KIN = KOUT E0
    turnover_out       dR/dt = KIN - KOUT (1 + s EMAX C^g/(EC50^g + C^g)) R
    friberg            proliferation, 3 transit pools, circulating cells with feedback; E = SLOPE C

Sheiner 1979, doi:10.1002/cpt1979253358; Dayneka 1993, doi:10.1007/BF01061691; Friberg 2002,
doi:10.1200/JCO.2002.02.140.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from twin_service.model.poppk.record import PopPkRecord, refuse
from twin_service.model.poppk.structures import need
from twin_service.solver import functions as fn
from twin_service.solver.expression import Expression, expression, symbol
from twin_service.solver.system import SystemState


class ResponseLaw(NamedTuple):
    states: tuple[SystemState, ...]
    outputs: Mapping[str, Expression]


_SIGNS: Final[Mapping[str, float]] = {"stimulation": 1.0, "inhibition": -1.0}
Law = Callable[[Mapping[str, Any], Any, float, str], ResponseLaw]


def response_of(record: PopPkRecord, p: Mapping[str, Any], concentration: Expression) -> ResponseLaw:
    """The response named in the file's structure; none is an empty one."""
    s = record.structure.response
    if s is None:
        return ResponseLaw((), {})
    if s.law not in LAWS:
        raise refuse(record.where, f"response law {s.law!r} is unknown (R4); known: {', '.join(LAWS)}")
    law, wanted = LAWS[s.law]
    need(record, p, wanted)
    sign = _SIGNS.get(s.direction)
    if sign is None:
        raise refuse(record.where, f"response direction {s.direction!r}: expected stimulation or inhibition")
    return law(p, concentration, sign, s.unit)


def _drive(p: Mapping[str, Any], c: Any, sign: float) -> Any:
    """1 + s EMAX C^g / (EC50^g + C^g); EMAX defaults to 1, the Hill coefficient to 1."""
    hill = p.get("HILL", 1.0)
    # written with the ratio so that C = 0 has a finite derivative for hill below 1 only at C > 0
    ratio = fn.maximum(c, 0.0) / p["EC50"]
    raised = ratio if hill == 1.0 else fn.where(ratio > 0.0, fn.maximum(ratio, 1e-30) ** hill, 0.0)
    return 1.0 + sign * p.get("EMAX", 1.0) * raised / (1.0 + raised)


def _direct(p: Mapping[str, Any], c: Any, sign: float, unit: str) -> ResponseLaw:
    return ResponseLaw((), {"response": expression(p["E0"] * _drive(p, c, sign))})


def _effect(p: Mapping[str, Any], c: Any, sign: float, unit: str) -> ResponseLaw:
    site = symbol("effect_site")
    state = SystemState("effect_site", "mg/L", p["KE0"] * (c - site))
    return ResponseLaw((state,), {"response": expression(p["E0"] * _drive(p, site, sign))})


def _turnover_in(p: Mapping[str, Any], c: Any, sign: float, unit: str) -> ResponseLaw:
    r, kin = symbol("response_level"), p["KOUT"] * p["E0"]
    state = SystemState("response_level", unit, kin * _drive(p, c, sign) - p["KOUT"] * r, p["E0"])
    return ResponseLaw((state,), {"response": r})


def _turnover_out(p: Mapping[str, Any], c: Any, sign: float, unit: str) -> ResponseLaw:
    r, kin = symbol("response_level"), p["KOUT"] * p["E0"]
    state = SystemState("response_level", unit, kin - p["KOUT"] * _drive(p, c, sign) * r, p["E0"])
    return ResponseLaw((state,), {"response": r})


def _friberg(p: Mapping[str, Any], c: Any, sign: float, unit: str) -> ResponseLaw:
    """d ln(P/base)/dt = ktr ((1 - E)(base/N)^g - 1), three transits, dN/dt = ktr (T3 - N); ktr = 4/MTT_CELLS.

    Proliferating cells are carried as a logarithm: after a dose that leaves one in 1e30 of them, a number lost in
    rounding would decide whether, and with which sign, they grow again.
    """
    ktr = 4.0 / p["MTT_CELLS"]
    names = ("maturing1", "maturing2", "maturing3", "circulating")
    left, (m1, m2, m3, circ) = symbol("log_proliferating"), (symbol(n) for n in names)
    feedback = (p["E0"] / fn.maximum(circ, 1e-9)) ** p["GAMMA"]
    prol = p["E0"] * fn.exp(fn.minimum(left, 50.0))
    rates = (ktr * (prol - m1), ktr * (m1 - m2), ktr * (m2 - m3), ktr * (m3 - circ))
    states = tuple(SystemState(n, unit, expression(r), p["E0"], atol=1e-6) for n, r in zip(names, rates, strict=True))
    growth = SystemState(
        "log_proliferating", "1", expression(ktr * ((1.0 - p["SLOPE"] * c) * feedback - 1.0)), atol=1e-6
    )
    return ResponseLaw((growth, *states), {"response": circ})


LAWS: Final[Mapping[str, tuple[Law, list[str]]]] = {
    "direct_emax": (_direct, ["E0", "EC50"]),
    "effect_emax": (_effect, ["E0", "EC50", "KE0"]),
    "turnover_in": (_turnover_in, ["E0", "EC50", "KOUT"]),
    "turnover_out": (_turnover_out, ["E0", "EC50", "KOUT"]),
    "friberg": (_friberg, ["E0", "SLOPE", "GAMMA", "MTT_CELLS"]),
}
