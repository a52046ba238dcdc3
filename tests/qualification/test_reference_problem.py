from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest

from twin_service.outcome import Refusal
from twin_service.qualification.bench.engine import run
from twin_service.qualification.bench.flops import flops_per_step
from twin_service.qualification.bench.peers import casadi_peer, roadrunner_peer
from twin_service.qualification.bench.reference_problem import (
    VARYING,
    reference_population,
    reference_schedule,
    reference_system,
    reference_times,
)
from twin_service.qualification.bench.sbml_export import formula, to_sbml
from twin_service.solver.engine import form_of
from twin_service.solver.expression import symbol
from twin_service.solver.simulate import Tolerances, simulate


def test_the_problem_is_the_one_described() -> None:
    system = reference_system()
    assert (len(system.states), len(system.parameters), len(VARYING)) == (40, 31, 22)
    assert len(reference_schedule().doses) == 14
    assert len(reference_times()) == 98
    assert reference_times()[-1] == 168.0


def test_the_problem_keeps_its_mass() -> None:
    """Without elimination, what the blood and tissues hold is what the gut gave up, as far as it was absorbed."""
    system = reference_system()
    p = reference_population(1)
    for name in ("Vmax3A4", "Vmax2D6", "CLugt", "CLr"):
        p[0, system.parameter_index[name]] = 0.0
    p[0, system.parameter_index["fg"]] = 1.0
    solution = simulate(system, p, reference_schedule(), [0.0, 100.0], keep_states=True, tolerances=Tolerances(1e-9))
    assert solution.states is not None
    # d(sum of volume * concentration)/dt must equal ka * sum f_i G_i; checked through the rates themselves.
    from twin_service.qualification.bench.reference_problem import ABSORBING, LIVER, LUNG, TISSUES
    from twin_service.solver.reference import as_python

    y = solution.states[0, 1]
    rates = np.array(as_python(system).rates(100.0, *y, *p[0]))
    volume = {f"A_{n}": t.volume for n, t in TISSUES.items()} | {
        "A_lung": LUNG.volume,
        "A_liver": LIVER.volume,
        "ART": 1.7,
        "VEN": 3.6,
    }
    index, scale = system.state_index, p[0, system.parameter_index["sV"]]
    gained = sum(v * scale * rates[index[n]] for n, v in volume.items())
    ka = p[0, system.parameter_index["ka"]]
    absorbed = ka * sum(f * y[index[f"G{i}"]] for i, f in enumerate(ABSORBING, start=1))
    assert gained == pytest.approx(absorbed, rel=1e-9, abs=1e-9)


def test_the_arithmetic_is_counted() -> None:
    """8 solves of 116 places, 7 sets of rates and the combinations of 8 stages: some six thousand operations."""
    assert 5000 < flops_per_step(form_of(reference_system())) < 15000


def test_formulas_are_infix() -> None:
    x, y = symbol("x"), symbol("y")
    assert formula(-x * (y + 2.0) ** 0.5) == "((-x) * ((y + 2.0) ^ 0.5))"


@pytest.mark.parametrize(("module", "peer"), [("roadrunner", roadrunner_peer), ("casadi", casadi_peer)])
def test_peers_solve_the_same_problem(module: str, peer: object) -> None:
    pytest.importorskip(module)
    p = reference_population(2)
    ours = simulate(reference_system(), p, reference_schedule(), reference_times(), tolerances=Tolerances(1e-8)).outputs
    theirs = peer()(p, 1e-7)  # type: ignore[operator]
    assert np.max(np.abs(theirs / ours - 1.0)) < 1e-5


def test_the_export_is_valid_sbml() -> None:
    libsbml = pytest.importorskip("libsbml")
    document = libsbml.readSBMLFromString(to_sbml(reference_system()))
    assert document.getNumErrors(libsbml.LIBSBML_SEV_ERROR) == 0
    assert document.getModel().getNumRules() == 40


@pytest.mark.slow
def test_the_targets_are_met() -> None:
    """What the engine promises, measured on this machine now; latencies are left to quiet machines."""
    pytest.importorskip("roadrunner")
    pytest.importorskip("casadi")
    figures = run(print)
    assert figures["engine.error_matched"] <= 1e-4
    assert figures["engine.ratio_matched"] >= 30.0
    assert figures["engine.ratio_tight"] >= 10.0
    assert figures["engine.sensitivity_error"] <= 6e-5
    assert figures["engine.new_model_s"] < 1.0
    assert figures["engine.peak_rss_100k_mb"] < 1000.0


@pytest.mark.parametrize(("module", "peer"), [("roadrunner", roadrunner_peer), ("casadi", casadi_peer)])
def test_a_missing_peer_is_named(monkeypatch: pytest.MonkeyPatch, module: str, peer: Callable[[], object]) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Refusal, match=r"twin-service\[bench\]"):
        peer()
