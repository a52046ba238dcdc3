"""Boundaries against published tables and a reference program, power against simulation and closed forms."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm, t

from twin_service.outcome import Refusal
from twin_service.trial.interim.group_sequential import (
    GroupSequentialDesign,
    conditional_power,
    drift_for_power,
    expected,
    haybittle_peto,
    hwang_shih_decani,
    inflation,
    obrien_fleming,
    pocock,
    power_family,
    predictive_power,
    shaped_design,
    spending_design,
)


def equal(k: int) -> list[float]:
    return [(i + 1) / k for i in range(k)]


@pytest.mark.parametrize(
    ("k", "pocock_constant", "obrien_constant", "pocock_inflation", "obrien_inflation"),
    [
        (2, 2.178, 1.977, 1.100, 1.007),
        (3, 2.289, 2.004, 1.151, 1.016),
        (4, 2.361, 2.024, 1.183, 1.022),
        (5, 2.413, 2.040, 1.207, 1.026),
    ],
)
def test_published_constants(
    k: int, pocock_constant: float, obrien_constant: float, pocock_inflation: float, obrien_inflation: float
) -> None:
    """Jennison & Turnbull 2000, tables 2.1 to 2.4: two-sided 5 %, power 90 %."""
    flat, falling = shaped_design(equal(k), delta=0.5), shaped_design(equal(k), delta=0.0)
    np.testing.assert_allclose(flat.upper, pocock_constant, atol=6e-4)
    np.testing.assert_allclose(falling.upper, obrien_constant / np.sqrt(equal(k)), atol=1.2e-3)
    assert inflation(flat) == pytest.approx(pocock_inflation, abs=1e-3)
    assert inflation(falling) == pytest.approx(obrien_inflation, abs=1e-3)


@pytest.mark.parametrize(
    "spending", [obrien_fleming, pocock, power_family(2.0), hwang_shih_decani(-4), hwang_shih_decani(0)]
)
def test_spending_is_kept_at_unequal_looks(spending) -> None:  # type: ignore[no-untyped-def]
    looks = [0.2, 0.55, 0.8, 1.0]
    design = spending_design(looks, spending)
    crossing = expected(design, 0.0).crossing
    np.testing.assert_allclose(np.cumsum(crossing), [spending(0.025, x) for x in looks], atol=1e-9)
    assert design.spent[-1] == pytest.approx(0.025)


def test_one_look_is_the_fixed_test() -> None:
    design = spending_design([1.0], obrien_fleming)
    assert design.upper[0] == pytest.approx(norm.isf(0.025))
    assert inflation(design) == pytest.approx(1.0)
    assert drift_for_power(design, 0.8) == pytest.approx(norm.isf(0.025) + norm.ppf(0.8))


@pytest.mark.parametrize("drift", [0.0, 2.0, 3.5])
def test_crossing_probabilities_are_what_simulation_shows(drift: float) -> None:
    """200,000 paths: a probability of 0.5 has a standard error of 0.0011."""
    looks = np.array([0.3, 0.6, 1.0])
    design = spending_design(looks, pocock)
    rng = np.random.default_rng(1)
    steps = np.diff(np.concatenate([[0.0], looks]))
    s = np.cumsum(drift * steps + np.sqrt(steps) * rng.normal(size=(200_000, 3)), axis=1)
    over = s / np.sqrt(looks) >= design.upper
    first = np.where(over.any(axis=1), over.argmax(axis=1), 3)
    found = expected(design, drift)
    np.testing.assert_allclose(found.crossing, np.bincount(first, minlength=4)[:3] / 200_000, atol=0.005)
    stop = np.where(first < 3, looks[np.minimum(first, 2)], 1.0)
    assert found.information == pytest.approx(stop.mean(), abs=0.003)


def test_conditional_power_before_the_last_look_has_a_closed_form() -> None:
    """Phi((z sqrt(t) + drift (1 - t) - b)/sqrt(1 - t)) with t = 0.5."""
    design = spending_design([0.5, 1.0], obrien_fleming)
    for z, drift in ((0.3, 1.0), (2.0, 3.0), (-1.0, 0.0)):
        wanted = norm.cdf((z * np.sqrt(0.5) + drift * 0.5 - design.upper[1]) / np.sqrt(0.5))
        assert conditional_power(design, 0, z, drift) == pytest.approx(wanted, abs=1e-10)


def test_conditional_power_over_several_looks_averages_to_the_power() -> None:
    design = spending_design([0.25, 0.5, 0.75, 1.0], pocock)
    drift = 2.5
    nodes, weights = np.polynomial.legendre.leggauss(200)
    z = design.upper[0] - 6 * (1 - nodes)
    density = norm.pdf(z - drift * np.sqrt(0.25)) * 6 * weights
    later = sum(d * conditional_power(design, 0, float(x), drift) for d, x in zip(density, z, strict=True))
    found = expected(design, drift)
    assert later + found.crossing[0] == pytest.approx(found.power, abs=1e-6)


def test_predictive_power_before_the_last_look_has_a_closed_form() -> None:
    """Under a flat prior S at the end given z is N(z/sqrt(t), 1/t - 1): Phi((z - b sqrt(t))/sqrt(1 - t))."""
    design = spending_design([0.6, 1.0], obrien_fleming)
    for z in (0.5, 1.5, 2.5):
        wanted = norm.cdf((z - design.upper[1] * np.sqrt(0.6)) / np.sqrt(0.4))
        assert predictive_power(design, 0, z) == pytest.approx(wanted, abs=1e-5)


def test_haybittle_peto_keeps_the_level() -> None:
    design = haybittle_peto(equal(3), early=3.0)
    assert expected(design, 0.0).power == pytest.approx(0.025, abs=1e-10)
    assert list(design.upper[:2]) == [3.0, 3.0]
    assert design.upper[2] > norm.isf(0.025)


def test_all_boundaries_of_the_reference_program(reference_dir: Path) -> None:
    """82 designs computed with rpact 3.3.4."""
    cases = json.loads((reference_dir / "trials" / "interim" / "group_sequential_boundaries.json").read_text())["cases"]
    assert len(cases) == 82
    for case in cases:
        wanted = np.array([np.nan if x in ("Inf", "NA") else float(x) for x in case["z_crit"]])
        np.testing.assert_allclose(rebuilt(case).upper[np.isfinite(wanted)], wanted[np.isfinite(wanted)], atol=2e-6)


def rebuilt(case: dict) -> GroupSequentialDesign:
    looks = np.array(case["info_rates"], dtype=float)
    looks, alpha, kind = looks / looks[-1], case["alpha_one_sided"], case["type"]
    if kind in ("P", "OF", "WT"):
        return shaped_design(looks, delta={"P": 0.5, "OF": 0.0, "WT": case.get("deltaWT")}[kind], alpha=alpha)
    if kind == "HP":
        return haybittle_peto(looks, alpha=alpha)
    spending = {"asOF": obrien_fleming, "asP": pocock}.get(kind)
    if spending is None:
        spending = hwang_shih_decani(case["gamma"]) if kind == "asHSD" else power_family(case["rho"])
    return spending_design(looks, spending, alpha=alpha)


def test_conditional_power_of_the_reference_program(reference_dir: Path) -> None:
    cases = json.loads((reference_dir / "trials" / "interim" / "conditional_power_rpact.json").read_text())
    design = spending_design([0.5, 1.0], obrien_fleming)
    for case in cases:
        statistic = case["mean_diff"] / (case["sd"] * np.sqrt(1 / case["n1"] + 1 / case["n2"]))
        z = norm.isf(t.sf(statistic, case["n1"] + case["n2"] - 2))
        # the planned 80 patients bring as much information as the first 80: drift over all of it
        drift = case["thetaH1"] / case["sd"] * np.sqrt(2 * case["nPlanned_total"] / 4)
        assert conditional_power(design, 0, float(z), float(drift)) == pytest.approx(float(case["cp"][1]), abs=1e-4)


@pytest.mark.parametrize("looks", [[], [0.5], [0.5, 0.5, 1.0], [0.0, 1.0], [0.7, 0.3, 1.0], [0.5, np.nan, 1.0]])
def test_impossible_looks_are_refused(looks: list) -> None:
    with pytest.raises(Refusal, match="information"):
        spending_design(looks, pocock)


def test_impossible_questions_are_refused() -> None:
    design = spending_design([0.5, 1.0], pocock)
    with pytest.raises(Refusal, match="alpha"):
        spending_design([1.0], pocock, alpha=0.7)
    with pytest.raises(Refusal, match="look"):
        conditional_power(design, 1, 0.0, 1.0)
    with pytest.raises(Refusal, match="power"):
        drift_for_power(design, 0.01)
    with pytest.raises(Refusal, match="early"):
        haybittle_peto([0.5, 1.0], early=1.0)
