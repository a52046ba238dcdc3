"""Blood cells: proliferation, maturation, feedback, and what cytotoxic drugs do to them."""

from __future__ import annotations

from typing import Any

from twin_service.model.qsp.law import Equations, Names, law
from twin_service.solver import functions as fn

CELLS = "10*9/L"
# one cell in a thousand liters: far below the integrator's own tolerance
LEAST_CELLS = 1e-12


@law(
    "friberg",
    states={"log_proliferating": "1", "transit1": CELLS, "transit2": CELLS, "transit3": CELLS, "circulating": CELLS},
    parameters={"baseline": CELLS, "mean_transit_time": "h", "feedback": "1", "slope": "L/umol"},
    ports={"drug_concentration": "umol/L"},
    outputs={"cells": CELLS, "relative_to_baseline": "1"},
    smallest={"log_proliferating": 1e-6} | dict.fromkeys(("transit1", "transit2", "transit3", "circulating"), 1e-9),
)
def friberg(y: Names, p: Names, u: Names, t: Any) -> Equations:
    """Cells from a self-renewing pool through three transits into blood, with feedback.

    P'  = k P (1 - S C) (B/N)^gamma - k P;   T1' = k (P - T1); T2' = k (T1 - T2); T3' = k (T2 - T3); N' = k (T3 - N)
    k = 4 / MTT; every pool starts at B.

    P T1 T2 T3 N   cells                       10^9/L; P is carried as its logarithm: it falls by many powers of ten
                   in sensitive patients, and an integrator of P itself may pass below zero, from where it never returns
    B              baseline                    10^9/L
    MTT            mean transit time           h
    S, C           slope, drug concentration   L/umol, umol/L
    gamma          feedback                    1
    Friberg 2002, doi:10.1200/JCO.2002.02.140
    """
    k = 4 / p.mean_transit_time
    kill = 1 - p.slope * u.drug_concentration
    proliferating = fn.exp(y.log_proliferating)
    feedback = (p.baseline / fn.maximum(y.circulating, LEAST_CELLS)) ** p.feedback
    pools = ("transit1", "transit2", "transit3", "circulating")
    return Equations(
        rates={
            "log_proliferating": k * (kill * feedback - 1),
            "transit1": k * (proliferating - y.transit1),
            "transit2": k * (y.transit1 - y.transit2),
            "transit3": k * (y.transit2 - y.transit3),
            "circulating": k * (y.transit3 - y.circulating),
        },
        initial={"log_proliferating": fn.log(p.baseline)} | dict.fromkeys(pools, p.baseline),
        outputs={"cells": y.circulating, "relative_to_baseline": y.circulating / p.baseline},
    )
