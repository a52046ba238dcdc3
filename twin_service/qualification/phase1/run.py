"""`twin qualify --phase1`: every reference answer of dose escalation and first-in-human dosing, and how fast.

A case is one named answer of a file in `reference/trials/phase1`; it passes when all its numbers agree within the
tolerance written beside its check. Where the reference itself was computed coarsely, its own computation is repeated
on its own grid beside ours, so that the difference is known to be the reference's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from twin_service.qualification.phase1.checked import Checked
from twin_service.qualification.phase1.models import blrm_cases, crm_cases, nbg_cases
from twin_service.qualification.phase1.published import published_figures
from twin_service.qualification.phase1.rules import boin_cases, first_in_human_cases, three_cases
from twin_service.qualification.phase1.simulated import exposure_figures, noise_figures
from twin_service.qualification.reference import reference_folder
from twin_service.trial.phase1.conversion import DoseFinding, human_equivalent_dose, safety_factor, species_named
from twin_service.trial.phase1.crm import Skeleton, indifference_skeleton
from twin_service.trial.phase1.designs import Blrm, Boin, Crm, OverdoseControl
from twin_service.trial.phase1.dose_toxicity import DoseOutcomes, LogisticPrior, logistic_risk
from twin_service.trial.phase1.escalation_rules import boin_table, three_plus_three
from twin_service.trial.phase1.occupancy import concentration_for, occupancy
from twin_service.trial.phase1.simulation import EscalationConduct, simulate

Say = Callable[[str], None]


def qualify_phase1(say: Say, *, folder: Path | None = None) -> tuple[dict[str, float], list[Checked]]:
    """Figures by dotted name, and every case. Without reference data only the speeds are measured."""
    root = reference_folder(folder) / "trials" / "phase1"
    checked: list[Checked] = []
    if root.is_dir():
        for check in (blrm_cases, nbg_cases, crm_cases, boin_cases, three_cases, first_in_human_cases):
            for case in check(root):
                checked.append(case)
                if not case.passed:
                    say(f"failed: {case.name}, {case.worst:.3g} tolerances off")
    else:
        say(f"no reference data at {root}: set TWIN_REFERENCE_DIR; only speed is measured")
    figures = {
        "phase1.reference_cases": float(len(checked)),
        "phase1.reference_pass_share": float(np.mean([c.passed for c in checked])) if checked else float("nan"),
    }
    simulated = published_figures() | noise_figures() | exposure_figures(say)
    return figures | headline() | speeds(say) | simulated, checked


def headline() -> dict[str, float]:
    """The figures that the field knows by heart, computed from their inputs."""
    prior = LogisticPrior(250, (2.15, 0.52), ((0.7056, 0.134), (0.134, 0.64)))
    seen = DoseOutcomes.create([1, 2.5, 5, 10, 25], [3, 4, 5, 4, 2], [0, 0, 0, 0, 2])
    at20, at25 = logistic_risk(prior, seen, [20, 25], cuts=(0.2, 0.35))
    table = boin_table(0.3)
    exact = three_plus_three([0.05, 0.15, 0.3, 0.45, 0.6], deescalate=True)
    monkey = human_equivalent_dose(50, species_named("monkey"))
    return {
        "phase1.nbg2008_dose20_mean": at20.mean,
        "phase1.nbg2008_dose20_overdose": at20.overdose,
        "phase1.nbg2008_dose25_mean": at25.mean,
        "phase1.nbg2008_dose25_overdose": at25.overdose,
        "phase1.boin_030_escalate": table.escalate_below,
        "phase1.boin_030_deescalate": table.deescalate_above,
        # The third entry of the published list, which starts with "none": the second dose.
        "phase1.three_plus_three_third_entry_share": float(exact.declared[2]),
        "phase1.three_plus_three_patients": float(exact.patients.sum()),
        "phase1.tgn1412_noael_mg_per_kg": monkey
        / safety_factor(DoseFinding.NOAEL, species_named("monkey"), (), None).value,
        "phase1.tgn1412_occupancy_at_0.1_mg_per_kg": float(occupancy(0.1 * 70 / 150 / 2.5 * 1000, 1.88, 0.0)),
        "phase1.tgn1412_10_percent_mg_per_kg": concentration_for(0.1, 1.88, 0.0) * 2.5 * 150 / 1000 / 70,
    }


def speeds(say: Say) -> dict[str, float]:
    """Seconds for simulated trials and for one live decision, on one process of this machine."""
    risks = (0.05, 0.15, 0.3, 0.45, 0.6)
    prior = LogisticPrior(100, (-0.85, 0.5), ((1.0, -0.2), (-0.2, 0.64)))
    skeleton = Skeleton.create(indifference_skeleton(0.3, 5, prior_level=2, halfwidth=0.08))
    blrm = Blrm((10.0, 20.0, 40.0, 70.0, 100.0), prior, OverdoseControl(enough=9))
    found = {}
    for name, design, trials in (
        ("blrm_5000", blrm, 5000),
        ("boin_10000", Boin.create(5, 0.3), 10_000),
        ("crm_10000", Crm(skeleton, 0.3), 10_000),
    ):
        start = time.perf_counter()
        simulate(design, risks, EscalationConduct(cohorts=12), trials, np.random.default_rng(1))
        found[f"phase1.{name}_trials_s"] = time.perf_counter() - start
        say(f"{name}: {found[f'phase1.{name}_trials_s']:.1f} s")
    start = time.perf_counter()
    logistic_risk(prior, DoseOutcomes.create([10, 20, 40], [3, 3, 6], [0, 0, 1]), blrm.doses)
    found["phase1.live_decision_s"] = time.perf_counter() - start
    return found
