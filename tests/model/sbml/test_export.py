"""What is exported means the same when read back, here and in another simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("libsbml", reason="python-libsbml is the extra `sbml`")

from twin_service.model.sbml import export, load, simulate_sbml, write_csv
from twin_service.outcome import Refusal
from twin_service.solver.expression import TIME, symbol
from twin_service.solver.functions import exp, logical_and, maximum, sqrt, where
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import Tolerances, simulate
from twin_service.solver.system import Input, Output, Parameter, System, SystemState

CL, V, ka, gut, blood = (symbol(n) for n in ("CL (L/h)", "V", "ka", "gut", "blood conc"))
GRID = np.linspace(0.0, 24.0, 49)
SCHEDULE = Schedule(
    (Dose(0.0, "oral", 100.0), Dose(0.0, "oral", 20.0), Dose(6.0, "vein", 50.0, 2.0), Dose(7.0, "vein", 10.0, 3.0))
)


def system() -> System:
    saturable = CL * blood / (1.0 + maximum(blood, 0.0) / 30.0) / V
    wave = where(logical_and(TIME > 10.0, TIME < 14.0), 2.0, 1.0)
    return System.create(
        "two-compartment model",
        states=(
            SystemState("gut", "mg", -ka * gut),
            SystemState("blood conc", "mg/L", ka * gut / V - saturable * wave, 3.0 / V),
        ),
        parameters=(Parameter("CL (L/h)", "L/h", 4.0), Parameter("V", "L", 20.0), Parameter("ka", "1/h", 1.2)),
        outputs=(Output("effect", "%", 100.0 * exp(-blood / 5.0) + sqrt(V)), Output("blood conc", "mg/L", blood)),
        inputs=(
            Input("oral", "mg", "gut", symbol("ka") / 2.0, 0.5 * symbol("ka")),
            Input("vein", "mg", "blood conc", 1.0 / V),
        ),
    )


def solved() -> Any:
    tight = Tolerances(rtol=1e-10, atol_scale=1e-4)
    after = np.ones(len(GRID), bool)
    return simulate(system(), [[4.0, 20.0, 1.2]], SCHEDULE, GRID, after_dose=after, tolerances=tight).outputs[0]


def test_the_round_trip_gives_the_same_numbers(tmp_path: Path) -> None:
    path = tmp_path / "out.xml"
    path.write_text(export(system(), schedule=SCHEDULE))
    model = load(path)
    assert {q.name for q in model.quantities.values()} >= {"CL (L/h)", "blood conc", "effect"}
    table = simulate_sbml(model, 0.0, 24.0, 48)
    np.testing.assert_allclose(np.c_[table["effect"], table["blood_conc"]], solved(), rtol=1e-6, atol=1e-8)


def test_another_simulator_agrees(tmp_path: Path) -> None:
    roadrunner = pytest.importorskip("roadrunner", reason="libroadrunner is the extra `bench`")
    runner = roadrunner.RoadRunner(export(system(), schedule=SCHEDULE))
    runner.integrator.relative_tolerance = 1e-9
    runner.integrator.absolute_tolerance = 1e-12
    runner.integrator.maximum_time_step = 0.05
    theirs = np.asarray(runner.simulate(0.0, 24.0, len(GRID), ["effect", "blood_conc"]))
    np.testing.assert_allclose(theirs[1:], solved()[1:], rtol=2e-5, atol=1e-6)


def test_parameters_may_replace_defaults(tmp_path: Path) -> None:
    path = tmp_path / "out.xml"
    path.write_text(export(system(), parameters={"V": 50.0}))
    assert load(path).system.parameters[1].value == 50.0
    with pytest.raises(Refusal, match="Vmax"):
        export(system(), parameters={"Vmax": 1.0})


def test_a_loaded_file_goes_out_again(tmp_path: Path) -> None:
    path = tmp_path / "again.xml"
    original = load(Path(__file__).parent / "files" / "decay.xml")
    path.write_text(export(original.system))
    first = simulate_sbml(original, 0, 5, 10, concentrations=["B"])
    again = simulate_sbml(load(path), 0, 5, 10, variables=["concentration_B"])
    np.testing.assert_allclose(again["concentration_B"], first["B"], rtol=1e-8)


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule((Dose(0.0, "oral", 1.0, steady_interval_h=12.0),)),
        Schedule(change_times_h=(3.0,)),
        Schedule(reset_times_h=(3.0,)),
    ],
)
def test_what_events_cannot_say_is_refused(schedule: Schedule) -> None:
    with pytest.raises(Refusal, match="not supported"):
        export(system(), schedule=schedule)


def test_the_table_is_written_with_every_digit(tmp_path: Path) -> None:
    table = simulate_sbml(load(Path(__file__).parent / "files" / "decay.xml"), 0, 1, 3)
    write_csv(table, tmp_path / "t.csv")
    lines = (tmp_path / "t.csv").read_text().split()
    assert lines[0] == "time,A,B" and [float(x) for x in lines[2].split(",")] == table.values[1].tolist()
