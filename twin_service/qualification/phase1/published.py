"""Operating characteristics that others published, typed here with their source, within three standard errors.

What is typed: BOIN with the stricter rule for the lowest dose and early stopping (BOIN 2.7.2, 10,000 trials, seed 6),
as printed in the article "Compare to original BOIN" of openpharma/bfboin 0.1.1. Tables of others (Iasonos et al.
2008, doi:10.1177/1740774508096474; Horton, Wages & Conaway 2017, doi:10.1002/sim.7043) were looked for and their
scenarios or design details could not be read in full; they are not typed from memory.
"""

from __future__ import annotations

import numpy as np

from twin_service.trial.phase1.designs import Boin
from twin_service.trial.phase1.simulation import EscalationConduct, characteristics, simulate

RISKS, TARGET, THEIRS, OURS = (0.1, 0.5), 0.25, 10_000, 40_000
SELECTION = (0.0383, 0.7775, 0.1842)
PATIENTS = (10.7160, 7.7784)


def published_figures() -> dict[str, float]:
    """Largest difference in standard errors of the difference, over selection and patients, and whether it is below
    three."""
    design = Boin.create(len(RISKS), TARGET, enough=9, extra=0.1)
    found = simulate(design, RISKS, EscalationConduct(cohorts=10), OURS, np.random.default_rng(21))
    seen, wanted = characteristics(found, RISKS, TARGET), np.array(SELECTION)
    both = 1 / THEIRS + 1 / OURS
    off = np.abs(seen.selection - wanted) / np.sqrt(wanted * (1 - wanted) * both)
    treated = np.abs(seen.patients - PATIENTS) / (found.patients.std(axis=0) * np.sqrt(both))
    worst = float(max(off.max(), treated.max()))
    return {
        "phase1.published_oc_sets": 1.0,
        "phase1.published_oc_worst_se": worst,
        "phase1.published_oc_within_3_se": float(worst < 3),
    }
