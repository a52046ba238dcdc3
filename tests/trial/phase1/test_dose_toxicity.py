"""Posterior risk of doses against closed forms, published tables, and an independent quadrature."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit, logit
from scipy.stats import norm

from twin_service.outcome import Refusal
from twin_service.trial.phase1.dose_toxicity import (
    DoseOutcomes,
    DoseRisk,
    LogisticPrior,
    logistic_risk,
    power_risk,
    recommend_dose,
)

PRIOR = LogisticPrior(250.0, (2.15, 0.52), ((0.7056, 0.134), (0.134, 0.64)))
# Neuenschwander, Branson & Gsponer 2008: the trial of their example after the fifth cohort
SEEN = DoseOutcomes.create([1, 2.5, 5, 10, 25], [3, 4, 5, 4, 2], [0, 0, 0, 0, 2])
NOTHING = DoseOutcomes.create([], [], [])
DOSES = [1, 2.5, 5, 10, 15, 20, 25, 30, 40, 50]


def test_the_prior_at_the_reference_dose_is_logistic_normal() -> None:
    """There the slope has no say: logit p ~ N(2.15, 0.84^2)."""
    (risk,) = logistic_risk(PRIOR, NOTHING, [250.0], cuts=(0.7, 0.9))
    sd = np.sqrt(0.7056)
    wanted = np.diff([0, *norm.cdf((logit([0.7, 0.9]) - 2.15) / sd), 1])
    np.testing.assert_allclose(risk.shares, wanted, atol=1e-7)
    assert risk.median == pytest.approx(expit(2.15), abs=1e-5)
    assert risk.q025 == pytest.approx(expit(2.15 - 1.959964 * sd), abs=1e-5)
    draws = expit(2.15 + sd * norm.ppf((np.arange(20000) + 0.5) / 20000))
    assert (risk.mean, risk.sd) == pytest.approx((draws.mean(), draws.std()), abs=1e-5)


def test_the_posterior_is_what_importance_sampling_gives() -> None:
    """400,000 draws of the prior weighted by the likelihood: an error of the mean of 0.002 at most."""
    rng = np.random.default_rng(1)
    a, b = rng.multivariate_normal(PRIOR.mean, PRIOR.cov, 400_000).T
    log_weight = np.zeros(len(a))
    for d, n, y in zip(SEEN.doses, SEEN.patients, SEEN.toxicities, strict=True):
        p = expit(a + np.exp(b) * np.log(d / 250))
        log_weight += y * np.log(p) + (n - y) * np.log1p(-p)
    w = np.exp(log_weight - log_weight.max())
    w /= w.sum()
    for risk in logistic_risk(PRIOR, SEEN, [5.0, 25.0], cuts=(0.2, 0.35, 0.6)):
        p = expit(a + np.exp(b) * np.log(risk.dose / 250))
        assert risk.mean == pytest.approx(w @ p, abs=0.003)
        shares = [w @ ((p >= lo) & (p < hi)) for lo, hi in ((0, 0.2), (0.2, 0.35), (0.35, 0.6), (0.6, 1.1))]
        np.testing.assert_allclose(risk.shares, shares, atol=0.01)


def test_risk_rises_with_dose_and_with_toxicities() -> None:
    found = logistic_risk(PRIOR, SEEN, DOSES)
    assert all(a.mean < b.mean for a, b in zip(found, found[1:], strict=False))
    worse = DoseOutcomes.create([1, 2.5, 5, 10, 25], [3, 4, 5, 4, 2], [0, 0, 1, 1, 2])
    assert all(a.mean < b.mean for a, b in zip(found, logistic_risk(PRIOR, worse, DOSES), strict=True))
    for risk in found:
        assert risk.q025 < risk.median < risk.q975
        assert sum(risk.shares) == pytest.approx(1)


def test_the_unit_of_dose_does_not_matter() -> None:
    grams = LogisticPrior(0.25, PRIOR.mean, PRIOR.cov)
    in_g = DoseOutcomes.create(SEEN.doses / 1000, SEEN.patients, SEEN.toxicities)
    a, b = logistic_risk(PRIOR, SEEN, [25.0])[0], logistic_risk(grams, in_g, [0.025])[0]
    assert (a.mean, a.q975) == pytest.approx((b.mean, b.q975))


@pytest.mark.parametrize(
    ("skeleton", "mean", "sd"),
    [
        (
            [0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.1, 0.17, 0.3],
            [0.069, 0.085, 0.099, 0.111, 0.123, 0.144, 0.163, 0.242, 0.33, 0.465],
            [0.055, 0.062, 0.068, 0.072, 0.076, 0.082, 0.087, 0.101, 0.109, 0.108],
        )
    ],
)
def test_the_published_power_model(skeleton: list, mean: list, sd: list) -> None:
    """Table I of Neuenschwander, Branson & Gsponer 2008, from MCMC: good to 0.005."""
    found = power_risk(skeleton, SEEN, DOSES)
    np.testing.assert_allclose([r.mean for r in found], mean, atol=0.005)
    np.testing.assert_allclose([r.sd for r in found], sd, atol=0.005)


def test_power_prior_quantiles_are_exact() -> None:
    (risk,) = power_risk([0.2], NOTHING, [1.0], sd=1.0, cuts=(0.1, 0.4))
    assert risk.median == pytest.approx(0.2, abs=1e-5)
    assert risk.q025 == pytest.approx(0.2 ** np.exp(1.959964), abs=1e-5)
    below = [1 - norm.cdf(np.log(np.log(c) / np.log(0.2))) for c in (0.1, 0.4)]
    np.testing.assert_allclose(risk.shares, np.diff([0, *below, 1]), atol=1e-5)


def risk(dose: float, *shares: float) -> DoseRisk:
    return DoseRisk(dose, 0.0, 0.0, 0.0, 0.0, 0.0, shares)


def test_overdose_control() -> None:
    ladder = [risk(1, 0.9, 0.1, 0.0), risk(2, 0.6, 0.3, 0.1), risk(4, 0.3, 0.45, 0.25), risk(8, 0.1, 0.4, 0.5)]
    assert recommend_dose(ladder).dose == 4  # type: ignore[union-attr]
    assert recommend_dose(ladder, current=1).dose == 2  # type: ignore[union-attr]
    assert recommend_dose(ladder, overdose_max=0.05).dose == 1  # type: ignore[union-attr]
    assert recommend_dose([risk(1, 0.1, 0.2, 0.7)]) is None


def test_after_two_of_two_toxic_the_example_goes_down() -> None:
    """The source's point: at 25 mg, 2 of 2 were toxic; overdose control (0.35 to 1) forbids staying there."""
    found = logistic_risk(PRIOR, SEEN, DOSES, cuts=(0.2, 0.35))
    chosen = recommend_dose(found, current=25)
    assert chosen is not None and chosen.dose < 25
    assert next(r for r in found if r.dose == 25).overdose > 0.25


def test_an_independent_quadrature_agrees(reference_dir: Path) -> None:
    """Means and SDs to 1e-9; shares and quantiles to the step of that grid (1,201 points over 16 SD)."""
    cases = json.loads((reference_dir / "trials" / "phase1" / "blrm_reference.json").read_text())["cases"]
    for case in cases:
        data = case.get("data") or {"dose": [], "n": [], "dlt": []}
        prior = LogisticPrior(case["dref"], tuple(case["prior_mean"]), tuple(map(tuple, case["prior_cov"])))
        given = DoseOutcomes.create(data["dose"], data["n"], data["dlt"])
        wanted = case["posterior"]
        found = logistic_risk(prior, given, [w["dose"] for w in wanted], cuts=case["interval_cuts"][1:-1])
        for f, w in zip(found, wanted, strict=True):
            assert (f.mean, f.sd) == pytest.approx((w["mean"], w["sd"]), abs=1e-9)
            np.testing.assert_allclose(f.shares, w["interval_probs"], atol=1e-3)
            assert [f.q025, f.median, f.q975] == pytest.approx([w["q025"], w["median"], w["q975"]], abs=3e-3)


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (lambda: DoseOutcomes.create([1, 2], [3], [0]), "doses"),
        (lambda: DoseOutcomes.create([0], [3], [0]), "doses"),
        (lambda: DoseOutcomes.create([1], [3], [4]), "toxicities"),
        (lambda: DoseOutcomes.create([1], [2.5], [1]), "toxicities"),  # type: ignore[list-item]
        (lambda: logistic_risk(PRIOR, SEEN, [-1.0]), "doses"),
        (lambda: logistic_risk(PRIOR, SEEN, [1.0], cuts=(0.3, 0.2)), "cuts"),
        (lambda: logistic_risk(LogisticPrior(1.0, (0, 0), ((1.0, 1.0), (1.0, 1.0))), SEEN, [1.0]), "prior"),
        (lambda: power_risk([0.3, 0.2], NOTHING, [1, 2]), "skeleton"),
        (lambda: power_risk([0.2, 0.3], SEEN, [1, 2]), "doses"),
    ],
)
def test_impossible_input_is_refused(ask, field: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Refusal) as caught:
        ask()
    assert caught.value.field == field
