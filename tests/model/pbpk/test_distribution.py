"""Every setting of [distribution] is read from a file and does what it says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twin_service.model.compose import compose
from twin_service.model.pbpk.body import build_body
from twin_service.model.pbpk.checks import check_file, plasma_clearance
from twin_service.model.pbpk.individual import Disposition, disposition, reference_body
from twin_service.model.pbpk.library import load_drug, load_library
from twin_service.model.pbpk.record import PARTITION_METHODS, DrugRecord
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate

LIBRARY = load_library()
HUMAN = LIBRARY.species["human"]
BODY = reference_body(HUMAN)
FILE = """
id = "mydrug"
version = "1"
title = "My drug"
molar_mass = { value = 300, unit = "g/mol", origin = "test" }
logp = { value = 2.5, unit = "1", origin = "test" }
fup = { value = 0.1, unit = "1", origin = "test" }
bp = { value = 0.9, unit = "1", origin = "test" }
[[pka]]
charge = "base"
value = 8.5
origin = "test"
[[clearance]]
organ = "total"
law = "in_vivo"
clearance = { value = 10, unit = "L/h", origin = "test" }
"""


def read(folder: Path, rows: str = "") -> DrugRecord:
    path = folder / "mydrug.toml"
    path.write_text(f"{FILE}[distribution]\n{rows}", encoding="utf-8")
    return load_drug(path, LIBRARY)


def at(drug: DrugRecord) -> Disposition:
    return disposition(drug, HUMAN, BODY, BODY)


def test_each_method_can_be_chosen_and_differs(tmp_path: Path) -> None:
    volumes = {m: at(read(tmp_path, f'method = "{m}"\n')).vss_l for m in PARTITION_METHODS}
    assert len({round(v, 6) for v in volumes.values()}) == len(PARTITION_METHODS) == 5
    assert all(5.0 < v < 3000.0 for v in volumes.values()), volumes
    assert volumes["rodgers_rowland"] == at(read(tmp_path)).vss_l


def test_a_scalar_scales_tissue_and_leaves_blood(tmp_path: Path) -> None:
    plain, double = at(read(tmp_path)), at(read(tmp_path, 'kp_scalar = { value = 2, unit = "1", origin = "t" }\n'))
    share = {o: BODY.blood[o] / BODY.volume[o] for o in plain.kp}
    for organ, kp in plain.kp.items():
        tissue = kp - plain.bp * share[organ]
        assert double.kp[organ] == pytest.approx(2.0 * tissue + plain.bp * share[organ], rel=1e-9), organ


def test_one_tissue_is_overridden_and_no_other(tmp_path: Path) -> None:
    plain = at(read(tmp_path))
    told = at(read(tmp_path, '[distribution.kp]\nmuscle = { value = 7.5, unit = "1", origin = "t" }\n'))
    assert told.kp["muscle"] == 7.5
    assert {o: k for o, k in told.kp.items() if o != "muscle"} == {o: k for o, k in plain.kp.items() if o != "muscle"}


@pytest.mark.parametrize("override", ["", '[distribution.kp]\nadipose = { value = 0.5, unit = "1", origin = "t" }\n'])
@pytest.mark.parametrize("vss", [0.2, 1.3, 12.0])
def test_a_wanted_volume_is_hit_by_every_method(tmp_path: Path, vss: float, override: str) -> None:
    for method in PARTITION_METHODS:
        rows = f'method = "{method}"\nvss = {{ value = {vss}, unit = "L/kg", origin = "t" }}\n{override}'
        found = at(read(tmp_path, rows))
        assert found.vss_l / BODY.weight_kg == pytest.approx(vss, rel=1e-9), method
        assert not override or found.kp["adipose"] == 0.5


@pytest.mark.parametrize(
    "rows", ["", '[distribution.permeability]\nmuscle = { value = 2, unit = "L/h", origin = "t" }\n']
)
def test_volume_at_steady_state_is_what_the_body_holds(tmp_path: Path, rows: str) -> None:
    drug = read(tmp_path, rows)
    model = compose("m", {"b": build_body([drug], LIBRARY, routes=("iv",))})
    hours = 6000.0
    doses = Schedule((Dose(0.0, "b.mydrug_iv", hours, hours),))
    out = simulate(model.system, model.values({}), doses, np.array([hours - 1.0]))
    level = float(out.outputs[0, 0, model.system.output_index["b.plasma"]])
    held = float(out.outputs[0, 0, model.system.output_index["b.mydrug_in_body"]])
    # Infused at 1 umol/h: plasma is 1/CL. The liver and kidney, which clear, sit below equilibrium, by a tenth here.
    assert level == pytest.approx(1.0 / plasma_clearance(drug, LIBRARY), rel=1e-3)
    assert held / level == pytest.approx(at(drug).vss_l, rel=0.1)


def test_a_slow_membrane_delays_a_tissue_and_holds_as_much(tmp_path: Path) -> None:
    slow = '[distribution.permeability]\nmuscle = { value = 20, unit = "L/h", origin = "t" }\n'
    times = np.array([0.5, 400.0])
    found = []
    for rows in ("", slow):
        model = compose("m", {"b": build_body([read(tmp_path, rows)], LIBRARY, routes=("iv",))})
        out = simulate(model.system, model.values({}), Schedule((Dose(0.0, "b.mydrug_iv", 1000.0, 500.0),)), times)
        names = model.system.output_index
        found.append(out.outputs[0, :, names["b.mydrug_muscle"]] / out.outputs[0, :, names["b.plasma"]])
    assert found[1][0] < 0.5 * found[0][0]
    # A sixth of a permeability-limited tissue is blood and interstitium at the plasma's level.
    assert found[1][1] == pytest.approx(found[0][1] * 0.85 + 0.15, rel=0.1)


def test_a_volume_below_the_blood_is_doubted(tmp_path: Path) -> None:
    rows = 'vss = {{ value = {}, unit = "L/kg", origin = "t" }}\n'
    for value, doubted in ((0.01, True), (0.3, False)):
        read(tmp_path, rows.format(value))
        said = [str(f) for f in check_file(tmp_path / "mydrug.toml", LIBRARY)]
        assert any("cannot be reached" in f for f in said) == doubted, said
