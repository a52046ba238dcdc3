"""One code decides in the live trial and in the simulator; what it does on average is what others computed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from twin_service.outcome import Refusal
from twin_service.trial.phase1.crm import FollowedPatients, Skeleton, crm
from twin_service.trial.phase1.designs import Blrm, Boin, Crm, OverdoseControl, RuleOfThree
from twin_service.trial.phase1.dose_toxicity import DoseOutcomes, LogisticPrior, logistic_risk
from twin_service.trial.phase1.escalation_rules import three_plus_three, three_plus_three_next
from twin_service.trial.phase1.simulation import (
    Backfill,
    EscalationConduct,
    characteristics,
    simulate,
    simulate_rolling,
)

P = (0.05, 0.15, 0.3, 0.45, 0.6)
PRIOR = LogisticPrior(100, (-0.85, 0.5), ((1.0, -0.2), (-0.2, 0.64)))
DOSES = (10.0, 20.0, 40.0, 70.0, 100.0)
SKELETON = Skeleton.create([0.05, 0.12, 0.25, 0.4, 0.55])


def test_every_decision_of_three_plus_three(reference_dir: Path) -> None:
    """127 courses, whole and partial cohorts, with and without de-escalation."""
    cases = json.loads((reference_dir / "trials/phase1/three_plus_three_decisions.json").read_text())["cases"]
    for case in cases:
        n, y, at = [0] * case["num_doses"], [0] * case["num_doses"], 0
        for dose, outcomes in re.findall(r"(\d+)([NT]+)", case["outcomes"]):
            at = int(dose) - 1
            n[at], y[at] = n[at] + len(outcomes), y[at] + outcomes.count("T")
        dose, goes_on = (
            (0, True) if not sum(n) else three_plus_three_next(n, y, at, deescalate=case.get("allow_deescalate", False))
        )
        assert (None if dose is None else dose + 1, goes_on) == (case["recommended_dose"], case["cont"]), case


@pytest.mark.parametrize("deescalate", [False, True])
def test_simulated_three_plus_three_is_the_exact_one(deescalate: bool) -> None:
    exact = three_plus_three(P, deescalate=deescalate)
    found = simulate(RuleOfThree(5, deescalate), P, EscalationConduct(cohorts=20), 20_000, np.random.default_rng(1))
    seen = characteristics(found, P, 0.3)
    np.testing.assert_allclose(seen.selection, exact.declared, atol=0.012)
    np.testing.assert_allclose(seen.patients, exact.patients, atol=0.06)
    assert seen.toxicities == pytest.approx(exact.toxicities, abs=0.05)


def test_boin_does_what_its_own_program_says(reference_dir: Path) -> None:
    """BOIN 2.7.2, 10,000 trials there and here: three standard errors of the difference."""
    case = json.loads((reference_dir / "trials/phase1/boin_oc.json").read_text())
    conduct = EscalationConduct(cohorts=case["ncohort"], cohort=case["cohortsize"])
    found = simulate(Boin.create(5, case["target"]), case["p_true"], conduct, 10_000, np.random.default_rng(2))
    seen = characteristics(found, case["p_true"], case["target"])
    wanted = np.array(case["selpercent"]) / 100
    assert np.all(np.abs(seen.selection[1:] - wanted) < 3 * np.sqrt(2 * wanted * (1 - wanted) / 10_000))
    assert np.all(np.abs(seen.patients - case["npatients"]) < 3 * np.sqrt(2) * seen.patients_se)


def test_the_coarse_grid_decides_as_the_fine_one() -> None:
    design = Blrm(DOSES, PRIOR)
    n, y = (
        np.array([[3.0, 3, 6, 3, 0], [3, 0, 0, 0, 0], [0, 0, 0, 0, 0]]),
        np.array([[0.0, 0, 1, 2, 0], [0] * 5, [0] * 5]),
    )
    hit, over = design.shares(n, y)
    for row in range(3):
        fine = logistic_risk(PRIOR, DoseOutcomes.create(DOSES, n[row], y[row]), DOSES)  # type: ignore[arg-type]
        np.testing.assert_allclose(hit[row], [r.shares[1] for r in fine], atol=5e-4)
        np.testing.assert_allclose(over[row], [r.overdose for r in fine], atol=5e-4)


def test_the_crm_design_is_the_crm() -> None:
    design = Crm(SKELETON, 0.25, skip=True, coherent=False)
    n, y = np.array([[3.0, 3, 3, 0, 0], [0, 6, 0, 0, 0]]), np.array([[0.0, 0, 2, 0, 0], [0, 0, 0, 0, 0]])
    for row in range(2):
        level = np.repeat(np.arange(5), n[row].astype(int))
        toxic = np.concatenate([[1] * int(b) + [0] * int(a - b) for a, b in zip(n[row], y[row], strict=True)])
        fit = crm(SKELETON, FollowedPatients.create(level, toxic.astype(int), 5), 0.25)  # type: ignore[arg-type]
        at = np.array([int(level[-1])])
        assert design.next_level(n[[row]], y[[row]], at)[0] == fit.level
        partial = design.next_level_partial((level[None], toxic[None] > 0, np.ones((1, len(level)))), at)
        assert partial[0] == fit.level


def test_restrictions_of_the_crm() -> None:
    n, y, at = np.array([[3.0, 0, 0, 0, 0]]), np.zeros((1, 5)), np.array([0])
    assert Crm(SKELETON, 0.25, skip=True).next_level(n, y, at)[0] > 1
    assert Crm(SKELETON, 0.25).next_level(n, y, at)[0] == 1
    bad = np.array([[0.0, 3, 0, 0, 0]]), np.array([[0.0, 1, 0, 0, 0]]), np.array([1])
    assert Crm(SKELETON, 0.25).next_level(*bad)[0] <= 1
    toxic = np.array([[6.0, 0, 0, 0, 0]]), np.array([[5.0, 0, 0, 0, 0]]), at
    assert Crm(SKELETON, 0.25, safety=0.9).next_level(*toxic)[0] == -1


def test_overdose_control_limits_steps_and_stops() -> None:
    design = Blrm(DOSES, PRIOR)
    assert design.next_level(np.zeros((1, 5)), np.zeros((1, 5)), np.array([0]))[0] == 0
    assert design.next_level(np.array([[3.0, 0, 0, 0, 0]]), np.zeros((1, 5)), np.array([0]))[0] == 1
    assert design.next_level(np.array([[6.0, 0, 0, 0, 0]]), np.array([[5.0, 0, 0, 0, 0]]), np.array([0]))[0] == -1
    with pytest.raises(Refusal, match="step_max"):
        Blrm((10.0, 50.0), PRIOR)
    with pytest.raises(Refusal, match="order"):
        Blrm((20.0, 10.0), PRIOR)
    with pytest.raises(Refusal, match="overdose_control"):
        OverdoseControl.create(cuts=(0.4, 0.3))


def test_duration_and_dropouts_are_what_arithmetic_says() -> None:
    """Every cohort waits for three arrivals and a window: nothing toxic, five cohorts of 3 + 3."""
    conduct = EscalationConduct(cohorts=5, per_week=0.7, window_days=28)
    days = simulate(RuleOfThree(5), [0.0] * 5, conduct, 4000, np.random.default_rng(1)).days
    assert days.mean() == pytest.approx(5 * (3 * 10 + 28), rel=0.02)
    lossy = EscalationConduct(cohorts=5, per_week=0.7, window_days=28, dropout=0.25)
    days = simulate(RuleOfThree(5), [0.0] * 5, lossy, 4000, np.random.default_rng(1)).days
    assert days.mean() == pytest.approx(5 * (4 * 10 + 28), rel=0.02)


def test_backfill_treats_more_below_and_does_not_escalate_by_itself() -> None:
    rng, design = np.random.default_rng(1), Boin.create(5, 0.3)
    plain = simulate(design, P, EscalationConduct(cohorts=10), 2000, rng)
    filled = simulate(design, P, EscalationConduct(cohorts=10, backfill=Backfill(12)), 2000, rng)
    assert filled.patients.sum() > 1.3 * plain.patients.sum()
    assert filled.patients[:, 0].max() <= 12 + 3 * 10
    a, b = characteristics(plain, P, 0.3), characteristics(filled, P, 0.3)
    assert b.right > a.right - 0.03


def test_rolling_decisions_save_time() -> None:
    for design in (Boin.create(5, 0.3), Crm(SKELETON, 0.3)):
        whole = simulate(design, P, EscalationConduct(cohorts=8), 500, np.random.default_rng(1))
        rolling = simulate_rolling(design, P, EscalationConduct(cohorts=8), 500, np.random.default_rng(1))
        assert np.median(rolling.days) < 0.8 * np.median(whole.days)
        assert np.all(rolling.patients.sum(axis=1) <= 24)
        assert characteristics(rolling, P, 0.3).right > characteristics(whole, P, 0.3).right - 0.1


def test_without_delay_the_rolling_trial_is_the_sequential_one() -> None:
    """A window of almost no time: every outcome is known at the next arrival."""
    conduct = EscalationConduct(cohort=1, cohorts=20, window_days=1e-6)
    one = characteristics(simulate(Crm(SKELETON, 0.3), P, conduct, 3000, np.random.default_rng(1)), P, 0.3)
    two = characteristics(simulate_rolling(Crm(SKELETON, 0.3), P, conduct, 3000, np.random.default_rng(2)), P, 0.3)
    assert np.all(np.abs(one.selection - two.selection) < 4 * np.sqrt(2) * np.maximum(one.selection_se, 0.002))


@pytest.mark.parametrize(
    ("ask", "field"),
    [
        (lambda: simulate(RuleOfThree(5), [0.1], EscalationConduct(), 1, np.random.default_rng(1)), "risks"),
        (
            lambda: simulate(RuleOfThree(1), [0.1], EscalationConduct(start=3), 1, np.random.default_rng(1)),
            "conduct.start",
        ),
        (lambda: EscalationConduct.create(cohort=0), "conduct"),
        (lambda: EscalationConduct.create(dropout=1.0), "conduct"),
    ],
)
def test_impossible_trials_are_refused(ask, field: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Refusal) as caught:
        ask()
    assert caught.value.field == field
