"""Is "in range with 80 %" in range in 80 %? Next levels of real patients, with what varies within patients learned on
others.

Target: the middle half of the set's levels of that analyte. Patients are dealt into five folds; persistence and scale
(`scenario.occasion`) are those of largest predictive density on the other four folds, with ln scale ~ N(0, 0.5).
    z    = sum (o - p)(1 - 2p) / sqrt(sum (1 - 2p)^2 p (1 - p))         N(0, 1) when calibrated
    ECE  = sum over ten bins |sum (p - o)| / n; by chance: mean of calibrated outcomes of the same p
Spiegelhalter 1986, doi:10.1002/sim.4780050506.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, logsumexp, ndtri

from twin_service.qualification.estimation.next_levels import MEMBERS, PERSISTENCE, NextLevel, next_levels
from twin_service.qualification.estimation.real_sets import SETS
from twin_service.scenario.occasion import WithinPatient, next_readings, true_levels, variances, within_patient

FloatArray = NDArray[np.float64]
NAMES: Final = ("quinidine", "phenobarbital", "vancomycin_pediatric", "mavoglurant", "warfarin_half", "theophylline")
SCALES: Final = (0.25, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0)
FOLDS: Final = 5
SPREAD_OF_SCALES: Final = 0.5
Choice = tuple[int, float]


class Calibration(NamedTuple):
    """Of `levels` forecasts: Spiegelhalter's z, expected calibration error, that by chance, Brier score."""

    levels: int
    z: float
    ece: float
    chance: float
    brier: float


@dataclass(frozen=True)
class AttainmentVerdict:
    """One set: attainment by the patient's curve alone, by his true level on the next occasion, by the next reading;
    `covered`: share of levels inside the 90 % band of readings; `learned`: persistence and scale on all patients."""

    name: str
    curve: Calibration
    true_level: Calibration
    reading: Calibration
    covered: float
    learned: tuple[float, float]


def run(reference: Path, say: Callable[[str], None]) -> dict[str, float]:
    """Figures `answers.attainment_*` over the sets that are there."""
    found = []
    for chosen in (s for n in NAMES for s in SETS if s.name == n):
        levels = next_levels(chosen, reference, say=say)
        if levels:
            found.append(judge(chosen.name, chosen.model.poppk, levels))
            say(str(found[-1]))
    return attainment_figures(found)


def attainment_figures(found: Sequence[AttainmentVerdict]) -> dict[str, float]:
    """All sets together, and each."""
    if not found:
        return {}
    figures = {
        "answers.attainment_sets": float(len(found)),
        "answers.attainment_z_sets": float(sum(abs(v.true_level.z) < 2.0 for v in found)),
        "answers.attainment_ece_excess": max(v.true_level.ece - v.true_level.chance for v in found),
        "answers.attainment_reading_z_sets": float(sum(abs(v.reading.z) < 2.0 for v in found)),
        "answers.attainment_reading_ece_excess": max(v.reading.ece - v.reading.chance for v in found),
        "answers.attainment_curve_z_sets": float(sum(abs(v.curve.z) < 2.0 for v in found)),
    }
    for v in found:
        for kind, c in (("curve", v.curve), ("level", v.true_level), ("reading", v.reading)):
            figures |= {f"answers.attainment_{v.name}_{kind}_{k}": float(x) for k, x in c._asdict().items()}
        figures[f"answers.attainment_{v.name}_reading_covered90"] = v.covered
    return figures


def judge(name: str, model: str, levels: Sequence[NextLevel]) -> AttainmentVerdict:
    """Five folds of patients; what is learned of a patient's own past is kept."""
    who = np.array([x.subject for x in levels])
    people = np.unique(who)
    fold = dict(zip(np.random.default_rng(1).permutation(people), np.arange(len(people)) % FOLDS, strict=True))
    of = np.array([fold[w] for w in who])
    prior = within_patient((), levels[0].analyte)
    densities = {c: _densities(levels, c, prior) for c in _choices()}
    curve, true, read, inside = (np.zeros(len(levels)) for _ in range(4))
    ranges = _ranges(levels)
    for k in range(FOLDS):
        best = _best(densities, of != k)
        how = _patients(levels, best, prior)
        for i in map(int, np.flatnonzero(of == k)):
            curve[i], true[i], read[i], inside[i] = _shares(levels[i], best, how[i], ranges[levels[i].analyte])
    came = np.array([ranges[x.analyte][0] <= x.value <= ranges[x.analyte][1] for x in levels], dtype=np.float64)
    row, scale = _best(densities, np.ones(len(levels), dtype=bool))
    return AttainmentVerdict(
        name,
        calibration(curve, came),
        calibration(true, came),
        calibration(read, came),
        float(inside.mean()),
        (PERSISTENCE[row], scale),
    )


def calibration(p: FloatArray, came: FloatArray) -> Calibration:
    """Of probabilities `p` held against what `came` (0 or 1)."""
    spread = np.sqrt(np.sum((1.0 - 2.0 * p) ** 2 * p * (1.0 - p)))
    rng = np.random.default_rng(0)
    chance = np.mean([_ece(p, (rng.random(len(p)) < p).astype(np.float64)) for _ in range(1000)])
    z = float(np.sum((came - p) * (1.0 - 2.0 * p)) / max(spread, 1e-12))
    return Calibration(len(p), z, _ece(p, came), float(chance), float(np.mean((came - p) ** 2)))


def _ece(p: FloatArray, came: FloatArray) -> float:
    bins = np.minimum((10.0 * p).astype(np.intp), 9)
    return float(np.abs(np.bincount(bins, weights=p - came, minlength=10)).sum() / len(p))


def _choices() -> list[Choice]:
    return [(r, s) for r in range(len(PERSISTENCE)) for s in SCALES]


def _best(densities: dict[Choice, FloatArray], chosen: NDArray[np.bool_]) -> Choice:
    def worth(c: Choice) -> float:
        return float(densities[c][chosen].sum() - 0.5 * (np.log(c[1]) / SPREAD_OF_SCALES) ** 2)

    return max(densities, key=worth)


def _patients(levels: Sequence[NextLevel], c: Choice, prior: WithinPatient) -> list[WithinPatient]:
    """What is known of each level's patient from his levels before."""
    start = WithinPatient(prior.assay_cv, c[1], prior.freedom, PERSISTENCE[c[0]])
    past: dict[tuple[str, str], list[float]] = {}
    found = []
    for x in levels:
        seen = past.setdefault((x.subject, x.analyte), [])
        found.append(start.learned(seen))
        f, y = _on_scale(x, c[0])
        within, assay = variances(x.members[c[0]], x.law, start)
        seen.append(float((y - f.mean()) ** 2 / (f.var() + np.mean(start.scale * within + assay))))
    return found


def _densities(levels: Sequence[NextLevel], c: Choice, prior: WithinPatient) -> FloatArray:
    """Log predictive density of each reading: a mixture over members of Student t."""
    found = np.zeros(len(levels))
    for i, (x, how) in enumerate(zip(levels, _patients(levels, c, prior), strict=True)):
        f, y = _on_scale(x, c[0])
        within, assay = variances(x.members[c[0]], x.law, how)
        sd, n = np.sqrt(how.scale * within + assay), how.freedom
        t = (y - f) / sd
        log = gammaln((n + 1) / 2) - gammaln(n / 2) - 0.5 * np.log(n * np.pi) - np.log(sd)
        found[i] = logsumexp(log - (n + 1) / 2 * np.log1p(t**2 / n)) - np.log(len(f))
    return found


def _on_scale(x: NextLevel, row: int) -> tuple[FloatArray, float]:
    f = x.members[row]
    if x.law.kind == "log":
        return np.log(np.maximum(f, 1e-300)), float(np.log(max(x.value, 1e-300)))
    return f, x.value


def _ranges(levels: Sequence[NextLevel]) -> dict[str, tuple[float, float]]:
    """The middle half of the levels of each analyte."""
    found = {}
    for analyte in {x.analyte for x in levels}:
        low, high = np.quantile([x.value for x in levels if x.analyte == analyte], (0.25, 0.75))
        found[analyte] = (float(low), float(high))
    return found


def _shares(
    x: NextLevel, c: Choice, how: WithinPatient, target: tuple[float, float]
) -> tuple[float, float, float, float]:
    """Shares in range of curves, true levels and readings; whether the level is inside the 90 % band of readings."""
    z = np.random.default_rng(3).permutation(ndtri((np.arange(MEMBERS) + 0.5) / MEMBERS))
    f = x.members[c[0]]
    true, read = true_levels(f, x.law, z, how), next_readings(f, x.law, z, how)
    low, high = np.quantile(read, (0.05, 0.95))
    share = [float(np.mean((v >= target[0]) & (v <= target[1]))) for v in (x.members[0], true, read)]
    return share[0], share[1], share[2], float(low <= x.value <= high)
