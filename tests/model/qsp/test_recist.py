"""RECIST 1.1: choice of targets, sums, response at each scan, forecasts."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.model.qsp.recist import (
    Lesion,
    RecistResponse,
    Scan,
    best_response,
    categories,
    response_probabilities,
    responses,
    sum_of_diameters,
    target_lesions,
)
from twin_service.outcome import Refusal


def scan(day: float, *sizes: float | None, new: bool = False, nontarget: RecistResponse | None = None) -> Scan:
    lesions = tuple(Lesion(f"L{i}", f"organ{i}", s) for i, s in enumerate(sizes))
    return Scan(24.0 * day, lesions, new, nontarget)


def test_targets_are_the_largest_measurable_five_and_two_per_organ() -> None:
    baseline = [
        Lesion("a", "liver", 50.0),
        Lesion("b", "liver", 40.0),
        Lesion("c", "liver", 30.0),
        Lesion("d", "lung", 9.0),
        Lesion("e", "node", 14.0, nodal=True),
        Lesion("f", "node", 16.0, nodal=True),
        Lesion("g", "lung", 20.0),
        Lesion("h", "bone", 12.0),
        Lesion("i", "skin", 11.0),
    ]
    assert [x.id for x in target_lesions(baseline)] == ["a", "b", "g", "f", "h"]


def test_a_lesion_that_was_not_measured_makes_the_sum_unknown() -> None:
    first = scan(0, 50.0, 30.0)
    targets = target_lesions(first.lesions)
    assert sum_of_diameters(first, targets) == 80.0
    assert np.isnan(sum_of_diameters(scan(56, 40.0, None), targets))
    assert responses([first, scan(56, 40.0, None)]) == [RecistResponse.NE]


@pytest.mark.parametrize(
    ("sums", "found"),
    [
        ((100, 71, 70), (RecistResponse.SD, RecistResponse.PR)),
        (
            (100, 50, 59, 60),
            (RecistResponse.PR, RecistResponse.PR, RecistResponse.PD),
        ),  # 20 % over the nadir, though below baseline
        ((20, 12, 15), (RecistResponse.PR, RecistResponse.SD)),  # 25 % over the nadir but only 3 mm
        ((100, 119), (RecistResponse.SD,)),
        ((100, 120), (RecistResponse.PD,)),
        ((100, 0, 4), (RecistResponse.CR, RecistResponse.PR)),
        ((100, 0, 5), (RecistResponse.CR, RecistResponse.PD)),
    ],
)
def test_response_at_each_scan(sums: tuple[float, ...], found: tuple[RecistResponse, ...]) -> None:
    assert responses([scan(56 * k, s) for k, s in enumerate(sums)]) == list(found)


def test_the_same_rules_on_arrays() -> None:
    sums = np.array([[71.0, 70.0, 60.0], [50.0, 59.0, 60.0], [119.0, 120.0, np.nan], [0.0, 4.0, 5.0]])
    found = categories(sums, np.full(4, 100.0))
    assert found.tolist() == [[2, 1, 1], [1, 1, 3], [2, 3, 4], [0, 1, 3]]


def test_nodes_are_gone_below_10_mm() -> None:
    def nodes(day: float, size: float) -> Scan:
        return Scan(24 * day, (Lesion("n", "neck", size, nodal=True),))

    assert responses([nodes(0, 20.0), nodes(56, 9.0)]) == [RecistResponse.CR]
    assert responses([nodes(0, 20.0), nodes(56, 11.0)]) == [RecistResponse.PR]


def test_new_lesions_and_other_lesions_count() -> None:
    first = scan(0, 100.0)
    assert responses([first, scan(56, 50.0, new=True)]) == [RecistResponse.PD]
    assert responses([first, scan(56, 50.0, nontarget=RecistResponse.PD)]) == [RecistResponse.PD]
    assert responses([first, scan(56, 0.0, nontarget=RecistResponse.SD)]) == [RecistResponse.PR]


def test_best_response_with_and_without_confirmation() -> None:
    found = [RecistResponse.SD, RecistResponse.PR, RecistResponse.SD, RecistResponse.PD, RecistResponse.CR]
    assert best_response(found) is RecistResponse.PR
    assert best_response(found, confirm=True) is RecistResponse.SD
    assert best_response([RecistResponse.PR, RecistResponse.PR], confirm=True) is RecistResponse.PR


def test_probabilities_sum_to_one_and_follow_the_weights() -> None:
    sums = np.array([[60.0], [90.0], [130.0]])
    found = response_probabilities(sums, np.full(3, 100.0), np.array([2.0, 1.0, 1.0]))
    assert {k: float(v[0]) for k, v in found.items()} == {"CR": 0, "PR": 0.5, "SD": 0.25, "PD": 0.25, "NE": 0}


def test_a_sum_without_baseline_is_refused() -> None:
    one = np.ones((1, 1))
    for call in (
        lambda: responses([]),
        lambda: responses([scan(0, 5.0), scan(56, 5.0)]),
        lambda: categories(one, None),
        lambda: categories(one, np.zeros(1)),
    ):
        with pytest.raises(Refusal, match="baseline"):
            call()


def test_scans_that_contradict_themselves_are_refused_with_their_place() -> None:
    def scan(time_h: float, *diameters: float) -> Scan:
        return Scan(time_h, tuple(Lesion(f"l{i}", "liver", d) for i, d in enumerate(diameters)))

    twice = Scan(1.0, (Lesion("l0", "liver", 20.0), Lesion("l0", "liver", 18.0)))
    cases = (
        ((scan(0.0, 20.0), scan(1.0, -5.0)), "scans[1].lesions[0].diameter_mm"),
        ((scan(0.0, float("inf")), scan(1.0, 20.0)), "scans[0].lesions[0].diameter_mm"),
        ((scan(9.0, 20.0), scan(1.0, 20.0)), "scans[1].time_h"),
        ((scan(0.0, 20.0), scan(0.0, 20.0)), "scans[1].time_h"),
        ((scan(0.0, 20.0), twice), "scans[1].lesions[1].id"),
    )
    for scans, place in cases:
        with pytest.raises(Refusal) as refused:
            responses(scans)
        assert refused.value.field == place
    assert responses((scan(0.0, 20.0), scan(1.0, 0.0))) == [RecistResponse.CR]
