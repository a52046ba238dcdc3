"""ANCOVA against closed forms, the textbook sandwich, a published trial table, and simulation of its promises."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from twin_service.outcome import Refusal
from twin_service.trial.adjust.ancova import ancova

ERRORS = ("classical", "HC0", "HC1", "HC2", "HC3")


def trial(rng: np.random.Generator, n: int = 120, *, share: float = 0.5, slope1: float = 1.0) -> tuple[np.ndarray, ...]:
    w = (rng.permutation(n) < share * n).astype(float)
    x = rng.normal(size=n)
    y = 2 + 0.5 * w + np.where(w == 1, slope1, 1.0) * x + rng.normal(size=n)
    return y, w, x


def test_without_covariates_it_is_students_t_test() -> None:
    y, w, _ = trial(np.random.default_rng(1))
    effect = ancova(y, w, errors="classical")
    student = stats.ttest_ind(y[w == 1], y[w == 0])
    interval = student.confidence_interval(0.95)
    assert effect.estimate == pytest.approx(y[w == 1].mean() - y[w == 0].mean())
    assert effect.p == pytest.approx(student.pvalue)
    assert (effect.low, effect.high) == pytest.approx((interval.low, interval.high))
    assert effect.df == student.df


def test_hc2_without_covariates_is_welchs_variance() -> None:
    y, w, _ = trial(np.random.default_rng(2), share=0.3)
    one, zero = y[w == 1], y[w == 0]
    welch = np.sqrt(one.var(ddof=1) / len(one) + zero.var(ddof=1) / len(zero))
    assert ancova(y, w, errors="HC2").se == pytest.approx(welch)


@pytest.mark.parametrize("errors", ERRORS)
def test_errors_follow_their_definition(errors: str) -> None:
    """The textbook n x n formulas, with no QR and no shortcuts."""
    y, w, x = trial(np.random.default_rng(3), 40)
    X = np.column_stack([np.ones(40), w, x - x.mean()])
    inverse = np.linalg.inv(X.T @ X)
    u = y - X @ inverse @ X.T @ y
    h = np.diag(X @ inverse @ X.T)
    diagonal = {
        "classical": np.full(40, u @ u / 37),
        "HC0": u**2,
        "HC1": u**2 * 40 / 37,
        "HC2": u**2 / (1 - h),
        "HC3": u**2 / (1 - h) ** 2,
    }[errors]
    covariance = inverse @ X.T @ np.diag(diagonal) @ X @ inverse
    assert ancova(y, w, x, errors=errors).se == pytest.approx(np.sqrt(covariance[1, 1]))


def test_interactions_are_two_regressions_compared_at_the_common_mean() -> None:
    y, w, x = trial(np.random.default_rng(4), share=0.3, slope1=2.0)
    at_mean = []
    for arm in (1, 0):
        line = stats.linregress(x[w == arm], y[w == arm])
        at_mean.append(line.intercept + line.slope * x.mean())
    assert ancova(y, w, x, interactions=True).estimate == pytest.approx(at_mean[0] - at_mean[1])


def test_adjustment_ignores_shifts_and_scales_of_covariates() -> None:
    y, w, x = trial(np.random.default_rng(5))
    a, b = ancova(y, w, x), ancova(y, w, 1e6 + 1e-3 * x)
    assert (a.estimate, a.se) == pytest.approx((b.estimate, b.se), rel=1e-6)


def test_the_endpoint_scales_the_effect() -> None:
    y, w, x = trial(np.random.default_rng(6))
    a, b = ancova(y, w, x), ancova(10 * y + 3, w, x)
    assert (b.estimate, b.se, b.p) == pytest.approx((10 * a.estimate, 10 * a.se, a.p))


def test_swapping_arms_turns_the_sign() -> None:
    y, w, x = trial(np.random.default_rng(7))
    a, b = ancova(y, w, x), ancova(y, 1 - w, x)
    assert (b.estimate, b.low, b.high) == pytest.approx((-a.estimate, -a.high, -a.low))
    assert (b.n_treated, b.n_control) == (a.n_control, a.n_treated)


def test_intervals_cover_and_nothing_is_biased() -> None:
    """1,000 trials with unequal slopes and sizes: coverage of 95 % has a standard error of 0.7 points."""
    rng = np.random.default_rng(8)
    found = [ancova(*trial(rng, 100, share=0.3, slope1=2.0), interactions=True) for _ in range(1000)]
    covered = np.mean([e.low <= 0.5 <= e.high for e in found])
    estimates = np.array([e.estimate for e in found])
    assert 0.93 <= covered <= 0.97
    assert abs(estimates.mean() - 0.5) < 4 * estimates.std() / np.sqrt(1000)


def test_cdisc_pilot_primary_endpoint_is_the_published_table(reference_dir: Path) -> None:
    """Table 14-3.01 of the CDISC pilot submission: change of ADAS-Cog at week 24 by dose, site group and baseline."""
    folder = reference_dir / "trials"
    wanted = json.loads((folder / "sca" / "cdisc_pilot_efficacy.json").read_text())["diff_vs_placebo"]
    with gzip.open(folder / "cdisc_pilot" / "adam_adqsadas.csv.gz", "rt") as file:
        rows = [r for r in csv.DictReader(file) if r["PARAMCD"] == "ACTOT" and float(r["AVISITN"] or -1) == 24]
    rows = [r for r in rows if r["ANL01FL"] == r["EFFFL"] == r["ITTFL"] == "Y"]
    sites = sorted({r["SITEGR1"] for r in rows})[1:]
    y = [float(r["CHG"]) for r in rows]
    for dose, word, other in (("Low", "Low", "High"), ("High", "High", "Low")):
        x = [[other in r["TRTP"], float(r["BASE"]), *(r["SITEGR1"] == s for s in sites)] for r in rows]
        effect = ancova(y, [word in r["TRTP"] for r in rows], x, errors="classical")
        assert effect.estimate == pytest.approx(wanted[dose]["est"], abs=1e-5)
        assert effect.se == pytest.approx(wanted[dose]["se"], abs=1e-5)
        assert effect.p == pytest.approx(wanted[dose]["p"], abs=1e-5)
        assert [effect.low, effect.high] == pytest.approx(wanted[dose]["ci"], abs=1e-5)


@pytest.mark.parametrize(
    ("y", "w", "x", "field"),
    [
        ([1, 2, 3], [0, 1], None, "treatment"),
        ([1, 2, 3, np.nan], [0, 1, 0, 1], None, "y"),
        ([1, 2, 3, 4], [0, 1, 2, 1], None, "treatment"),
        ([1, 2, 3, 4], [0, 0, 0, 1], None, "treatment"),
        ([1, 2, 3, 4, 5], [0, 1, 0, 1, 1], [1, 1, 1, 1, 1], "covariates"),
        ([1, 2, 3, 4, 5], [0, 1, 0, 1, 1], [0, 1, 0, 1, 1], "covariates"),
        ([1, 2, 3, 4], [0, 1, 0, 1], [[1, 2], [2, 1], [3, 5], [4, 0]], "covariates"),
        ([1, 2, 3, 4], [0, 1, 0, 1], [1, 2, np.inf, 3], "covariates"),
    ],
)
def test_bad_data_is_refused_by_field(y: list, w: list, x: list | None, field: str) -> None:
    with pytest.raises(Refusal) as caught:
        ancova(y, w, x)
    assert caught.value.field == field


def test_bad_options_are_refused() -> None:
    y, w, x = trial(np.random.default_rng(9))
    with pytest.raises(Refusal, match="HC9"):
        ancova(y, w, x, errors="HC9")  # type: ignore[arg-type]
    with pytest.raises(Refusal, match="level"):
        ancova(y, w, x, level=95)
