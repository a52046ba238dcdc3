"""A user's own drug file: closed forms, populations, refusals."""

from __future__ import annotations

from pathlib import Path

import pytest

from twin_service.fit.predict.predict import DosePlan, predict
from twin_service.outcome import Refusal

FILE = """
id = "mydrug"
version = "1"
title = "My drug"
molar_mass = { value = 371.4, unit = "g/mol", origin = "test" }
logp = { value = 1.8, unit = "1", origin = "test" }
fup = { value = 0.3, unit = "1", origin = "test" }
bp = { value = 1.0, unit = "1", origin = "test" }
gfr_fraction = { value = 0, unit = "1", origin = "test" }
[distribution]
vss = { value = 1.0, unit = "L/kg", origin = "test" }
[[clearance]]
organ = "liver"
law = "in_vivo"
clearance = { value = 20, unit = "L/h", origin = "test" }
"""


@pytest.fixture
def drug(tmp_path: Path) -> Path:
    path = tmp_path / "mydrug.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_a_stated_clearance_and_volume_come_back(drug: Path) -> None:
    figures = predict(drug, DosePlan(100.0, route="iv", duration_h=1.0))["figures"]
    assert figures["predict.clearance_l_h"] == pytest.approx(20.0, rel=1e-6)
    assert figures["predict.auc_inf_mg_h_l"] == pytest.approx(5.0, rel=0.01)
    assert figures["predict.vss_l_kg"] == pytest.approx(1.0, rel=1e-6)


def test_oral_availability_is_what_the_liver_leaves(drug: Path) -> None:
    iv = predict(drug, DosePlan(100.0, route="iv", duration_h=1.0))["figures"]["predict.auc_inf_mg_h_l"]
    oral = predict(drug, DosePlan(100.0))["figures"]["predict.auc_inf_mg_h_l"]
    # F = 1 - CL/Q with Q the reference man's liver blood flow, 25.5 % of 390 L/h, times the absorbed fraction near 1
    assert oral / iv == pytest.approx(1.0 - 20.0 / 99.5, rel=0.05)


def test_a_population_spreads_around_the_typical_person(drug: Path) -> None:
    plan = DosePlan(100.0, count=4, interval_h=12.0, population=64, seed=3)
    figures = predict(drug, plan)["figures"]
    assert figures["predict.auc_mg_h_l_q05"] < figures["predict.auc_mg_h_l"] < figures["predict.auc_mg_h_l_q95"]
    assert predict(drug, plan)["figures"] == figures


def test_named_times_are_answered(drug: Path) -> None:
    result = predict(drug, DosePlan(100.0), {"weight_kg": 60.0, "sex_female": 1.0}, times_h=[1.0, 4.0, 8.0])
    assert result["time_h"] == [1.0, 4.0, 8.0]
    assert all(c > 0 for c in result["concentration_mg_l"])
    assert any("permeability" in w for w in result["warnings"])


@pytest.mark.parametrize(
    ("plan", "person", "says"),
    [
        (DosePlan(-1.0), {}, "dose_mg is -1.0"),
        (DosePlan(1.0, route="nasal"), {}, "has no route 'nasal'; it has: iv, oral"),
        (DosePlan(1.0), {"wieght_kg": 70.0}, "did you mean .weight_kg.. known: age_y"),
        (DosePlan(1.0), {"age_y": 400.0}, "expected 0 to 95"),
        (DosePlan(1.0, formulation="patch"), {}, "'patch' is unknown"),
        (DosePlan(1.0, population=10**6), {}, "at most 10000"),
    ],
)
def test_bad_requests_say_what_is_expected(drug: Path, plan: DosePlan, person: dict[str, float], says: str) -> None:
    with pytest.raises(Refusal, match=says):
        predict(drug, plan, person)


def test_a_wrong_file_is_refused_with_all_its_mistakes(drug: Path) -> None:
    drug.write_text(FILE.replace("0.3", "3.0").replace('"in_vivo"', '"guess"'), encoding="utf-8")
    with pytest.raises(Refusal) as refusal:
        predict(drug, DosePlan(1.0))
    assert "fup" in refusal.value.message and "'guess' is unknown" in refusal.value.message
