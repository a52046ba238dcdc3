"""Occasions in the living twin: their effects are learned in their occasion and return to their prior for the next."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tests.twin.one_compartment import at
from twin_service.model.compose import compose
from twin_service.model.poppk import build_poppk
from twin_service.model.poppk.record import parse_model
from twin_service.model.structure import PatientModel
from twin_service.record.events import CovariateMeasured, DoseGiven, Event, LabMeasured
from twin_service.record.person import ModelChoice, Person, TwinName
from twin_service.record.timeline import Timeline
from twin_service.twin.fold import Folded, fold
from twin_service.twin.trajectory import belief_members

BETWEEN, WITHIN, ERROR = 0.09, 0.04, 0.1
CL, V = 2.0, 20.0


@cache
def model() -> PatientModel:
    """dA/dt = -CL exp(eta + eta of the occasion)/V A; levels with 10 % error."""
    record = parse_model(
        {
            "id": "iov",
            "schema": 2,
            "version": "1",
            "drug": "vancomycin",
            "source": "made up for this test",
            "structure": {"compartments": 1, "absorption": "none", "elimination": "linear"},
            "parameters": {
                "CL": {
                    "value": CL,
                    "unit": "L/h",
                    "origin": "test",
                    "effect": {"kind": "exponential", "variance": BETWEEN, "occasion_variance": WITHIN, "occasions": 2},
                },
                "V": {"value": V, "unit": "L", "origin": "test"},
            },
            "observable": [{"analyte": "vancomycin", "unit": "mg/L", "error": {"proportional": ERROR, "kind": "log"}}],
        }
    )
    return compose("iov", {"iov": build_poppk(record)})


def events(levels: dict[float, float]) -> list[Event]:
    """100 mg at 0 and at 100 h; the second occasion begins at 90 h."""
    doses = [Event(f"d{h:g}", at(h), DoseGiven("vancomycin", 100.0, "iv")) for h in (0.0, 100.0)]
    occasions = [
        Event(f"o{k}", at(h), CovariateMeasured("occasion", float(k), "1", float(k), "1"))
        for k, h in ((1, 0.0), (2, 90.0))
    ]
    labs = [Event(f"l{h:g}", at(h), LabMeasured("vancomycin", v, "mg/L", v, "mg/L")) for h, v in levels.items()]
    return [*occasions, *doses, *labs]


def twin(levels: dict[float, float], estimator: str = "auto") -> Folded:
    person = Person(TwinName.parse("tenants/t/patients/p/twin"), ModelChoice(poppk="iov"), 0, estimator)
    return fold(model(), person, Timeline.of(events(levels)))


def exact(levels: dict[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and SD of (eta, first, second) by quadrature."""
    g = np.linspace(-4.5, 4.5, 73)
    eta, first, second = np.meshgrid(g * BETWEEN**0.5, g * WITHIN**0.5, g * WITHIN**0.5, indexing="ij")
    k1, k2 = CL / V * np.exp(eta + first), CL / V * np.exp(eta + second)
    density = -0.5 * (eta**2 / BETWEEN + (first**2 + second**2) / WITHIN)
    for h, v in levels.items():
        left = 5.0 * np.exp(-k1 * min(h, 90.0) - k2 * max(h - 90.0, 0.0))
        f = left + (5.0 * np.exp(-k2 * (h - 100.0)) if h > 100.0 else 0.0)
        density -= 0.5 * (np.log(v / f) / ERROR) ** 2
    w = np.exp(density - density.max())
    w /= w.sum()
    mean = np.array([np.sum(w * x) for x in (eta, first, second)])
    return mean, np.sqrt([np.sum(w * (x - m) ** 2) for x, m in zip((eta, first, second), mean, strict=True)])


@pytest.mark.parametrize("estimator", ["auto", "laplace", "unscented", "ensemble"])
def test_effects_of_patient_and_occasions_are_those_of_quadrature(estimator: str) -> None:
    levels = {6.0: 2.2, 12.0: 1.0, 106.0: 3.3, 112.0: 2.1}
    mean, sd = exact(levels)
    found = twin(levels, estimator).belief
    assert np.max(np.abs(found.mean - mean) / sd) < {"ensemble": 0.5}.get(estimator, 0.25)
    assert found.sd == pytest.approx(sd, rel={"ensemble": 0.3}.get(estimator, 0.15))


def test_the_next_occasion_is_forecast_from_the_patient_alone() -> None:
    """What was special about the first occasion says nothing of the second: its effect is still its prior."""
    found = twin({6.0: 2.2, 12.0: 1.0})
    names = [e.name for e in found.model.effects]
    second = names.index("iov__eta_CL_occasion2")
    assert found.belief.mean[second] == pytest.approx(0.0, abs=0.02)
    assert found.belief.sd[second] == pytest.approx(WITHIN**0.5, rel=0.03)
    assert abs(found.belief.mean[names.index("iov__eta_CL_occasion1")]) > 0.02


def test_members_of_a_forecast_carry_no_occasion_but_its_spread() -> None:
    found = twin({6.0: 2.2, 12.0: 1.0, 106.0: 3.3, 112.0: 2.1})
    occasion = np.array([e.occasion for e in found.model.effects])
    members = belief_members(found, 2000, forecast=True)[:, occasion]
    assert members.mean(axis=0) == pytest.approx([0.0, 0.0], abs=0.02)
    assert members.std(axis=0) == pytest.approx([WITHIN**0.5] * 2, rel=0.05)
    past = belief_members(found, 2000)[:, occasion]
    assert np.max(np.abs(past.mean(axis=0))) > 0.02, "the past keeps what its occasions were"


def test_occasions_come_in_any_order_of_arrival() -> None:
    levels = {6.0: 2.2, 12.0: 1.0, 106.0: 3.3}
    everything = events(levels)
    person = Person(TwinName.parse("tenants/t/patients/p/twin"), ModelChoice(poppk="iov"), 0)
    at_once = fold(model(), person, Timeline.of(everything))
    late: Folded | None = None
    for k in range(1, len(everything) + 1):
        late = fold(model(), person, Timeline.of(everything[::-1][:k]), previous=late)
    assert late is not None and late.state_digest == at_once.state_digest
