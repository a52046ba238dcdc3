"""How good the QSP library is: check values, forecasts of simulated and of real patients, and speed.

Every figure is measured when asked for. Real patients are read from the reference folder; without it their figures
are left out, and the log says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from twin_service.model.qsp.checks import CheckFinding, check_block
from twin_service.model.qsp.record import block_files
from twin_service.outcome import Refusal
from twin_service.qualification.qsp.patients import pca_figures, tumor_figures
from twin_service.qualification.qsp.simulated import inr_figures, neutropenia_figures
from twin_service.qualification.reference import reference_folder
from twin_service.record.events import CovariateMeasured, Event
from twin_service.record.person import ModelChoice, Person, TwinName
from twin_service.record.timeline import Timeline
from twin_service.scenario.regimen import PlannedDoses, Regimen
from twin_service.scenario.target import Target
from twin_service.twin.assemble import build
from twin_service.twin.fold import fold
from twin_service.twin.simulate import what_if

Progress = Callable[[str], None]
SEED: Final = 20260301
DOSES_MG: Final = (90.0, 110.0, 135.0, 150.0, 180.0)
CYCLES: Final = 6
CYCLE_H: Final = 504.0
MEMBERS: Final = 500


def qualify_qsp(
    progress: Progress = lambda _: None, *, reference: Path | None = None, findings: list[CheckFinding] | None = None
) -> dict[str, float]:
    """The figures `qsp.*`, flat, as numbers; `findings` of the checks where they are known."""
    folder = (reference or reference_folder()) / "mipd" / "real"
    rng = np.random.default_rng(SEED)
    figures = check_figures(check_findings(progress) if findings is None else findings)
    progress("neutropenia: 200 simulated courses")
    figures |= neutropenia_figures(rng)
    progress("warfarin: 200 simulated patients")
    figures |= inr_figures(rng)
    if folder.exists():
        progress("warfarin: prothrombin complex activity of 32 volunteers")
        figures |= pca_figures(folder / "nlmixr2data_warfarin.csv")
        progress("tumors: 68 patients of a control arm")
        figures |= tumor_figures(folder / "tumgr_sampleData.csv")
    else:
        progress("real patients are left out: set TWIN_REFERENCE_DIR to the reference folder")
    progress("speed: five regimens, 500 members, six cycles")
    return figures | speed_figures(progress)


def check_findings(progress: Progress = lambda _: None) -> list[CheckFinding]:
    """Every check of every block of the library."""
    found: list[CheckFinding] = []
    for block, path in block_files().items():
        progress(f"check {block}")
        found += check_block(path)
    return found


def check_figures(findings: list[CheckFinding]) -> dict[str, float]:
    """How many blocks and checks there are, and the share of checks that hold."""
    return {
        "qsp.blocks": float(len(block_files())),
        "qsp.checks": float(len(findings)),
        "qsp.checks_pass_share": float(np.mean([f.ok for f in findings])),
    }


def speed_figures(progress: Progress = lambda _: None) -> dict[str, float]:
    """Wall-clock seconds of the what-ifs a service answers for docetaxel PBPK with neutropenia and tumor: belief drawn,
    history solved, five regimens of six cycles in 500 members, bands, targets and endpoints. Best of three, warm."""
    choice = ModelChoice(drugs=("docetaxel",), effects=("neutropenia_friberg", "tumor_claret"))
    try:
        model = build(choice)
    except Refusal as refusal:
        progress(f"speed was not measured: {refusal.message}")
        return {}
    said = (("age_y", 60.0, "a"), ("sex_female", 0.0, "1"), ("height_cm", 172.0, "cm"), ("weight_kg", 74.0, "kg"))
    events = [Event(n, 0, CovariateMeasured(n, v, unit, v, unit)) for n, v, unit in said]
    twin = fold(model, Person(TwinName("qualify", "speed"), choice, 0), Timeline.of(events))
    plans = [Regimen(f"{mg:g} mg", (PlannedDoses("docetaxel", "iv", mg, CYCLE_H, CYCLES, 1.0),)) for mg in DOSES_MG]
    target = Target("tumor_sld", "final", high=50.0)

    def run() -> float:
        start = time.perf_counter()
        found = what_if(twin, plans, start_h=0.0, horizon_h=CYCLES * CYCLE_H, targets=[target], members=MEMBERS)
        took = time.perf_counter() - start
        assert all(w.outcome.ok and w.bands.members == MEMBERS for w in found)
        return took

    run()
    return {"qsp.whatif5_500_s": min(run() for _ in range(3))}
