"""A whole-body twin, integrated with adaptive steps, is the same to the last bit in any order of arrival."""

from __future__ import annotations

import random

from tests.twin.one_compartment import at, dose, level
from twin_service.record.person import ModelChoice, Person, TwinName
from twin_service.record.timeline import Timeline
from twin_service.twin.assemble import build
from twin_service.twin.fold import fold

CHOICE = ModelChoice(drugs=("theophylline",))
PERSON = Person(TwinName("t", "p"), CHOICE, at(0.0), covariates={"weight_kg": 79.6})
LEVELS = ((0.57, 6.57), (1.12, 10.5), (3.82, 8.58), (7.03, 7.47), (12.05, 5.94), (24.37, 3.28))


def test_belief_forecasts_and_priors_do_not_depend_on_arrival() -> None:
    model = build(CHOICE)
    events = [dose(320.0, 0.0, "d", drug="theophylline", route="oral")]
    events += [level(v, t, f"l{t}", analyte="theophylline") for t, v in LEVELS]
    whole = fold(model, PERSON, Timeline.of(events))
    rng = random.Random(3)
    for _ in range(6):
        rng.shuffle(events)
        timeline, twin = Timeline.of([]), None
        for event in [*events, *events[:2]]:
            timeline = timeline.with_events([event])
            twin = fold(model, PERSON, timeline, previous=twin)
        assert twin is not None and twin.state_digest == whole.state_digest
        assert twin.forecasts == whole.forecasts
