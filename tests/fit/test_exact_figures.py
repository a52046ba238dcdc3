"""Exact figures of a prediction: areas against dose/CL, half-life against the course, first pass against flows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin_service.fit.predict.predict import DosePlan, predict
from twin_service.fit.predict.quadrature import nodes
from twin_service.model.pbpk.checks import plasma_clearances
from twin_service.model.pbpk.clearance import InVivo
from twin_service.model.pbpk.library import load_library

DRUG = """
id = "made_up"
version = "1"
title = "Made up"
molar_mass = { value = 300.0, unit = "g/mol", origin = "test" }
logp = { value = LOGP, unit = "1", origin = "test" }
fup = { value = FUP, unit = "%", origin = "test" }
psa = { value = 62, unit = "A2", origin = "test" }
hbd = { value = 1, unit = "1", origin = "test" }
[[clearance]]
organ = "total"
law = "in_vivo"
enzyme = "ENZYME"
clearance = { value = 40, unit = "L/h", origin = "test" }
unchanged = { value = 0.0, unit = "1", origin = "test" }
"""
INSOLUBLE = """[absorption]
solubility = { value = 0.000002, unit = "mg/mL", origin = "test" }
[[formulation]]
id = "tablet"
law = "particle"
radius = { value = 30, unit = "um", origin = "test" }
"""


def drug(folder: Path, more: str = "", *, logp: float = 2.0, fup: float = 80.0, enzyme: str = "OTHER") -> Path:
    path = folder / "made_up.toml"
    text = DRUG.replace("LOGP", str(logp)).replace("FUP", str(fup)).replace("ENZYME", enzyme)
    path.write_text(text + more)
    return path


def figures(name: Path | str, plan: DosePlan) -> dict[str, float]:
    found = predict(name, plan)["figures"]
    return {k.removeprefix("predict."): v for k, v in found.items()}


@pytest.mark.parametrize("duration_h", [0.0, 1.0])
def test_the_area_of_a_linear_drug_is_dose_over_clearance(tmp_path: Path, duration_h: float) -> None:
    f = figures(drug(tmp_path), DosePlan(100.0, route="iv", duration_h=duration_h))
    assert f["auc_inf_mg_h_l"] == pytest.approx(100.0 / 40.0, rel=1e-6)
    assert f["cl_f_l_h"] == pytest.approx(f["clearance_l_h"], rel=1e-6)


def test_the_peak_of_a_bolus_is_seen_within_seconds(tmp_path: Path) -> None:
    f = figures(drug(tmp_path), DosePlan(100.0, route="iv"))
    assert f["tmax_h"] < 0.02
    # all of it in the blood: 100 mg over 5.3 L of blood is the least a first pass through the lung can show
    assert f["cmax_mg_l"] > 100.0 / 5.3 / 0.9


def test_the_half_life_is_that_of_the_systems_last_phase(tmp_path: Path) -> None:
    """Against the slope of a long course, two half-lives apart, where nothing but the last phase is left."""
    path = drug(tmp_path)
    half = figures(path, DosePlan(100.0, route="iv"))["thalf_h"]
    times = [14.0 * half, 16.0 * half]
    found = predict(path, DosePlan(1e6, route="iv", horizon_h=17.0 * half), times_h=times)
    at = [found["concentration_mg_l"][found["time_h"].index(t)] for t in times]
    assert 2.0 * half * np.log(2.0) / np.log(at[0] / at[1]) == pytest.approx(half, rel=1e-4)


def test_absorbed_and_lost_add_up_and_fractions_are_fractions(tmp_path: Path) -> None:
    path = drug(tmp_path, INSOLUBLE, logp=4.0, fup=1.0, enzyme="CYP3A4")
    f = figures(path, DosePlan(100.0))
    assert 0.0 < f["fa"] < 1e-3
    assert 0.0 < f["fg"] < 1.0
    assert f["f"] == pytest.approx(f["fa"] * f["fg"] * f["fh"], rel=1e-12)


@pytest.mark.parametrize("name", ["metformin", "caffeine"])
def test_flows_give_the_bioavailability_of_areas(name: str) -> None:
    """For a drug that is linear at the dose: F by flows is the ratio of dose-normalized areas."""
    oral, iv = figures(name, DosePlan(0.01)), figures(name, DosePlan(0.01, route="iv"))
    assert oral["f"] == pytest.approx(oral["auc_inf_mg_h_l"] / iv["auc_inf_mg_h_l"], rel=1e-4)
    assert all(0.0 <= oral[k] <= 1.0 for k in ("f", "fa", "fg", "fh"))


def test_a_kidney_clears_what_its_file_states() -> None:
    """26.6 L/h by kidney, filtration and secretion, out of a kidney that blood flows through once."""
    library = load_library()
    metformin = library.drug("metformin")
    stated = [w.law.clearance.value for w in metformin.clearances if w.organ == "kidney" and isinstance(w.law, InVivo)]
    assert plasma_clearances(metformin, library).kidney == pytest.approx(stated[0], rel=1e-9)
    f = figures("metformin", DosePlan(0.01, route="iv"))
    assert f["cl_f_l_h"] == pytest.approx(f["clearance_l_h"], rel=1e-4)


def test_a_logp_beyond_all_compounds_is_warned_about(tmp_path: Path) -> None:
    assert any("logP 11.2" in w for w in predict(drug(tmp_path, logp=11.2), DosePlan(1.0))["warnings"])
    assert not any("logP" in w and "outside" in w for w in predict(drug(tmp_path), DosePlan(1.0))["warnings"])


def test_quadrature_is_exact_for_exponentials_of_any_rate() -> None:
    at = nodes(0.0, 200.0, [12.0])
    for rate in (0.01, 1.0, 50.0):
        assert at.weights @ np.exp(-rate * at.times_h) == pytest.approx((1 - np.exp(-200 * rate)) / rate, rel=1e-9)
