"""The timeline gives one answer whatever order its events arrive in."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin_service.record.events import (
    Censoring,
    Correction,
    CovariateMeasured,
    DoseGiven,
    Event,
    GenotypeFound,
    ImageMeasured,
    LabMeasured,
    Retraction,
    from_json,
    to_json,
)
from twin_service.record.person import TwinName
from twin_service.record.snapshot import Snapshot, from_bytes, to_bytes
from twin_service.record.timeline import Timeline, earliest_touched_us

DOSE = Event("d1", 100, DoseGiven("theophylline", 320.0, "oral"), "ehr")
LAB = Event("l1", 100, LabMeasured("theophylline", 8.4, "mg/L", 8.4, "mg/L"), "lab")
PEAK = Event("l2", 100, LabMeasured("theophylline", 9.0, "mg/L", 9.0, "mg/L", Censoring.ABOVE, True), "lab")
WEIGHT = Event("w1", 100, CovariateMeasured("weight_kg", 70.0, "kg", 70.0, "kg"), "ehr")
FIX = Event("c1", 500, Correction("d1", DoseGiven("theophylline", 160.0, "oral"), 90), "ehr")
FIX2 = Event("c2", 600, Correction("d1", DoseGiven("theophylline", 80.0, "oral"), 95), "ehr")
UNDO = Event("r1", 700, Retraction("c2", "typed twice"), "ehr")
GONE = Event("r2", 800, Retraction("l1", "wrong patient"), "ehr")
OTHERS = (
    Event("g1", 1, GenotypeFound("CYP2D6", "*1/*4", "intermediate", 0.5), "lab"),
    Event("i1", 2, ImageMeasured("tumor_sld", 42.0, "mm", 4.2, "cm", "CT", "", True), "pacs"),
)


@pytest.mark.parametrize("event", [DOSE, LAB, PEAK, WEIGHT, FIX, UNDO, *OTHERS], ids=lambda e: e.id)
def test_canonical_text_brings_the_event_back(event: Event) -> None:
    assert from_json(to_json(event)) == event


def test_at_one_instant_characteristics_precede_troughs_precede_doses_precede_peaks() -> None:
    ordered = Timeline.of([PEAK, DOSE, LAB, WEIGHT]).effective
    assert [e.id for e in ordered] == ["w1", "l1", "d1", "l2"]


def test_every_order_of_arrival_gives_the_same_timeline() -> None:
    events = [DOSE, LAB, FIX, FIX2, UNDO, GONE]
    timelines = {(t.digest, t.effective) for p in itertools.permutations(events) if (t := Timeline.of(p))}
    assert len(timelines) == 1
    (_, effective) = timelines.pop()
    assert [(e.id, e.time_us) for e in effective] == [("d1", 90)]
    assert effective[0].payload == DoseGiven("theophylline", 160.0, "oral")


@given(st.permutations([DOSE, LAB, WEIGHT, FIX, FIX2, UNDO, GONE, *OTHERS] * 2))
def test_duplicates_count_once(events: list[Event]) -> None:
    assert Timeline.of(events) == Timeline.of([DOSE, LAB, WEIGHT, FIX, FIX2, UNDO, GONE, *OTHERS])


def test_the_amendment_issued_last_wins_and_a_retracted_one_does_not_count() -> None:
    assert Timeline.of([DOSE, FIX, FIX2]).effective[0].payload.amount_mg == 80.0
    assert Timeline.of([DOSE, FIX, FIX2, UNDO]).effective[0].payload.amount_mg == 160.0


def test_a_correction_waits_for_its_target() -> None:
    early = Timeline.of([FIX])
    assert early.effective == () and early.waiting == (FIX,)
    assert early.with_events([DOSE]).waiting == ()


def test_one_id_with_two_contents_is_refused() -> None:
    with pytest.raises(ValueError, match="d1: recorded twice"):
        Timeline.of([DOSE, Event("d1", 100, DoseGiven("theophylline", 321.0, "oral"), "ehr")])


def test_a_correction_touches_the_earlier_of_old_and_new_time() -> None:
    before = Timeline.of([DOSE, LAB])
    assert earliest_touched_us(before, before.with_events([FIX])) == 90
    assert earliest_touched_us(before, before) is None


def test_arrival_time_decides_nothing() -> None:
    late = Event("d1", 100, DOSE.payload, "ehr", arrival_us=999)
    assert Timeline.of([late]).digest == Timeline.of([DOSE]).digest


@pytest.mark.parametrize("text", ["", "tenants/A/patients/1/twin", "tenants/a/patients//twin", "tenants/a/patients/1"])
def test_a_malformed_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected tenants/"):
        TwinName.parse(text)


def test_a_name_prints_as_it_parses() -> None:
    assert str(TwinName.parse("tenants/st-mary/patients/P.0_1/twin")) == "tenants/st-mary/patients/P.0_1/twin"


def test_a_snapshot_survives_storage_and_damage_is_found() -> None:
    rng = np.random.default_rng(1)
    s = Snapshot(5, "aa", "bb", rng.normal(size=3), np.eye(3), 4, rng.normal(size=3), 2.0 * np.eye(3))
    data = to_bytes(s)
    again = from_bytes(data)
    assert again.time_us == 5 and again.prefix_digest == "aa"
    assert again.footing_us == 4 and np.array_equal(again.footing_mean, s.footing_mean)
    assert np.array_equal(again.footing_chol, s.footing_chol) and np.array_equal(again.mean, s.mean)
    assert again.shape_weights.size == 0
    shaped = from_bytes(to_bytes(replace(s, shape_points=rng.normal(size=(7, 3)), shape_weights=np.full(7, 1 / 7))))
    assert shaped.shape_points.shape == (7, 3) and shaped.shape_weights.sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="checksum"):
        from_bytes(data[:-1] + bytes([data[-1] ^ 1]))
