"""A patient's numbers do not depend on who else is computed, in what order, by how many threads or by whom called."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from twin_service.qualification.bench.reference_problem import (
    reference_population,
    reference_schedule,
    reference_system,
    reference_times,
)
from twin_service.solver.engine import model_of, run_compiled
from twin_service.solver.intake import admit
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import DEFAULT, simulate, simulate_reference
from twin_service.solver.tolerances import Tolerances

N = 37
SYSTEM, TIMES = reference_system(), reference_times()[:35]
P = reference_population(N)


def schedules() -> list[Schedule]:
    """A course of its own for each patient."""
    rng = np.random.default_rng(3)
    return [
        Schedule(
            tuple(
                Dose(float(t), "oral", float(a), float(d))
                for t, a, d in zip(
                    np.sort(rng.uniform(0, 60, k)), rng.uniform(50, 200, k), rng.choice([0.0, 2.0], k), strict=True
                )
            )
        )
        for k in rng.integers(0, 6, N)
    ]


@pytest.fixture(scope="module")
def together() -> np.ndarray:
    return simulate(SYSTEM, P, schedules(), TIMES).outputs


def test_alone_as_in_any_company(together: np.ndarray) -> None:
    courses = schedules()
    for i in (0, 5, 36):
        assert np.array_equal(simulate(SYSTEM, P[i : i + 1], [courses[i]], TIMES).outputs[0], together[i])
    order = np.random.default_rng(0).permutation(N)
    shuffled = simulate(SYSTEM, P[order], [courses[i] for i in order], TIMES).outputs
    assert np.array_equal(shuffled, together[order])


@pytest.mark.parametrize("threads", [2, 3, 8])
def test_on_any_number_of_threads(together: np.ndarray, threads: int) -> None:
    assert np.array_equal(simulate(SYSTEM, P, schedules(), TIMES, threads=threads).outputs, together)


def test_scalar_and_vector_code_are_the_same_arithmetic(together: np.ndarray) -> None:
    run = admit(SYSTEM, P, schedules(), TIMES, start_h=0.0, state=None, after_dose=None)
    scalar = run_compiled(model_of(SYSTEM, 1), run, np.arange(N), tolerances=DEFAULT)
    assert np.array_equal(scalar.outputs, together)


def test_eight_callers_at_once(together: np.ndarray) -> None:
    def call(_: int) -> np.ndarray:
        return simulate(SYSTEM, P, schedules(), TIMES, threads=2).outputs

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(call, range(16)):
            assert np.array_equal(found, together)


def test_the_reference_problem_matches_its_oracle() -> None:
    p, times = P[:2], reference_times()[:21]
    found = simulate(SYSTEM, p, reference_schedule(), times, tolerances=Tolerances(1e-7, 1e-3))
    oracle = simulate_reference(SYSTEM, p, reference_schedule(), times, tolerances=Tolerances(1e-10, 1e-5))
    assert np.max(np.abs(found.outputs / oracle.outputs - 1.0)) < 1e-6
