"""A timeline read through a model: units, order, covariates carried both ways, and clear refusals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from tests.twin.one_compartment import at, dose, level, one_compartment, person, weight
from twin_service.model.structure import Covariate, PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.events import Event, GenotypeFound, ImageMeasured, LabMeasured
from twin_service.record.timeline import Timeline
from twin_service.twin.reading import read_course


def course_of(*events: Event):
    return read_course(one_compartment(), person(), Timeline.of(events))


def test_hours_count_from_the_epoch_or_an_earlier_event() -> None:
    assert course_of(weight(), dose(100.0, 2.0, "d")).doses[0].time_h == 2.0
    earlier = course_of(weight(), dose(100.0, -3.0, "d"), level(4.0, 1.0, "l"))
    assert earlier.start_us == at(-3.0)
    assert earlier.samples[0].time_h == 4.0


def test_a_covariate_is_carried_forward_and_the_first_one_back() -> None:
    c = course_of(weight(60.0, 5.0, "w1"), weight(90.0, 10.0, "w2"), weight(90.0, 12.0, "w3"))
    assert c.change_times_h == (10.0,)
    assert [row["weight_kg"] for row in c.covariates] == [60.0, 90.0]


def test_parameters_follow_the_covariate_segments() -> None:
    model = one_compartment()
    c = course_of(weight(60.0), weight(90.0, 10.0, "w2"))
    rows = c.parameters(model, np.zeros((3, 1)))
    column = model.system.parameter_index["weight_kg"]
    assert rows.shape == (3, 2, len(model.system.parameters))
    assert rows[0, :, column].tolist() == [60.0, 90.0]
    assert c.parameters(model, np.zeros((3, 1)), until_h=9.0).shape[1] == 1


def test_a_change_after_a_time_leaves_its_prefix_alone_and_one_before_does_not() -> None:
    base = course_of(weight(), dose(100.0, 1.0, "d"), level(4.0, 5.0, "l"))
    later = course_of(weight(), dose(100.0, 1.0, "d"), level(4.0, 5.0, "l"), dose(50.0, 6.0, "d2"))
    before = course_of(weight(), dose(100.0, 1.0, "d"), level(4.0, 5.0, "l"), dose(50.0, 4.0, "d2"))
    assert later.prefix_digest(5.0) == base.prefix_digest(5.0)
    assert before.prefix_digest(5.0) != base.prefix_digest(5.0)


def test_a_first_weight_that_arrives_late_changes_the_past() -> None:
    """Carried back to the start, it does reach earlier predictions, so an anchor before it must not survive."""
    light = course_of(weight(50.0, 9.0), dose(100.0, 1.0, "d"))
    heavy = course_of(weight(99.0, 9.0), dose(100.0, 1.0, "d"))
    assert light.prefix_digest(5.0) != heavy.prefix_digest(5.0)


def test_what_the_model_does_not_predict_is_kept_and_named() -> None:
    image = Event("i", at(1.0), ImageMeasured("lvef", 55.0, "%", 55.0, "%"))
    assert course_of(weight(), image, level(1.0, 2.0, "crp", analyte="crp")).unused == ("i", "crp")


def test_an_unused_genotype_changes_nothing() -> None:
    gene = Event("g", at(4.0), GenotypeFound("CYP2D6", "*4/*4", "poor", 0.0))
    assert course_of(weight(), gene) == course_of(weight())


@pytest.mark.parametrize(
    ("events", "code", "field", "words"),
    [
        ([weight(), dose(1.0, 0.0, "d", drug="drugy")], RefusalCode.PRECONDITION, "dose.route", "it knows: drugx iv"),
        ([weight(), dose(1.0, 0.0, "d", route="oral")], RefusalCode.PRECONDITION, "dose.route", "no such route"),
        ([dose(1.0, 0.0, "d")], RefusalCode.PRECONDITION, "covariates.weight_kg", "needs weight_kg"),
        ([weight(500.0)], RefusalCode.OUT_OF_RANGE, "covariates.weight_kg", "1 to 300"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_remedy(events, code, field, words) -> None:
    with pytest.raises(Refusal, match=words) as refused:
        course_of(*events)
    assert (refused.value.code, refused.value.field) == (code, field)


def with_covariates(*covariates: Covariate) -> PatientModel:
    base = one_compartment()
    return replace(base, covariates=(*base.covariates, *covariates))


def lab_row(model: PatientModel, analyte: str, value: float, unit: str) -> Mapping[str, float]:
    event = Event("l", at(0.0), LabMeasured(analyte, value, unit, value, unit))
    return read_course(model, person(), Timeline.of([weight(), event])).covariates[0]


def test_a_lab_sets_the_covariate_of_its_name_and_dimension() -> None:
    """Creatinine in umol/L sets creatinine in mg/dL (113.12 g/mol), and never a clearance that shares its name."""
    clearance = Covariate("creatinine_clearance_ml_min", "mL/min", 90.0)
    model = with_covariates(clearance, Covariate("creatinine_mg_dl", "mg/dL", 1.0))
    row = lab_row(model, "creatinine", 200.0, "umol/L")
    assert row["creatinine_mg_dl"] == pytest.approx(200.0 * 113.12e-4, rel=1e-4)
    assert "creatinine_clearance_ml_min" not in row
    assert "creatinine_clearance_ml_min" not in lab_row(with_covariates(clearance), "creatinine", 200.0, "umol/L")
