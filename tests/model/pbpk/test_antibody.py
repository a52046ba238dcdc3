"""Antibodies: half-life and mass, a target that takes them away, and the course of a volunteer study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin_service.model.compose import compose
from twin_service.model.pbpk.antibody import antibody_files, build_antibody, read_antibody
from twin_service.outcome import Refusal
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate

TARGET = """
[target]
baseline = { value = 0.5, unit = "umol/L", origin = "test" }
kdeg = { value = 0.05, unit = "1/h", origin = "test" }
kon = { value = 1.0, unit = "L/umol/h", origin = "test" }
koff = { value = 0.01, unit = "1/h", origin = "test" }
kint = { value = 0.05, unit = "1/h", origin = "test" }
"""


def outputs(block: object, dose_umol: float, times: np.ndarray, route: str = "iv") -> dict[str, np.ndarray]:
    model = compose("m", {"b": block})  # type: ignore[dict-item]
    entry = next(r for r in model.routes if r.route == route)
    solution = simulate(model.system, model.values({}), Schedule((Dose(0.0, entry.input, dose_umol),)), times)
    assert solution.ok
    return {k.removeprefix("b."): solution.outputs[0, :, i] for k, i in model.system.output_index.items()}


def test_half_life_is_three_weeks_and_nothing_is_lost() -> None:
    times = np.linspace(1.0, 24.0 * 84, 600)
    out = outputs(build_antibody("tefibazumab"), 10.0, times)
    late = times > 24 * 28
    half_life_d = np.log(2) / -np.polyfit(times[late], np.log(out["plasma"][late]), 1)[0] / 24.0
    # Reilley 2005, Antimicrob Agents Chemother 49:959: about 22 days in volunteers
    assert half_life_d == pytest.approx(22.0, rel=0.3)
    np.testing.assert_allclose(out["tefibazumab_in_body"] + out["tefibazumab_metabolized"], 10.0, rtol=1e-6)


def test_levels_of_volunteers_after_10_mg_kg() -> None:
    # Reilley 2005, Antimicrob Agents Chemother 49:959: 248 mg/L after the infusion, 16.3 mg/L on day 56
    times = np.array([1.25, 24.0 * 56])
    level = outputs(build_antibody("tefibazumab"), 10.0 * 71.0 * 1000.0 / 150000.0, times)["tefibazumab_level"]
    assert level[0] == pytest.approx(248.0, rel=0.25)
    assert level[1] == pytest.approx(16.3, rel=0.5)


def test_a_target_takes_small_doses_faster(tmp_path: Path) -> None:
    path = tmp_path / "tefibazumab.toml"
    path.write_text(antibody_files()["tefibazumab"].read_text(encoding="utf-8") + TARGET, encoding="utf-8")
    times = np.linspace(0.0, 24.0 * 28, 400)
    areas = [np.trapezoid(outputs(build_antibody(path), d, times)["plasma"], times) / d for d in (0.5, 50.0)]
    assert areas[1] > 2.0 * areas[0]
    out = outputs(build_antibody(path), 5.0, times[1:])
    np.testing.assert_allclose(out["tefibazumab_in_body"] + out["tefibazumab_metabolized"], 5.0, rtol=1e-6)


def test_subcutaneous_doses_arrive_late_and_in_part() -> None:
    times = np.linspace(1.0, 24.0 * 60, 500)
    iv, sc = (outputs(build_antibody("tefibazumab"), 1.0, times, r)["plasma"] for r in ("iv", "sc"))
    assert 48.0 < times[np.argmax(sc)] < 24.0 * 12
    assert sc.max() < iv.max()


def test_mistakes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text('id = "x"\nmolar_mass = { value = 150, unit = "kg", origin = "" }\n', encoding="utf-8")
    with pytest.raises(Refusal, match="catabolism.clearance: is missing"):
        read_antibody(path)
    with pytest.raises(Refusal, match="known: .*tefibazumab"):
        build_antibody("nomab")


OWN = """
id = "ownmab"
version = "1"
title = "Own antibody"
molar_mass = { value = 149, unit = "kDa", origin = "test" }
[catabolism]
clearance = { value = 0.24, unit = "L/d", origin = "test" }
"""


def test_a_clearance_alone_makes_an_antibody_and_says_what_is_assumed(tmp_path: Path) -> None:
    path = tmp_path / "ownmab.toml"
    path.write_text(OWN, encoding="utf-8")
    said = read_antibody(path)
    assert said["catabolism.uptake"] * (1 - said["catabolism.recycled"]) == pytest.approx(0.01)
    model = compose("m", {"b": build_antibody(path)})
    times = np.linspace(0.0, 4000.0, 8001)
    solution = simulate(model.system, model.values({}), Schedule((Dose(0.0, "b.ownmab_iv", 1.0, 1.0),)), times)
    area = float(np.trapezoid(solution.outputs[0, :, model.system.output_index["b.plasma"]], times))
    assert 1.0 / area == pytest.approx(0.01, rel=0.01)
    assert sum("typical IgG" in w for w in model.warnings({})) == 5


def test_two_ways_to_say_a_clearance_are_one_too_many(tmp_path: Path) -> None:
    path = tmp_path / "ownmab.toml"
    path.write_text(OWN + 'uptake = { value = 0.1, unit = "L/h", origin = "test" }\n', encoding="utf-8")
    with pytest.raises(Refusal, match=r"clearance is uptake \(1 - recycled\) \(R11\)"):
        read_antibody(path)
    path.write_text(OWN.replace("ownmab", "other").replace("149", "149000"), encoding="utf-8")
    with pytest.raises(Refusal, match="they must agree") as refusal:
        read_antibody(path)
    assert "molar_mass: is 149000 kDa" in refusal.value.message
