"""Blocks between blocks: units, sums, pulses, and disease that acts back on the drug."""

from __future__ import annotations

import numpy as np
import pytest

from twin_service.model.compose import compose
from twin_service.model.qsp.build import build_block
from twin_service.model.qsp.join import (
    constant_block,
    modulated,
    ramp_decay_block,
    silent_block,
    two_compartment_block,
    unit_block,
)
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate
from twin_service.units import UnitError


def series(model: PatientModel, output: str, times: list[float], *doses: Dose) -> np.ndarray:
    run = simulate(model.system, model.values({})[None], Schedule(doses), times)
    return run.outputs[0, :, model.system.output_index[output]]


def test_a_unit_block_multiplies_and_refuses_another_dimension() -> None:
    model = compose(
        "u", {"a": constant_block(2.0, "mg/L"), "u": unit_block("mg/L", "umol/L", 500.0)}, {"u.x": "a.level"}
    )
    assert series(model, "u.x", [0.0])[0] == pytest.approx(4.0)
    with pytest.raises(UnitError):
        unit_block("mg/L", "umol/L")


def test_silence_is_zero() -> None:
    assert series(compose("s", {"s": silent_block("1")}), "s.level", [0.0, 9.0]).tolist() == [0.0, 0.0]


def test_a_ramp_meets_its_decay() -> None:
    shape = {"amplitude": 10.0, "rate_per_h": 0.5, "lag_h": 2.0}
    level = series(compose("r", {"r": ramp_decay_block(shape, "1")}), "r.level", [0.0, 1.0, 2.0, 4.0])
    assert level == pytest.approx([0.0, 5 * np.exp(-1.0), 10 * np.exp(-1.0), 10 * np.exp(-2.0)])


def test_two_compartments_give_dose_over_clearance() -> None:
    model = compose("k", {"k": two_compartment_block({"cl": 5.0, "v1": 10.0, "v2": 20.0, "q": 3.0}, "umol/L")})
    times = list(np.linspace(0.0, 200.0, 4001))
    level = series(model, "k.level", times, Dose(0.0, "k.dose", 50.0, 1.0))
    assert np.trapezoid(level, times) == pytest.approx(10.0, rel=1e-4)


def warfarin(il6_pg_ml: float) -> float:
    """Area under S-warfarin when its clearance follows an enzyme that interleukin-6 suppresses."""
    drug = modulated(build_block("warfarin_inr"), "clearance_scale", "enzyme")
    blocks = {"w": drug, "cyp": build_block("il6_cyp3a4"), "il6": constant_block(il6_pg_ml, "pg/mL")}
    model = compose("w", blocks, {"w.enzyme": "cyp.enzyme", "cyp.il6": "il6.level"})
    times = list(np.linspace(1000.0, 2500.0, 3001))
    return float(np.trapezoid(series(model, "w.s_warfarin", times, Dose(1000.0, "w.oral", 2.5)), times))


def test_disease_acts_back_on_the_clearance_of_a_drug() -> None:
    """At the enzyme's steady state the area rises by 1 over the enzyme that is left: 1 / 0.6774 at 54 pg/mL."""
    assert warfarin(54.0) / warfarin(0.0) == pytest.approx(1 / 0.6774, rel=2e-3)


def test_a_parameter_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refusal, match="no parameter 'clearing'"):
        modulated(build_block("warfarin_inr"), "clearing", "enzyme")
