"""Blocks against the same models as SBML, solved by libroadrunner: whole courses, not only the figures typed in.

The SBML files are reference data (BioModels, CC0) and are read through TWIN_REFERENCE_DIR.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from twin_service.model.compose import compose
from twin_service.model.qsp.build import build_block
from twin_service.model.qsp.join import constant_block, ramp_decay_block
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import Tolerances, simulate

FOLDER = Path(os.environ.get("TWIN_REFERENCE_DIR", str(Path(__file__).resolve().parents[3] / "shared" / "reference")))
SBML = FOLDER / "qsp" / "sbml"
DAY, MINUTE, WEEK = 24.0, 1 / 60, 168.0


class Twin(NamedTuple):
    """A block, its SBML number, hours per SBML time unit, until when, and outputs with species and scale."""

    block: str
    number: int
    hours: float
    until: float
    pairs: tuple[tuple[str, str, float], ...]
    covariates: dict[str, float] = {}
    doses: tuple[tuple[float, str, float, float], ...] = ()
    parameters: dict[str, float] = {}


TWINS = (
    Twin("immune_kuznetsov", 762, DAY, 200, (("effectors", "E", 1.0), ("tumor", "T", 1.0))),
    Twin(
        "melanoma_pembrolizumab",
        838,
        DAY,
        365,
        (("presenting", "A", 1.0), ("effectors", "T", 1.0), ("tumor", "M", 1.0)),
    ),
    Twin(
        "car_t_expansion", 1025, DAY, 60, (("expanding", "Expanding_CAR_T_cells", 1.0), ("tumor", "Tumor_cells", 1.0))
    ),
    Twin(
        "tumor_tham_gemcitabine",
        234,
        WEEK,
        40,
        (("size", "Size", 10.0),),
        doses=tuple((3.0 * k + d, "infusion", 5203.84 * 0.44359, 0.44359) for k in range(6) for d in (0.0, 1.0)),
    ),
    Twin(
        "glucose_meal",
        379,
        MINUTE,
        300,
        (("glucose", "G", 1 / 18.0156), ("insulin", "I", 1.0)),
        doses=((0.0, "meal", 78000.0, 0.0),),
    ),
    Twin(
        "beta_cell_mass",
        341,
        DAY,
        365,
        (("glucose", "G", 1 / 18.0156), ("insulin", "I", 1.0), ("beta_cells", "B", 1.0)),
    ),
    Twin(
        "acute_inflammation",
        714,
        1.0,
        168,
        (("damage", "D", 1.0), ("phagocytes", "Nstar", 1.0), ("mediator", "C_A", 1.0)),
    ),
    Twin("hiv_nelson", 875, DAY, 30, (("infectious", "V_I", 1.0), ("noninfectious", "V_NI", 1.0))),
    Twin(
        "influenza_immunity",
        711,
        DAY,
        12,
        (
            ("virus", "Viral_Load__V", 1.0),
            ("healthy", "Healthy_Epithelial_cells__H", 1.0),
            ("antibody", "Antibodies__A", 1.0),
        ),
        parameters={"ae": 0.1 / 24},
    ),
    Twin(
        "liver_injury_acetaminophen",
        609,
        1.0,
        12,
        (("drug", "Paracetamol_APAP", 1e15), ("adducts", "Protein_adducts", 1e15)),
    ),
    Twin(
        "bone_remodeling",
        278,
        DAY,
        200,
        (("responding", "R", 1.0), ("osteoblasts", "B", 1.0), ("osteoclasts", "C", 1.0)),
    ),
    Twin(
        "acetaminophen_pbpk",
        619,
        1.0,
        24,
        (("metabolized", "CMetabolized", 1e3), ("urine", "CTubules", 1e3)),
        doses=((0.0, "oral", 1400 / 151.2, 0.0),),
    ),
)
LEVELS = {"protease_inhibition": 0.5}


@pytest.mark.skipif(not SBML.exists(), reason="reference folder not found (TWIN_REFERENCE_DIR)")
@pytest.mark.parametrize("twin", TWINS, ids=lambda t: t.block)
def test_a_block_follows_its_sbml_model(twin: Twin) -> None:
    roadrunner = pytest.importorskip("roadrunner")
    runner = roadrunner.RoadRunner(str(SBML / f"BIOMD{twin.number:010d}.xml"))
    # amounts of 1e-15 mol per cell need a floor far below the usual one; jumps in time need a higher one
    runner.integrator.relative_tolerance = 1e-8
    runner.integrator.absolute_tolerance = 1e-22 if twin.number == 609 else 1e-9
    runner.integrator.maximum_time_step = twin.until / 500 if twin.number in (234, 1025) else 0.0
    species = set(runner.model.getFloatingSpeciesIds())
    names = [s for _, s, _ in twin.pairs]
    amounts = twin.number == 619
    runner.timeCourseSelections = ["time", *[f"[{s}]" if s in species and not amounts else s for s in names]]
    points = 61
    theirs = np.asarray(runner.simulate(0.0, float(twin.until), points))
    block = build_block(twin.block, parameters=twin.parameters)
    sources = {p: constant_block(LEVELS.get(p, 0.0), u) for p, u in block.ports.items()}
    model = compose(twin.block, {"b": block, **sources}, {f"b.{p}": f"{p}.level" for p in block.ports})
    doses = tuple(Dose(t * twin.hours, f"b.{i}", a, d * twin.hours) for t, i, a, d in twin.doses)
    run = simulate(
        model.system,
        model.values(twin.covariates)[None],
        Schedule(doses),
        theirs[:, 0] * twin.hours,
        after_dose=np.ones(points, dtype=bool),
        tolerances=Tolerances(rtol=1e-9),
    )
    for k, (output, _, scale) in enumerate(twin.pairs, 1):
        ours, wanted = run.outputs[0, :, model.system.output_index[f"b.{output}"]], theirs[:, k] * scale
        assert ours == pytest.approx(wanted, rel=1e-3, abs=1e-5 * np.max(np.abs(wanted))), output


@pytest.mark.skipif(not SBML.exists(), reason="reference folder not found (TWIN_REFERENCE_DIR)")
def test_amyloid_under_a_drug_follows_its_sbml_model() -> None:
    roadrunner = pytest.importorskip("roadrunner")
    runner = roadrunner.RoadRunner(str(SBML / "BIOMD0000000551.xml"))
    runner.integrator.relative_tolerance = 1e-9
    runner.timeCourseSelections = ["time", "[C]", "[P]"]
    theirs = np.asarray(runner.simulate(0.0, 100.0, 101))
    blocks = {
        "b": build_block("amyloid_secretase_inhibitor"),
        "g": ramp_decay_block({"amplitude": 4.92, "rate_per_h": 0.259, "lag_h": 2.06}, "1"),
        "f": ramp_decay_block({"amplitude": 187.0, "rate_per_h": 0.089, "lag_h": 1.66}, "1"),
    }
    model = compose("a", blocks, {"b.csf_drug": "g.level", "b.plasma_drug": "f.level"})
    ours = simulate(model.system, model.values({})[None], times_h=theirs[:, 0]).outputs[0, :, :2]
    assert ours == pytest.approx(theirs[:, 1:], rel=2e-3, abs=1e-4)
