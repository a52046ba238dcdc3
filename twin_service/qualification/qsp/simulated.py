"""Forecasts for simulated patients whose truth is known: neutrophil nadirs, and warfarin dosed by the INR."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import qmc

from twin_service.model.compose import compose
from twin_service.model.qsp.build import build_block
from twin_service.model.qsp.join import two_compartment_block
from twin_service.model.structure import PatientModel
from twin_service.qualification.qsp.belief_fit import PatientRecord, inside_share, posterior
from twin_service.solver.schedule import Dose, Schedule
from twin_service.solver.simulate import simulate

Floats = NDArray[np.float64]
PATIENTS: Final = 200
DRAWS: Final = 400
# docetaxel 100 mg/m2 over 1 h in a patient of 1.8 m2; clearance 21 L/h/m2, steady-state volume 113 L (label)
DOCETAXEL: Final = {"cl": 37.8, "v1": 8.0, "v2": 105.0, "q": 12.0}
DOCETAXEL_UMOL: Final = 180.0 / 808.0 * 1000.0
NADIR_UNTIL_H: Final = 504.0
# allele frequencies of Europeans: Sconce 2005, doi:10.1182/blood-2005-03-1108
STAR2, STAR3, VKORC1_A = 0.12, 0.07, 0.39
INR_DAYS: Final = (3, 5, 7, 9, 11)
DOSES_MG: Final = tuple(float(d) for d in np.arange(0.5, 15.01, 0.5))
GOAL: Final = 2.45
LAST_DAY: Final = 14


def neutropenia_figures(rng: np.random.Generator) -> dict[str, float]:
    """Share of true nadirs inside the 90 % band forecast on day 5, and the Brier score of grade 4 against that of the
    population forecast."""
    model = _docetaxel_model()
    schedule = Schedule((Dose(0.0, "drug.dose", DOCETAXEL_UMOL, 1.0),))
    truth = _effects(model, PATIENTS, rng)
    nadirs = _nadirs(model, truth, schedule)
    population = _nadirs(model, _effects(model, 4000, rng), schedule)
    before = float(np.mean(population < 0.5))
    low, high, after = (np.empty(PATIENTS) for _ in range(3))
    for i in range(PATIENTS):
        course = _neutrophil_course(model, truth[i], schedule, rng)
        belief = posterior(model, course, course.readings)
        drawn = _nadirs(model, belief.draw(DRAWS, rng), schedule)
        low[i], high[i] = np.quantile(drawn, (0.05, 0.95))
        after[i] = np.mean(drawn < 0.5)
    happened = (nadirs < 0.5).astype(np.float64)
    brier = float(np.mean((after - happened) ** 2) / np.mean((before - happened) ** 2))
    return {"qsp.nadir_coverage90": inside_share(low, high, nadirs), "qsp.grade4_brier_ratio": brier}


def inr_figures(rng: np.random.Generator) -> dict[str, float]:
    """Share of patients whose INR on day 14 is 2 to 3: dosed by genotype, age and INR, and at a fixed 5 mg a day."""
    model = compose("warfarin", {"w": build_block("warfarin_inr")})
    eta = _effects(model, PATIENTS, rng)
    people = [_warfarin_person(rng) for _ in range(PATIENTS)]
    guided = [_guided_inr(model, people[i], eta[i], rng) for i in range(PATIENTS)]
    fixed = [
        _inr(model, p, e[None], _daily([5.0] * LAST_DAY), [LAST_DAY])[0, 0] for p, e in zip(people, eta, strict=True)
    ]
    return {"qsp.inr_in_range_share": _in_range(guided), "qsp.inr_fixed_share": _in_range(fixed)}


def _docetaxel_model() -> PatientModel:
    blocks = {"anc": build_block("neutropenia_friberg"), "drug": two_compartment_block(DOCETAXEL, "umol/L")}
    return compose("docetaxel_like", blocks, {"anc.drug_concentration": "drug.level"})


def _effects(model: PatientModel, count: int, rng: np.random.Generator) -> Floats:
    """Effects of `count` patients, spread evenly over the population (Latin hypercube)."""
    cube = qmc.LatinHypercube(d=len(model.effects), rng=rng).random(count)
    return np.asarray(ndtri(cube) @ np.linalg.cholesky(model.omega).T)


def _nadirs(model: PatientModel, eta: Floats, schedule: Schedule) -> Floats:
    grid = np.linspace(0.0, NADIR_UNTIL_H, 127)
    run = simulate(model.system, model.members({}, eta), schedule, grid)
    return np.asarray(run.outputs[:, :, model.system.output_index["anc.cells"]].min(axis=1))


def _neutrophil_course(model: PatientModel, eta: Floats, schedule: Schedule, rng: np.random.Generator) -> PatientRecord:
    """Counts before the dose and on day 5, with the published residual error."""
    times = np.array([0.0, 120.0])
    run = simulate(model.system, model.members({}, eta[None]), schedule, times)
    cells = run.outputs[0, :, model.system.output_index["anc.cells"]]
    noisy = cells * np.exp(model.observables["neutrophils"].error.proportional * rng.standard_normal(2))
    return PatientRecord(
        {}, schedule, tuple((float(t), "neutrophils", float(v)) for t, v in zip(times, noisy, strict=True))
    )


def _warfarin_person(rng: np.random.Generator) -> dict[str, float]:
    alleles = rng.choice(3, size=2, p=[1 - STAR2 - STAR3, STAR2, STAR3])
    return {
        "age_y": float(np.clip(rng.normal(66.0, 12.0), 25.0, 95.0)),
        "cyp2c9_star2": float(np.sum(alleles == 1)),
        "cyp2c9_star3": float(np.sum(alleles == 2)),
        "vkorc1_a": float(rng.binomial(2, VKORC1_A)),
    }


def _daily(doses_mg: list[float]) -> Schedule:
    """One dose a day; half of the racemic amount is S-warfarin."""
    return Schedule(tuple(Dose(24.0 * k, "w.oral", mg / 2) for k, mg in enumerate(doses_mg)))


def _inr(model: PatientModel, person: dict[str, float], eta: Floats, schedule: Schedule, days: list[int]) -> Floats:
    run = simulate(model.system, model.members(person, eta), schedule, np.array(days) * 24.0)
    return np.asarray(run.outputs[:, :, model.system.output_index["w.inr"]])


def _guided_inr(model: PatientModel, person: dict[str, float], eta: Floats, rng: np.random.Generator) -> float:
    """INR on day 14 of a patient whose dose is chosen anew after each INR."""
    given: list[float] = []
    readings: list[tuple[float, str, float]] = []
    noise = model.observables["inr"].error.proportional
    guess = np.zeros(len(model.effects))
    for day in (*INR_DAYS, LAST_DAY):
        given += [_dose_for_goal(model, person, guess, given)] * (day - len(given))
        now = float(_inr(model, person, eta[None], _daily(given), [day])[0, 0])
        if day == LAST_DAY:
            return now
        readings.append((24.0 * day, "inr", float(now * np.exp(noise * rng.standard_normal()))))
        guess = posterior(model, PatientRecord(person, _daily(given), ()), readings).mean
    raise AssertionError("the last day is always reached")


def _dose_for_goal(model: PatientModel, person: dict[str, float], eta: Floats, given: list[float]) -> float:
    """The daily dose from now on that brings the most likely patient nearest to the goal on day 14."""
    schedules = [_daily([*given, *[mg] * (LAST_DAY - len(given))]) for mg in DOSES_MG]
    rows = np.repeat(model.members(person, eta[None]), len(DOSES_MG), axis=0)
    run = simulate(model.system, rows, schedules, [24.0 * LAST_DAY])
    reached = run.outputs[:, 0, model.system.output_index["w.inr"]]
    return DOSES_MG[int(np.argmin(np.abs(np.log(reached / GOAL))))]


def _in_range(values: list[float]) -> float:
    v = np.array(values)
    return float(np.mean((v >= 2.0) & (v <= 3.0)))
