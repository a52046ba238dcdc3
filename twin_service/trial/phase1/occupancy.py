"""How much of a target a dose holds: at once, with the target's own binding of the drug, and over time with turnover.

    share bound     RO = (L + R + Kd - sqrt((L + R + Kd)^2 - 4 L R)) / (2 R);      R = 0: L / (L + Kd)
    dose for RO     L = Kd RO / (1 - RO) + RO R
    over time       dL/dt = input - CL/V C - k_int X;   dR/dt = k_deg (R_0 - (R - X)) - k_int X      (quasi-equilibrium)

L, R: drug and target in all, umol/L; X: complex; C = L - X: free of target; only the unbound part fu C binds.
Muller & Brennan 2009, doi:10.1038/clpt.2008.256; Gibiansky, Gibiansky, Kakkar & Ma 2008, doi:10.1007/s10928-008-9102-8
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.phase1.human_course import HumanPk

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class SampledTarget:
    """A target in the sampled space.

    kd          dissociation constant of unbound drug, umol/L
    total       baseline concentration, umol/L
    half_life   of the free target, h; None: no turnover
    complex_half_life   of the complex, h; None: as the free target
    """

    kd: float
    total: float
    half_life: float | None = None
    complex_half_life: float | None = None

    @classmethod
    def create(
        cls, kd: float, total: float, half_life: float | None = None, bound: float | None = None
    ) -> SampledTarget:
        """Raises Refusal for what is no concentration or time."""
        if not kd > 0 or not total >= 0 or not all(t is None or t > 0 for t in (half_life, bound)):
            raise refuse("target", "expected kd > 0, total >= 0 and positive half-lives")
        return cls(kd, total, half_life, bound)


def occupancy(drug: FloatArray | float, kd: FloatArray | float, total: FloatArray | float) -> FloatArray:
    """Share of the target that is bound, for drug in all, Kd and target in all in one unit; any shapes that match."""
    drug, kd, total = (np.asarray(v, dtype=np.float64) for v in (drug, kd, total))
    s = drug + total + kd
    # The smaller root, written so that it does not cancel: X = 2 L R / (s + sqrt(s^2 - 4 L R)); RO = X / R.
    root = np.sqrt(np.maximum(s**2 - 4 * drug * total, 0.0))
    return np.asarray(2 * drug / np.maximum(s + root, 1e-300))


def concentration_for(share: float, kd: float, total: float) -> float:
    """Drug in all that binds `share` of the target. Raises Refusal unless 0 < share < 1."""
    if not 0 < share < 1:
        raise refuse("occupancy", "expected a share between 0 and 1")
    return kd * share / (1 - share) + share * total


def occupancy_course(
    pk: HumanPk, target: SampledTarget, dose_umol: float, times: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Drug not bound to target (umol/L) and share of target bound, at `times` (h) after one dose.

    Raises Refusal when the integration fails, which stiff target kinetics far outside physiology can cause.
    """
    k_deg = np.log(2) / target.half_life if target.half_life else 0.0
    bound = target.complex_half_life or target.half_life
    k_int = np.log(2) / bound if bound else 0.0
    ka, kel, volume = pk.absorption_per_h, pk.clearance / pk.volume, pk.volume
    dose = dose_umol * pk.bioavailability

    def split(total_drug: FloatArray, total_target: FloatArray) -> FloatArray:
        """Complex; the apparent Kd is Kd / fu because only unbound drug binds."""
        return np.asarray(occupancy(total_drug, target.kd / pk.fu, total_target) * total_target)

    def change(t: float, s: FloatArray) -> list[float]:
        gut, drug, have = s[0], max(s[1], 0.0), max(s[2], 0.0)
        x = float(split(np.asarray(drug), np.asarray(have)))
        flow = ka * gut / volume if ka else 0.0
        return [
            -ka * gut if ka else 0.0,
            flow - kel * (drug - x) - k_int * x,
            k_deg * target.total - k_deg * (have - x) - k_int * x,
        ]

    start = [dose, 0.0, target.total] if ka else [0.0, dose / volume, target.total]
    scale = max(dose / volume, 1e-12)
    found = solve_ivp(
        change, (0.0, float(times[-1])), start, "LSODA", times, rtol=1e-8, atol=[scale * 1e-9, scale * 1e-9, 1e-12]
    )
    if not found.success:
        raise refuse("target", f"the course could not be integrated: {found.message}")
    drug, have = np.maximum(found.y[1], 0.0), np.maximum(found.y[2], 0.0)
    x = split(drug, have)
    share = np.where(have > 0, x / np.maximum(have, 1e-300), occupancy(drug, target.kd / pk.fu, 0.0))
    return drug - x, share
