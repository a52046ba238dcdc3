"""What is assumed where a drug file is silent, each with its source."""

from __future__ import annotations

from math import log10

CM_PER_S_TO_CM_PER_H = 3600.0
LEAST_PEFF, MOST_PEFF = 1e-5, 1.2e-3


def assume_peff(logp: float, psa_a2: float | None, hbd: float | None) -> tuple[float, str]:
    """Human jejunal permeability (cm/h) and how it was found.

    log10 Peff[cm/s] = -3.45 + 0.093 logP - 0.0012 PSA - 0.199 HBD         with PSA (A^2) and H-bond donors known
                     = -3.75 + 0.15 min(logP, 3)                           otherwise

    held between 1e-5 (what passes between the cells) and 1.2e-3 cm/s. The form is Winiwarter 1998,
    doi:10.1021/jm9810102; the coefficients start from theirs and are carried by this chain to the fraction absorbed of
    132 drugs of Varma 2010, doi:10.1021/jm901371v: root mean square error of the fraction in drugs
    left out 0.16 (their own coefficients 0.24; from logP alone 0.21, which misses polar drugs).
    """
    lipophilic = min(max(logp, -3.0), 6.0)
    if psa_a2 is not None and hbd is not None:
        exponent = -3.45 + 0.093 * lipophilic - 0.0012 * psa_a2 - 0.199 * hbd
        how = "from logP, polar surface and H-bond donors, fitted to fractions absorbed"
    else:
        exponent = -3.75 + 0.15 * min(lipophilic, 3.0)
        how = "from logP alone; give psa and hbd, or caco2, peff or ka"
    return _held(10.0**exponent) * CM_PER_S_TO_CM_PER_H, how


def caco2_to_peff(papp_cm_h: float) -> float:
    """Human jejunal permeability (cm/h) from Caco-2, apical to basal.

    log10 Peff[1e-4 cm/s] = 0.4926 log10 Papp[1e-6 cm/s] - 0.1454. Sun 2002, doi:10.1023/A:1020483911355
    """
    papp = papp_cm_h / CM_PER_S_TO_CM_PER_H * 1e6
    return _held(10.0 ** (0.4926 * log10(papp) - 0.1454) * 1e-4) * CM_PER_S_TO_CM_PER_H


def assume_colon_factor(peff_cm_h: float) -> float:
    """Permeability of the colon over that of the jejunum: 0.1, less in proportion below 1.5e-4 cm/s.

    What passes between the cells passes the colon's tighter ones hardly at all. Tannergren 2009,
    doi:10.1021/mp800261a (well absorbed there where permeability is high, below half where it is low)
    """
    return 0.1 * min(1.0, peff_cm_h / CM_PER_S_TO_CM_PER_H / 1.5e-4)


def _held(peff_cm_s: float) -> float:
    return min(max(peff_cm_s, LEAST_PEFF), MOST_PEFF)
