"""Mixture priors against conjugate algebra, published priors, sampling, and exact operating characteristics."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta, binom

from twin_service.outcome import Refusal
from twin_service.trial.borrow.borrowing import (
    BetaMixture,
    fitted_mixture,
    map_prior,
    probability_above,
    success_probability,
)

UNIFORM = BetaMixture.create([(1, 1, 1)])
# Baeten 2013, doi:10.1016/S0140-6736(13)61134-4: the placebo prior of the secukinumab trial
PUBLISHED = BetaMixture.create([(1, 11, 32)])
TWO = BetaMixture.create([(0.6, 18, 54), (0.4, 3.5, 9.5)])


def test_one_component_is_the_conjugate_beta() -> None:
    after = PUBLISHED.updated(1, 6)
    assert (after.a[0], after.b[0]) == (12, 37)
    assert after.mean == pytest.approx(12 / 49)
    assert after.quantile(0.3) == pytest.approx(beta.ppf(0.3, 12, 37))
    assert PUBLISHED.patients_by_moments == pytest.approx(43)
    assert PUBLISHED.patients_by_information == pytest.approx(43)


def test_updating_is_bayes_rule() -> None:
    """On a grid of rates: prior times likelihood, normalized."""
    p = (np.arange(20_000) + 0.5) / 20_000
    product = TWO.robust(0.2).pdf(p) * binom.pmf(5, 6, p)
    after = TWO.robust(0.2).updated(5, 6)
    np.testing.assert_allclose(after.pdf(p), product / product.mean(), rtol=1e-6)
    assert after.mean == pytest.approx(float(product @ p / product.sum()), abs=1e-7)
    assert after.sd == pytest.approx(float(np.sqrt(product @ (p - after.mean) ** 2 / product.sum())), abs=1e-6)


def test_contradiction_ends_borrowing() -> None:
    prior = TWO.robust(0.2)
    agreeing, contradicting = prior.updated(6, 24), prior.updated(20, 24)
    assert agreeing.weights[-1] < 0.2 < contradicting.weights[-1]
    assert contradicting.weights[-1] > 0.95
    assert contradicting.mean == pytest.approx(21 / 26, abs=0.02)
    assert TWO.updated(20, 24).mean < 0.65


def test_robust_priors_are_worth_fewer_patients() -> None:
    worth = [TWO.robust(w).patients_by_information for w in (0.0, 0.1, 0.2, 0.5, 0.9)]
    assert np.all(np.diff(worth) < 0)
    assert worth[-1] < 0.2 * worth[0]


def test_difference_of_posteriors_is_what_sampling_shows() -> None:
    rng = np.random.default_rng(1)
    treated, control = BetaMixture.create([(1, 15.5, 10)]), PUBLISHED.updated(1, 6)
    d = rng.beta(15.5, 10, 400_000) - rng.beta(12, 37, 400_000)
    for margin in (0.0, 0.2, -0.1):
        assert probability_above(treated, control, margin) == pytest.approx(np.mean(d > margin), abs=0.003)


def test_success_probability_is_what_simulation_shows() -> None:
    rng = np.random.default_rng(2)
    prior, rates = TWO.robust(0.2), (0.5, 0.3)
    exact = success_probability(UNIFORM, prior, (12, 6), rates)
    table = {
        (x, y): probability_above(UNIFORM.updated(x, 12), prior.updated(y, 6)) > 0.95
        for x in range(13)
        for y in range(7)
    }
    drawn = zip(rng.binomial(12, 0.5, 20_000), rng.binomial(6, 0.3, 20_000), strict=True)
    assert np.mean([table[pair] for pair in drawn]) == pytest.approx(exact, abs=0.012)


def test_borrowing_helps_where_controls_agree_and_errs_where_they_do_not() -> None:
    """Schmidli 2014's lesson: the robust prior gains power near the old rate and errs less far from it."""
    at = {
        name: [success_probability(UNIFORM, prior, (24, 6), r) for r in ((0.55, 0.25), (0.5, 0.5))]
        for name, prior in (("none", UNIFORM), ("all", PUBLISHED), ("robust", TWO.robust(0.2)))
    }
    assert at["all"][0] > at["robust"][0] > at["none"][0] + 0.2
    assert at["all"][1] > at["robust"][1] > at["none"][1]


def test_a_map_prior_is_what_sampling_gives() -> None:
    """Importance sampling of mu and tau from their priors, 100,000 draws."""
    r, n = [23, 12, 19, 9], [107, 44, 51, 39]
    rng = np.random.default_rng(3)
    mu, tau = 2 * rng.normal(size=100_000), np.abs(rng.normal(size=100_000))
    z, wz = np.polynomial.hermite_e.hermegauss(30)
    rate = 1 / (1 + np.exp(-(mu[:, None] + tau[:, None] * z)))
    weight = np.ones(len(mu))
    for rj, nj in zip(r, n, strict=True):
        weight *= binom.pmf(rj, nj, rate) @ wz / wz.sum()
    weight /= weight.sum()
    new = 1 / (1 + np.exp(-(mu + tau * rng.normal(size=len(mu)))))
    found = map_prior(r, n)
    assert found.tau == pytest.approx(float(weight @ tau), abs=0.02)
    assert found.mean == pytest.approx(float(weight @ new), abs=0.006)
    assert found.sd == pytest.approx(float(np.sqrt(weight @ (new - weight @ new) ** 2)), abs=0.006)
    assert fitted_mixture(found).mean == pytest.approx(found.mean, abs=1e-3)


def test_a_beta_is_fitted_by_itself() -> None:
    prior = map_prior([25, 30, 28], [100, 110, 105], tau_scale=1e-4)
    one = fitted_mixture(prior, 1)
    assert (one.mean, one.sd) == pytest.approx((prior.mean, prior.sd), rel=2e-2)


def test_reference_program(reference_dir: Path) -> None:
    """RBesT 1.9-0 for mixtures and designs; exact quadrature for the MAP priors of four data sets."""
    folder = reference_dir / "trials" / "sca"
    data = json.loads((folder / "rbest_reference.json").read_text())
    for case in data["beta_mixtures"]:
        mix = BetaMixture.create([tuple(c) for c in case["comps"].values()])
        assert (mix.mean, mix.sd) == pytest.approx((case["mean"], case["sd"]), abs=1e-7)
        assert mix.patients_by_information == pytest.approx(case["ess_elir"], abs=1e-4)
        assert mix.patients_by_moments == pytest.approx(case["ess_moment"], abs=1e-4)
    priors = {
        "uniform": UNIFORM,
        "lancet": PUBLISHED,
        "map2": TWO,
        "map2_rob20": TWO.robust(0.2),
        "rob20": TWO.robust(0.2),
    }
    for case in data["posterior_updates"]:
        after = priors[case["prior"]].updated(case["r"], case["n"])
        assert 1 - float(after.cdf(0.3)) == pytest.approx(case["p_gt_0.3"], abs=1e-7)
    treated = BetaMixture.create([(1, 0.5, 1)])
    for case in data["two_sample_oc"]:
        for rate, wanted in list(zip(case["theta"], case["type1"], strict=True))[::2]:
            found = success_probability(treated, priors[case["prior_control"]], (24, 6), (rate, rate))
            assert found == pytest.approx(wanted, abs=1e-6)
    for case in json.loads((folder / "map_prior_exact.json").read_text())["cases"][:2]:
        rows = list(csv.DictReader((folder / case["data"]).read_text().splitlines()))
        scale = 0.5 if "HalfNormal(0.5)" in case["model"] else 1.0
        prior = map_prior([int(float(x["r"])) for x in rows], [int(float(x["n"])) for x in rows], tau_scale=scale)
        assert (prior.mean, prior.sd) == pytest.approx((case["map"]["mean"], case["map"]["sd"]), abs=3e-5)
        assert prior.tau == pytest.approx(case["tau"]["mean"], abs=1e-4)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: BetaMixture.create([(0.5, 1, 1)]),
        lambda: BetaMixture.create([(1, 0, 1)]),
        lambda: TWO.updated(5, 4),
        lambda: TWO.robust(1.5),
        lambda: map_prior([5], [4]),
        lambda: map_prior([], []),
        lambda: map_prior([1], [4], tau_scale=0),
    ],
)
def test_impossible_input_is_refused(ask) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Refusal):
        ask()
