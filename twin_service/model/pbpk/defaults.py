"""What is assumed where a drug file is silent, each with its source."""

from __future__ import annotations

CM_PER_S_TO_CM_PER_H = 3600.0


def assume_peff(molar_mass: float, logp: float, psa_a2: float | None, hbd: float | None) -> tuple[float, str]:
    """Human jejunal permeability (cm/h) and how it was found.

    log10 Peff[cm/s] = -3.067 + 0.162 logP - 0.010 PSA - 0.235 HBD         with PSA (A^2) and H-bond donors known
    otherwise 4e-4 cm/s below 500 g/mol and 1e-4 above, the middle of high- and moderate-permeability drugs.

    Winiwarter 1998, doi:10.1021/jm9810102; classes: Lennernas 2007
    """
    if psa_a2 is not None and hbd is not None:
        exponent = -3.067 + 0.162 * min(max(logp, -2.0), 5.0) - 0.010 * psa_a2 - 0.235 * hbd
        return 10**exponent * CM_PER_S_TO_CM_PER_H, "from logP, polar surface and H-bond donors, Winiwarter 1998"
    typical = 4e-4 if molar_mass < 500 else 1e-4
    return typical * CM_PER_S_TO_CM_PER_H, "typical of its size; give peff or ka, or psa and hbd"
