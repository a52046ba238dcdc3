"""What a regimen is worth to one member: targets met, less the harm that the drug adds.

    U = prod_t s_t  -  sum_e c_e (reached_e - reached_e without drug)

s_t    1 inside the target's range; beyond an edge it falls along the logarithm, to 0 at 10 % outside: a hard edge would
       rank by which members happen to lie next to it
c_e    cost of harm in units of benefit: 0.5 for grade 4 means that it weighs as much as missing the targets in half of
       the patients. The scale is this project's convention (not a measured preference), and a site can set its own.
       Endpoints nested in one another (grades of one reading) count by the increments of their costs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import Endpoint
from twin_service.scenario.target import Target

FloatArray = NDArray[np.float64]
EDGE: Final = 0.1
GRADE_COST: Final[Mapping[int, float]] = {1: 0.02, 2: 0.08, 3: 0.25, 4: 0.5, 5: 1.0}
SERIOUS_COST: Final = 0.5
MINOR_COST: Final = 0.05


def cost_of(endpoint: Endpoint, costs: Mapping[str, float] | None = None) -> float:
    """Cost of reaching `endpoint`: as set in `costs`, else by its grade, else by its seriousness; 0 for a benefit."""
    if costs and endpoint.id in costs:
        return costs[endpoint.id]
    if not endpoint.harmful:
        return 0.0
    if endpoint.grade:
        return GRADE_COST[min(endpoint.grade, 5)]
    return SERIOUS_COST if endpoint.serious else MINOR_COST


def attained_smoothly(target: Target, values: FloatArray) -> FloatArray:
    """s of `values` (any shape): 1 inside the range, 0 from 10 % outside on."""
    with np.errstate(divide="ignore", invalid="ignore"):
        below = _fallen(np.log(target.low) - np.log(values)) if target.low > 0 else _beyond(values < target.low)
        above = _fallen(np.log(values) - np.log(target.high)) if target.high > 0 else _beyond(values > target.high)
    return np.asarray(np.where(np.isnan(values), np.nan, np.minimum(below, above)))


def harm_of(
    endpoints: Sequence[Endpoint], reached: FloatArray, free: FloatArray, costs: Mapping[str, float] | None = None
) -> FloatArray:
    """Cost of the harm the drug adds, (N,), from who `reached` each endpoint (N, ne) and who does so `free` of drug."""
    groups: dict[tuple[str, str, bool], list[int]] = defaultdict(list)
    for k, e in enumerate(endpoints):
        groups[e.output, e.comparison, e.relative_to_baseline].append(k)
    total = np.zeros(len(reached))
    for members in groups.values():
        told = 0.0
        for k in sorted(members, key=lambda k: cost_of(endpoints[k], costs)):
            cost = cost_of(endpoints[k], costs)
            total += (cost - told) * (reached[:, k] - free[:, k])
            told = cost
    return total


def _fallen(beyond: FloatArray) -> FloatArray:
    return np.asarray(1.0 - np.clip(beyond / np.log1p(EDGE), 0.0, 1.0))


def _beyond(outside: NDArray[np.bool_]) -> FloatArray:
    return np.where(outside, 0.0, 1.0)
