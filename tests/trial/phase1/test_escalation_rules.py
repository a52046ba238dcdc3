"""Bedside tables against the source's own, and 3 + 3 against enumeration of every path."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from twin_service.outcome import Refusal
from twin_service.trial.phase1.escalation_rules import boin_selection, boin_table, three_plus_three


def test_published_boundaries() -> None:
    """Liu & Yuan 2015, table 1: for targets 0.15 to 0.40 the pair (lambda_e, lambda_d)."""
    published = {
        0.15: (0.118, 0.179),
        0.2: (0.157, 0.238),
        0.25: (0.197, 0.298),
        0.3: (0.236, 0.358),
        0.35: (0.276, 0.419),
        0.4: (0.316, 0.479),
    }
    for target, (low, high) in published.items():
        table = boin_table(target)
        assert (table.escalate_below, table.deescalate_above) == pytest.approx((low, high), abs=1.1e-3)


def test_the_table_follows_from_the_numbers() -> None:
    table = boin_table(0.3, 12)
    for n in range(1, 13):
        up, down = table.escalate_at_most[n - 1], table.deescalate_at_least[n - 1]
        assert up / n <= table.escalate_below < (up + 1) / n
        assert (down - 1) / n < table.deescalate_above <= down / n
    assert table.eliminate_at_least[:2] == (None, None)
    assert table.eliminate_at_least[2] == 3


def test_selection_pools_doses_that_are_out_of_order() -> None:
    assert boin_selection(0.3, [3, 3, 15, 9, 0], [0, 0, 4, 4, 0]) == 2
    assert boin_selection(0.3, [6, 6, 6], [2, 1, 4]) == 1
    assert boin_selection(0.3, [3, 0, 0], [3, 0, 0]) is None
    assert boin_selection(0.3, [0, 0], [0, 0]) is None


def test_three_plus_three_is_the_average_over_all_paths() -> None:
    """20,000 simulated trials by the rule as told in words."""
    rng = np.random.default_rng(1)
    p = np.array([0.1, 0.25, 0.45])
    exact = three_plus_three(p)
    declared, patients = np.zeros(4), np.zeros(3)
    for _ in range(20_000):
        level = 0
        while level < 3:
            y = rng.binomial(3, p[level])
            patients[level] += 3
            if y == 1:
                more = rng.binomial(3, p[level])
                patients[level] += 3
                y += more
                if y > 1:
                    break
            elif y > 1:
                break
            level += 1
        declared[level] += 1
    np.testing.assert_allclose(exact.declared, declared / 20_000, atol=0.012)
    np.testing.assert_allclose(exact.patients, patients / 20_000, atol=0.06)
    assert exact.toxicities == pytest.approx(float(exact.patients @ p))


@pytest.mark.parametrize("deescalate", [False, True])
def test_certain_outcomes(deescalate: bool) -> None:
    safe = three_plus_three([0.0, 0.0], deescalate=deescalate)
    np.testing.assert_allclose(safe.declared, [0, 0, 1])
    np.testing.assert_allclose(safe.patients, [3, 3])
    toxic = three_plus_three([1.0, 1.0], deescalate=deescalate)
    np.testing.assert_allclose(toxic.declared, [1, 0, 0])
    np.testing.assert_allclose(toxic.patients, [3, 0])


def test_probabilities_sum_to_one_and_deescalation_treats_more() -> None:
    p = [0.05, 0.15, 0.3, 0.45, 0.6]
    up, down = three_plus_three(p), three_plus_three(p, deescalate=True)
    assert up.declared.sum() == pytest.approx(1) == pytest.approx(down.declared.sum())
    assert down.patients.sum() > up.patients.sum()
    assert down.declared[0] > up.declared[0]


def test_reference_programs(reference_dir: Path) -> None:
    """BOIN 2.7.2: tables and selections; bcrm: exact 3 + 3 with and without de-escalation."""
    folder = reference_dir / "trials" / "phase1"
    for case in json.loads((folder / "boin_boundaries.json").read_text())["cases"]:
        table = boin_table(case["target"], len(case["n"]), too_low=case["p_saf"], too_high=case["p_tox"])
        assert list(table.escalate_at_most) == case["escalate_if_le"]
        assert list(table.deescalate_at_least) == case["deescalate_if_ge"]
        assert list(table.eliminate_at_least) == case["eliminate_if_ge"]
    for case in json.loads((folder / "boin_select_mtd.json").read_text())["cases"]:
        place = boin_selection(case["target"], case["npts"], case["ntox"])
        assert (99 if place is None else place + 1) == case["mtd"]
    for case in json.loads((folder / "three_plus_three_oc_exact.json").read_text())["cases"]:
        found = three_plus_three(case["p_true"], deescalate=not case["escalation_only"])
        np.testing.assert_allclose(found.declared, case["mtd_prob_0_to_J"], atol=1e-9)
        assert found.patients.sum() == pytest.approx(case["expected_n"], abs=1e-8)
        assert found.toxicities == pytest.approx(case["expected_dlt"], abs=1e-8)


def test_impossible_input_is_refused() -> None:
    with pytest.raises(Refusal, match="target"):
        boin_table(0.3, too_low=0.4)
    with pytest.raises(Refusal, match="toxicities"):
        boin_selection(0.3, [3], [4])
    with pytest.raises(Refusal, match="risks"):
        three_plus_three([1.2])
