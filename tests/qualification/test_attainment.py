"""The judge of attainment: calibrated forecasts pass, overconfident ones do not, and what is learned is found again."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.model.structure import ErrorLaw
from twin_service.qualification.estimation.attainment import attainment_figures, calibration, judge
from twin_service.qualification.estimation.next_levels import MEMBERS, PERSISTENCE, NextLevel


def test_calibrated_probabilities_pass_and_overconfident_ones_fail() -> None:
    rng = np.random.default_rng(1)
    p = rng.random(2000)
    came = (rng.random(2000) < p).astype(float)
    right = calibration(p, came)
    assert abs(right.z) < 2.5 and right.ece - right.chance < 0.01
    sharp = calibration(np.clip(0.5 + 1.6 * (p - 0.5), 0.01, 0.99), came)
    assert sharp.z > 5.0 and sharp.ece - sharp.chance > 0.05 and sharp.brier > right.brier


def simulated(scale: float) -> list[NextLevel]:
    """Patients whose curve is known to 10 %, and whose levels vary by `scale` times the model's 20 %."""
    rng = np.random.default_rng(2)
    found = []
    for k in range(400):
        center = 10.0 * np.exp(0.5 * rng.standard_normal())
        curves = center * np.exp(0.1 * rng.standard_normal((len(PERSISTENCE), MEMBERS)))
        truth = center * np.exp(0.1 * rng.standard_normal())
        y = truth * (1.0 + np.sqrt(scale * (0.2**2 - 0.05**2) + 0.05**2) * rng.standard_normal())
        found.append(NextLevel(str(k), "x", float(y), curves, ErrorLaw(proportional=0.2)))
    return found


@pytest.mark.parametrize("scale", [0.4, 1.0, 2.0])
def test_the_scale_that_made_the_levels_is_learned_and_calibrates(scale: float) -> None:
    v = judge("x", "", simulated(scale))
    assert v.learned[1] == pytest.approx(scale, rel=0.3)
    assert abs(v.reading.z) < 2.5 and 0.85 < v.covered < 0.95
    assert abs(v.curve.z) > abs(v.reading.z), "the curve alone is overconfident"
    assert attainment_figures([v])["answers.attainment_reading_z_sets"] == float(abs(v.reading.z) < 2.0)
