"""Progressions learned from readings: scale, standardization, provenance, and refusals that name the field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twin_service.cohort.learning import HOURS_PER_YEAR, CohortSubject, CovariateUse, EndpointReading, fit_progression
from twin_service.outcome import Refusal


def subjects(rng: np.random.Generator, count: int = 80, visits: int = 5) -> list[CohortSubject]:
    """log y = 1 + 0.4 z(log albumin) + b + (0.2 + 0.1 z + c) t + e, albumin about 35 g/L."""
    found = []
    for i in range(count):
        albumin = float(np.exp(np.log(35) + 0.2 * rng.normal()))
        z = (np.log(albumin) - np.log(35)) / 0.2
        years = np.concatenate([[0.0], np.sort(rng.uniform(0.2, 4, visits - 1))])
        level, slope = 1 + 0.4 * z + 0.6 * rng.normal(), 0.2 + 0.1 * z + 0.1 * rng.normal()
        y = np.exp(level + slope * years + 0.15 * rng.normal(size=visits))
        readings = tuple(EndpointReading(t * HOURS_PER_YEAR, float(v)) for t, v in zip(years, y, strict=True))
        found.append(CohortSubject(f"s{i}", {"albumin": albumin, "age_y": 40.0 + i % 30}, readings))
    return found


USES = (CovariateUse("albumin", "g/L", logarithm=True),)
OPTIONS = {"analyte": "marker", "unit": "mg/L", "learned_from": "simulated controls"}


def test_the_course_that_made_the_data_is_found() -> None:
    learned = fit_progression(subjects(np.random.default_rng(1), 400), USES, **OPTIONS)
    p = learned.progression
    assert p.level[0] == pytest.approx(1.0, abs=0.12)
    assert p.level[1] == pytest.approx(0.4, abs=0.1)
    np.testing.assert_allclose(p.slope, [0.2, 0.1], atol=0.03)
    np.testing.assert_allclose(np.sqrt(np.diag(p.omega)), [0.6, 0.1], rtol=0.25)
    assert p.sigma == pytest.approx(0.15, rel=0.1)


def test_it_says_what_it_was_learned_from() -> None:
    p = fit_progression(subjects(np.random.default_rng(2)), USES, **OPTIONS).progression
    assert p.learned_from == "simulated controls; 80 patients, 400 readings"
    assert p.predictors[0].low < 35 < p.predictors[0].high


def test_version_names_the_numbers() -> None:
    people = subjects(np.random.default_rng(2))
    a = fit_progression(people, USES, **OPTIONS).progression
    assert fit_progression(people, USES, **OPTIONS).progression.version == a.version
    assert replace(a, sigma=a.sigma * (1 + 1e-12)).version != a.version


def test_units_of_a_covariate_change_nothing_but_its_center() -> None:
    people = subjects(np.random.default_rng(3))
    in_mg = [replace(s, covariates={"albumin": s.covariates["albumin"] * 1000}) for s in people]
    a, b = (fit_progression(x, USES, **OPTIONS).progression for x in (people, in_mg))
    np.testing.assert_allclose(a.level, b.level, rtol=1e-4, atol=1e-5)
    assert b.predictors[0].center - a.predictors[0].center == pytest.approx(np.log(1000))


def test_time_counts_from_the_first_reading() -> None:
    people = subjects(np.random.default_rng(4))
    later = [replace(s, readings=tuple(EndpointReading(r.time_h - 500, r.value) for r in s.readings)) for s in people]
    a, b = (fit_progression(x, USES, **OPTIONS).progression for x in (people, later))
    np.testing.assert_allclose(a.level, b.level, rtol=1e-4, atol=1e-5)


def test_identity_scale_takes_negative_values() -> None:
    people = [
        replace(s, readings=tuple(EndpointReading(r.time_h, float(np.log(r.value)) - 5) for r in s.readings))
        for s in subjects(np.random.default_rng(5))
    ]
    same = fit_progression(subjects(np.random.default_rng(5)), USES, **OPTIONS).progression
    p = fit_progression(people, USES, scale="identity", **OPTIONS).progression
    assert p.level[0] == pytest.approx(same.level[0] - 5, abs=1e-4)
    assert p.sigma == pytest.approx(same.sigma, rel=1e-4)


def test_patients_without_readings_teach_nothing() -> None:
    people = subjects(np.random.default_rng(6))
    silent = CohortSubject("silent", {}, ())
    a, b = (fit_progression(x, USES, **OPTIONS) for x in (people, [*people, silent]))
    assert a.progression.version == b.progression.version
    assert b.fit.groups == len(people)


@pytest.mark.parametrize(
    ("change", "use", "field"),
    [
        ({"readings": (EndpointReading(0.0, -1.0),)}, USES[0], "readings"),
        ({"covariates": {}}, USES[0], "covariates.albumin"),
        ({"covariates": {"albumin": float("nan")}}, USES[0], "covariates.albumin"),
        ({"covariates": {"albumin": -1.0}}, USES[0], "covariates.albumin"),
    ],
)
def test_bad_patients_are_refused_by_field(change: dict, use: CovariateUse, field: str) -> None:
    people = subjects(np.random.default_rng(7))
    people[3] = replace(people[3], **change)
    with pytest.raises(Refusal) as caught:
        fit_progression(people, (use,), **OPTIONS)
    assert caught.value.field == field
    assert "s3" not in caught.value.message


def test_a_constant_covariate_is_refused() -> None:
    people = [replace(s, covariates={"albumin": 35.0}) for s in subjects(np.random.default_rng(8))]
    with pytest.raises(Refusal, match="same in every patient"):
        fit_progression(people, USES, **OPTIONS)
