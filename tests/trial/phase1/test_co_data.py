"""Priors from earlier trials, and two agents, against closed forms and the single-agent quadrature."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.outcome import Refusal
from twin_service.trial.phase1.co_data import Exchangeable, map_prior
from twin_service.trial.phase1.dose_toxicity import DoseOutcomes, LogisticPrior, logistic_risk
from twin_service.trial.phase1.two_agents import PairPrior, pair_given, pair_risk

NOTHING = DoseOutcomes.create([], [], [])
EARLIER = DoseOutcomes.create([10, 25, 50], [6, 6, 6], [0, 1, 3])
HYPER = Exchangeable(50, (-1.0, 0.2), (1.5, 0.6), (0.5, 0.25))


def test_without_co_data_the_predictive_prior_is_normal() -> None:
    """mu ~ N(m, s^2) and a | mu ~ N(mu, tau^2) give a ~ N(m, s^2 + tau^2)."""
    closed = LogisticPrior(50, HYPER.mean, ((1.5**2 + 0.25, 0.0), (0.0, 0.36 + 0.0625)))
    for a, b in zip(
        logistic_risk(map_prior(HYPER, []), EARLIER, [10, 50]), logistic_risk(closed, EARLIER, [10, 50]), strict=True
    ):
        assert (a.mean, a.sd, a.overdose) == pytest.approx((b.mean, b.sd, b.overdose), abs=1e-6)


def test_a_trial_just_like_it_is_nearly_as_good_as_more_patients() -> None:
    """As tau falls, borrowing becomes pooling; as it rises, the earlier trial is forgotten."""
    pooled = logistic_risk(LogisticPrior(50, HYPER.mean, ((1.5**2, 0), (0, 0.36))), EARLIER, [50])[0]
    alike = Exchangeable(50, HYPER.mean, HYPER.sd, (0.06, 0.03))
    close = logistic_risk(map_prior(alike, [EARLIER]), NOTHING, [50])[0]
    assert (close.mean, close.sd) == pytest.approx((pooled.mean, pooled.sd), abs=2e-3)
    spread = [
        logistic_risk(map_prior(Exchangeable(50, HYPER.mean, HYPER.sd, (t, t / 2)), [EARLIER]), NOTHING, [50])[0].sd
        for t in (0.1, 0.5, 2.0)
    ]
    assert spread == sorted(spread)


def test_unknown_tau_is_an_average_over_tau() -> None:
    """A log-normal tau by 200,000 draws of (tau, mu, a, b), weighted by the earlier trial's own parameters."""
    hyper = Exchangeable(50, HYPER.mean, HYPER.sd, (0.5, 0.25), (0.4, 0.4))
    rng = np.random.default_rng(3)
    n = 200_000
    tau = np.array(hyper.tau_median) * np.exp(0.4 * rng.standard_normal((n, 2)))
    mu = np.array(hyper.mean) + np.array(hyper.sd) * rng.standard_normal((n, 2))
    old, new = mu + tau * rng.standard_normal((n, 2)), mu + tau * rng.standard_normal((n, 2))
    log_weight = np.zeros(n)
    for d, m, y in zip(EARLIER.doses, EARLIER.patients, EARLIER.toxicities, strict=True):
        p = 1 / (1 + np.exp(-old[:, 0] - np.exp(old[:, 1]) * np.log(d / 50)))
        log_weight += y * np.log(p) + (m - y) * np.log1p(-p)
    w = np.exp(log_weight - log_weight.max())
    wanted = float(w @ (1 / (1 + np.exp(-new[:, 0]))) / w.sum())
    assert logistic_risk(map_prior(hyper, [EARLIER]), NOTHING, [50])[0].mean == pytest.approx(wanted, abs=0.004)


def test_a_robust_prior_lies_between() -> None:
    vague = LogisticPrior(50, (0.0, 0.0), ((4.0, 0.0), (0.0, 1.0)))
    mean = {
        w: logistic_risk(map_prior(HYPER, [EARLIER], vague=vague, vague_weight=w), NOTHING, [25])[0].mean
        for w in (0.0, 0.3)
    }
    alone = logistic_risk(vague, NOTHING, [25])[0].mean
    assert mean[0.3] == pytest.approx(0.7 * mean[0.0] + 0.3 * alone, abs=2e-3)


def test_hyper_priors_are_checked() -> None:
    for bad in (Exchangeable(50, (0, 0), (0, 1), (0.5, 0.5)), Exchangeable(50, (0, 0), (1, 1), (0.5, 0.5), (-1, 0))):
        with pytest.raises(Refusal, match="hyper"):
            map_prior(bad, [])
    with pytest.raises(Refusal, match="tau_median"):
        map_prior(Exchangeable(50, (0, 0), (2, 2), (0.001, 0.5)), [])


FIRST = LogisticPrior(250, (2.15, 0.52), ((0.7056, 0.134), (0.134, 0.64)))
SECOND = LogisticPrior(100, (-1.0, 0.0), ((1.0, 0.0), (0.0, 1.0)))
SEEN = ([1, 2.5, 5, 10, 25], [3, 4, 5, 4, 2], [0, 0, 0, 0, 2])


def test_a_second_drug_never_given_changes_nothing() -> None:
    """At (d, 0) the pair's model is the single one, whose quadrature is exact; five standard errors of the sum."""
    exact = logistic_risk(FIRST, DoseOutcomes.create(*SEEN), [20, 25], cuts=(0.2, 0.35))
    found = pair_risk(
        PairPrior(FIRST, SECOND),
        pair_given([(d, 0.0) for d in SEEN[0]], *SEEN[1:]),
        [(20, 0), (25, 0)],
        cuts=(0.2, 0.35),
    )
    for e, f in zip(exact, found, strict=True):
        assert f.error < 0.003
        assert f.mean == pytest.approx(e.mean, abs=1e-3)
        np.testing.assert_allclose(f.shares, e.shares, atol=5 * f.error)


def test_without_interaction_and_data_risks_add_up_as_independent() -> None:
    """1 - (1 - p1)(1 - p2) has mean 1 - E(1 - p1) E(1 - p2) before any data."""
    prior = PairPrior(FIRST, SECOND, 0.0, 1e-6)
    one = logistic_risk(FIRST, NOTHING, [100])[0].mean
    two = logistic_risk(SECOND, NOTHING, [50])[0].mean
    (found,) = pair_risk(prior, pair_given([], [], []), [(100, 50)])
    assert found.mean == pytest.approx(1 - (1 - one) * (1 - two), abs=2e-3)


def test_synergy_shows() -> None:
    before = PairPrior(FIRST, SECOND)
    seen = pair_given([(10, 25), (10, 50)], [6, 6], [0, 5])
    quiet = pair_given([(10, 25), (10, 50)], [6, 6], [0, 1])
    assert pair_risk(before, seen, [(10, 50)])[0].mean > pair_risk(before, quiet, [(10, 50)])[0].mean + 0.2


def test_pairs_are_checked() -> None:
    with pytest.raises(Refusal, match="doses"):
        pair_given([(0, 0)], [3], [0])
    with pytest.raises(Refusal, match="toxicities"):
        pair_given([(1, 1)], [3], [4])
