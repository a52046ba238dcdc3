"""`twin qualify --trials`: reference answers, speed, and what simulation says of every analysis that is offered.

trials.reference_cases, .reference_pass_share   published and computed answers of others (cases, repeated, protocols)
trials.mmrm_*                                   seconds of fits, a second optimizer, convergence
trials.procova_*                                the variance formula against simulation; ACTG175
trials.type1_*                                  share of null trials that are declared positive, nominal 5 %
trials.control_arm_s, .forecast_coverage90      a thousand patients by five visits by 500 draws; held-out controls
trials.interim_10000_s, .interim_type1          10,000 trials of three looks, nominal 2.5 % one-sided
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from twin_service.qualification.trials.cases import ReferenceCase, borrowing_cases, comparison_cases, design_cases
from twin_service.qualification.trials.protocols import protocol_cases, protocol_figures
from twin_service.qualification.trials.repeated import repeated_cases, speed_figures
from twin_service.qualification.trials.simulated import simulated_figures


def trial_cases(folder: Path) -> Iterator[ReferenceCase]:
    """Every reference case of `folder` (`trials` of the reference data)."""
    yield from design_cases(folder)
    yield from borrowing_cases(folder)
    yield from comparison_cases(folder)
    yield from repeated_cases(folder)
    yield from protocol_cases(folder)


def qualify_trials(
    folder: Path, tell: Callable[[str], None] = lambda line: None
) -> tuple[dict[str, float], tuple[ReferenceCase, ...]]:
    """Figures, and the cases beside their answers; without reference data only what simulation says."""
    figures: dict[str, float] = {}
    cases: tuple[ReferenceCase, ...] = ()
    if folder.is_dir():
        cases = tuple(trial_cases(folder))
        for c in cases:
            if not c.passed:
                tell(f"missed: {c.name}: {c.got:.8g}, published {c.wanted:.8g}, tolerance {c.tolerance:g}")
        passed = sum(c.passed for c in cases)
        figures = {"trials.reference_cases": float(len(cases)), "trials.reference_pass_share": passed / len(cases)}
        tell(f"{passed} of {len(cases)} reference cases")
        figures |= speed_figures(folder)
        figures |= protocol_figures(folder, tell)
    else:
        tell(f"{folder} is absent (TWIN_REFERENCE_DIR): reference cases and real trials are left out")
    return figures | simulated_figures(tell), cases
