"""The clearance a group of people is predicted to have, as studies publish it: of plasma or blood, by vein or mouth.

intravenous   CL, the sum over organs at low concentration; of one dose sampled to a known end, what sampling shows:
              dose/(AUC to the end + C/lambda), lambda the slope of the last three samples
oral          CL/F = dose/AUC of a single dose, first pass and return with the bile included
chronic       CL/F = dose/AUC over an interval at steady state, of a drug that induces its own metabolism, at the dose
              that brings the group's middle person to the middle of the therapeutic window: as patients are dosed
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from twin_service.model.pbpk.checks import plasma_clearance
from twin_service.model.pbpk.enzyme_action import Induction
from twin_service.model.pbpk.individual import disposition, reference_body
from twin_service.model.pbpk.library import Library
from twin_service.model.pbpk.people import WEIGHT_BY_HEIGHT
from twin_service.model.pbpk.physiology import create_body, reference_size
from twin_service.model.pbpk.record import DrugRecord
from twin_service.model.pbpk.studies import Floats, Treatment, course, observe, series

AGES, SIZES = 7, 5
WINDOW_H = 480.0
# Four weeks complete the induction by a drug with a half-life of a day: Bertilsson 1980, Clin Pharmacol Ther 27:83
CHRONIC_DAYS, INTERVAL_H = 28, 12.0
TITRATIONS = 4
START_MG_KG = 5.0
SAMPLES, FIRST_SAMPLE_H, FINE = 12, 2.0 / 60.0, 400
GONE = 1e-9
STEEPEST = 1e4


@dataclass(frozen=True)
class StudiedGroup:
    """People whose mean clearance was published: ages, mean weight (kg; None: the usual one), weeks of gestation."""

    ages_y: tuple[float, float]
    weight_kg: float | None = None
    gestational_age_wk: float = 0.0
    sexes: tuple[float, ...] = (0.0, 1.0)


@dataclass(frozen=True)
class Sampling:
    """One intravenous dose given over `dose_h` and sampled until `end_h` (h)."""

    dose_h: float
    end_h: float


@dataclass(frozen=True)
class ClearanceKind:
    """What a published clearance is: of whole blood (over the blood:plasma ratio), oral (dose over area), sampled."""

    blood: bool = False
    oral: bool = False
    sampling: Sampling | None = None


def group_clearance(
    drug: DrugRecord, library: Library, group: StudiedGroup, kind: ClearanceKind | None = None
) -> float:
    """Mean clearance (L/h/kg) over the members of a group."""
    kind = kind or ClearanceKind()
    species = library.species["human"]
    mean = 0.0
    for person, share in members(library, group):
        if kind.oral:
            cleared = oral_clearance(drug, library, person)
        elif kind.sampling is not None:
            cleared = sampled_clearance(drug, library, person, kind.sampling)
        else:
            cleared = plasma_clearance(drug, library, person)
        if kind.blood:
            cleared /= disposition(drug, species, create_body(species, person), reference_body(species)).bp
        mean += share * cleared / person["weight_kg"]
    return mean


def members(library: Library, group: StudiedGroup) -> list[tuple[dict[str, float], float]]:
    """The group's people and the share of each.

    One age: the usual or the stated weight. A span of ages: its ages evenly, usual weights; with a mean weight, people
    of these ages and sexes and of every weight, in the shares that have this mean and differ least from even ones
    (p ~ exp(t w), the least relative entropy): a group lighter than usual is younger as well as lighter. Where nobody
    of the ages is as light or heavy as the mean, all are usual people scaled to it.
    """
    species = library.species["human"]
    span = len(set(group.ages_y)) > 1
    ages = np.linspace(*group.ages_y, AGES if span else 1)
    found = [
        ({"age_y": float(a), "sex_female": s}, reference_size(species, a, s > 0.5)[1])
        for a in ages
        for s in group.sexes
    ]
    weights = np.array([w for _, w in found])
    shares = np.full(len(found), 1.0 / len(found))
    cv, (z, density) = species.variability, np.polynomial.hermite_e.hermegauss(SIZES)
    spread = np.exp(np.hypot(cv["weight_kg"], cv["height_cm"] * WEIGHT_BY_HEIGHT) * z)
    reached = group.weight_kg is not None and weights.min() * spread[0] < group.weight_kg < weights.max() * spread[-1]
    if group.weight_kg is not None and not (span and reached):
        weights = weights * group.weight_kg / weights.mean()
    elif group.weight_kg is not None:
        found = [f for f in found for _ in z]
        weights = np.outer(weights, spread).ravel()
        shares = _tilted(weights, np.tile(density / density.sum(), len(shares)) / len(shares), group.weight_kg)
    born = {"gestational_age_wk": group.gestational_age_wk} if group.gestational_age_wk else {}
    return [
        ({**p, "weight_kg": float(w), **born}, float(q)) for (p, _), w, q in zip(found, weights, shares, strict=True)
    ]


def _tilted(weights: Floats, prior: Floats, mean: float) -> Floats:
    """Shares p ~ prior exp(t w) with the mean weight `mean`. Csiszar 1975, doi:10.1214/aop/1176996454"""
    scaled = (weights - mean) / weights.std()

    def shares(t: float) -> Floats:
        p = prior * np.exp(t * scaled - (t * scaled).max())
        return np.asarray(p / p.sum())

    return shares(float(brentq(lambda t: float(shares(t) @ scaled), -STEEPEST, STEEPEST)))


def oral_clearance(drug: DrugRecord, library: Library, person: Mapping[str, float]) -> float:
    """CL/F (L/h) of an oral dose of 1 mg: dose over its whole area."""
    dose = Treatment(drug.id, "oral", 1.0)
    return 1.0 / observe(course([dose], person, library), drug.id, (0.0, WINDOW_H), dose)["auc_inf"]


def sampled_clearance(drug: DrugRecord, library: Library, person: Mapping[str, float], sampling: Sampling) -> float:
    """CL (L/h) that samples of one intravenous dose of 1 mg show: the last three extrapolate the area to infinity.

    Sampled for less than a few half-lives a drug seems to leave faster than it does: distribution is taken for
    elimination. Samples are spaced geometrically (assumption: studies seldom tell).
    """
    dose = Treatment(drug.id, "iv", 1.0, duration_h=sampling.dose_h)
    samples = sampling.dose_h + np.geomspace(FIRST_SAMPLE_H, sampling.end_h - sampling.dose_h, SAMPLES)
    given = np.linspace(0.0, sampling.dose_h, 20)
    after = sampling.dose_h + np.geomspace(1e-3, sampling.end_h - sampling.dose_h, FINE)
    times = np.unique(np.concatenate([given, after, samples]))
    levels = series(course([dose], person, library), f"{drug.id}_level", times)
    area = float(np.trapezoid(levels, times))
    if levels[-1] > GONE * levels.max():
        area += levels[-1] / -np.polyfit(samples[-3:], np.log(np.interp(samples[-3:], times, levels)), 1)[0]
    return dose.dose_mg / area


def induces_itself(drug: DrugRecord) -> bool:
    """Whether a drug with a therapeutic window induces an enzyme that clears it: its patients' clearance is not that of
    one dose."""
    own = {w.enzyme for w in drug.clearances} - {""}
    return _window_middle(drug) > 0.0 and any(
        isinstance(i.act, Induction) and i.target in own for i in drug.interactions
    )


def chronic_clearance(drug: DrugRecord, library: Library, group: StudiedGroup) -> float:
    """Mean CL/F (L/h/kg) at steady state, everyone on the mg/kg that brings the middle person to the window's middle.

    Level and dose are found by steps, dose <- dose wanted/found, since clearance rises with the level.
    """
    wanted = _window_middle(drug)
    people = members(library, group)
    middle = {key: sum(share * p[key] for p, share in people) for key in ("age_y", "weight_kg")}
    mg_kg = START_MG_KG
    for _ in range(TITRATIONS):
        mg_kg *= wanted / _steady_level(drug, library, middle, mg_kg)
    return sum(share * mg_kg / INTERVAL_H / _steady_level(drug, library, p, mg_kg) for p, share in people)


def _steady_level(drug: DrugRecord, library: Library, person: Mapping[str, float], mg_kg: float) -> float:
    """Mean level (mg/L) over the last interval of four weeks of oral doses every 12 h."""
    end = CHRONIC_DAYS * 24.0
    doses = Treatment(drug.id, "oral", mg_kg * person["weight_kg"], INTERVAL_H, round(end / INTERVAL_H))
    return observe(course([doses], person, library), drug.id, (end - INTERVAL_H, end), doses)["cav"]


def _window_middle(drug: DrugRecord) -> float:
    """Of the first window with both ends; 0 without one."""
    return next(((w.low + w.high) / 2.0 for w in drug.windows if w.low is not None and w.high is not None), 0.0)
