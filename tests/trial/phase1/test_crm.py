"""The CRM against dfcrm, closed forms and its own limits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from twin_service.outcome import Refusal
from twin_service.trial.phase1.crm import FollowedPatients, Skeleton, crm, indifference_skeleton

S = Skeleton.create([0.05, 0.12, 0.25, 0.4, 0.55])


def test_nothing_seen_is_the_prior() -> None:
    fit = crm(S, FollowedPatients.create([], [], 5), 0.25)
    assert fit.estimate == pytest.approx(0, abs=1e-12)
    assert fit.variance == pytest.approx(1.34, rel=1e-9)
    np.testing.assert_allclose(fit.risk, S.risks, rtol=1e-9)
    assert fit.level == 2


def test_dfcrm_agrees(reference_dir: Path) -> None:
    """Estimates, risks and 90 % intervals of dfcrm 0.2-2.1. Its optimizer stops within 1e-4; its variance of the
    logistic maximum is an artifact of its quadrature (see the qualification)."""
    for case in json.loads((reference_dir / "trials/phase1/crm_dfcrm.json").read_text())["cases"]:
        intercept = case["intcpt"] if case["model"] == "logistic" else None
        skeleton = Skeleton.create(case["skeleton"], sd=case["scale"], intercept=intercept)
        seen = FollowedPatients.create([n - 1 for n in case["level"]], case["tox"], len(case["skeleton"]))
        mle = case["method"] == "mle"
        fit = crm(skeleton, seen, case["target"], likelihood_only=mle)
        tolerance = 2e-5 if mle else 1e-8
        assert fit.estimate == pytest.approx(case["estimate"], abs=tolerance)
        np.testing.assert_allclose(fit.risk, case["ptox"], atol=tolerance)
        assert fit.level + 1 == case["mtd"]
        if not (mle and intercept):
            np.testing.assert_allclose([fit.low, fit.high], [case["ptoxL"], case["ptoxU"]], atol=tolerance)


def test_partial_follow_up_and_skeletons_agree(reference_dir: Path) -> None:
    folder = reference_dir / "trials/phase1"
    case = json.loads((folder / "titecrm_dfcrm.json").read_text())["case"]
    share = np.minimum(np.array(case["followup"]) / case["obswin"], 1)
    seen = FollowedPatients.create([n - 1 for n in case["level"]], case["tox"], 6, share)
    fit = crm(Skeleton.create(case["skeleton"]), seen, case["target"])
    assert fit.estimate == pytest.approx(case["estimate"], abs=1e-9)
    np.testing.assert_allclose(fit.risk, case["ptox"], atol=1e-9)
    for case in json.loads((folder / "crm_skeletons.json").read_text())["cases"]:
        for name, intercept in (("empiric", None), ("logistic", 3.0)):
            made = indifference_skeleton(
                case["target"],
                case["nlevel"],
                prior_level=case["nu"] - 1,
                halfwidth=case["halfwidth"],
                intercept=intercept,
            )
            np.testing.assert_allclose(made, case[name], atol=1e-10)


def test_whole_follow_up_is_the_plain_method_and_none_says_nothing() -> None:
    plain = crm(S, FollowedPatients.create([0, 1, 1], [0, 0, 1], 5), 0.25)
    whole = crm(S, FollowedPatients.create([0, 1, 1], [0, 0, 1], 5, [1, 1, 0.1]), 0.25)
    assert whole.estimate == plain.estimate  # a toxicity counts whole whenever it came
    assert crm(S, FollowedPatients.create([3], [0], 5, [0.0]), 0.25).estimate == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (lambda: Skeleton.create([0.3, 0.2]), "skeleton"),
        (lambda: Skeleton.create([0.2, 0.3], sd=0), "sd"),
        (lambda: FollowedPatients.create([5], [0], 5), "level"),
        (lambda: FollowedPatients.create([0, 1], [0], 5), "patients"),
        (lambda: FollowedPatients.create([0], [2], 5), "toxic"),
        (lambda: FollowedPatients.create([0], [0], 5, [1.5]), "weight"),
        (lambda: crm(S, FollowedPatients.create([0], [0], 5), 0.25, likelihood_only=True), "toxic"),
        (lambda: indifference_skeleton(0.2, 5, prior_level=2, halfwidth=0.3), "halfwidth"),
    ],
)
def test_impossible_input_is_refused(ask, field: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Refusal) as caught:
        ask()
    assert caught.value.field == field
