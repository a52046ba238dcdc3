"""Every reference case passes, and the figures known by heart come out."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin_service.qualification.phase1.checked import close
from twin_service.qualification.phase1.models import blrm_cases, crm_cases, nbg_cases
from twin_service.qualification.phase1.published import published_figures
from twin_service.qualification.phase1.rules import boin_cases, first_in_human_cases, three_cases
from twin_service.qualification.phase1.run import headline
from twin_service.qualification.phase1.simulated import exposure_figures, noise_figures


def test_every_reference_case_passes(reference_dir: Path) -> None:
    root = reference_dir / "trials" / "phase1"
    checks = (blrm_cases, nbg_cases, crm_cases, boin_cases, three_cases, first_in_human_cases)
    cases = [case for check in checks for case in check(root)]
    assert len(cases) >= 200
    assert [c for c in cases if not c.passed] == []


def test_a_difference_is_seen() -> None:
    assert not close("x", [(1.0, 1.1, 0.01)]).passed
    assert close("x", [(1.0, 1.005, 0.01)]).worst == pytest.approx(0.5)


def test_the_figures_known_by_heart() -> None:
    found = headline()
    assert found["phase1.nbg2008_dose20_mean"] == pytest.approx(0.2527, abs=5e-5)
    assert found["phase1.nbg2008_dose25_overdose"] == pytest.approx(0.372, abs=5e-4)
    assert found["phase1.boin_030_deescalate"] == pytest.approx(0.3585, abs=5e-5)
    assert found["phase1.three_plus_three_third_entry_share"] == pytest.approx(0.429, abs=5e-4)
    assert found["phase1.tgn1412_10_percent_mg_per_kg"] == pytest.approx(0.0011, abs=5e-5)


def test_published_characteristics_and_small_simulations() -> None:
    assert published_figures()["phase1.published_oc_within_3_se"] == 1
    assert noise_figures(30)["phase1.noise_declared_useful"] <= 0.1
    found = exposure_figures(lambda line: None, trials=60)
    low, high = found["phase1.exposure_overdosed_fewer_low"], found["phase1.exposure_overdosed_fewer_high"]
    assert low < found["phase1.exposure_overdosed_fewer"] < high
