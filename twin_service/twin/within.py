"""From a twin's curves to its levels on the next occasion, by which attainment is judged, and to the next readings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import Observable
from twin_service.scenario.bands import QUANTILES, BandSeries, summarize
from twin_service.scenario.occasion import WithinPatient, next_readings, true_levels, within_patient
from twin_service.twin.fold import Folded
from twin_service.twin.observe import seed_of
from twin_service.twin.trajectory import assay_draws

FloatArray = NDArray[np.float64]


def models_of(folded: Folded) -> tuple[str, ...]:
    """Library ids of the parts of a twin's model."""
    choice = folded.person.model
    return (*([choice.poppk] if choice.poppk else []), *choice.drugs, *choice.effects)


def within(folded: Folded, analyte: str) -> WithinPatient:
    """How this patient's levels of `analyte` vary between occasions, his past included."""
    past = [f.nis for f in folded.forecasts if f.sample.analyte == analyte and f.history >= 1 and f.outcome.ok]
    return within_patient(models_of(folded), analyte).learned(past)


def levels(folded: Folded, output: str, curves: FloatArray) -> FloatArray:
    """`curves` (N, nt) of all members as they will be on the next occasion; as they are where nothing measures them."""
    seen = _measured(folded, output)
    if seen is None:
        return curves
    return true_levels(curves, seen.error, _draws(folded, len(curves))[:, None], within(folded, seen.analyte))


def banded(folded: Folded, output: str, curves: FloatArray) -> BandSeries:
    """The three bands of an output: the patient's curve, his true level on another occasion, the next reading."""
    seen = _measured(folded, output)
    plain = summarize(folded.model, output, curves)
    solved = np.all(np.isfinite(curves), axis=1)
    if seen is None or not solved.any():
        return plain
    how, z = within(folded, seen.analyte), _draws(folded, len(curves))[solved, None]
    good = curves[solved]
    return BandSeries(
        plain.output,
        plain.unit,
        plain.mean,
        plain.quantiles,
        np.quantile(next_readings(good, seen.error, z, how), QUANTILES, axis=0),
        np.quantile(true_levels(good, seen.error, z, how), QUANTILES, axis=0),
    )


def _measured(folded: Folded, output: str) -> Observable | None:
    found = (o for o in folded.model.observables.values() if o.output == output and o.error.kind != "poisson")
    return next(found, None)


def _draws(folded: Folded, count: int) -> FloatArray:
    """(count,) standard normal numbers, one occasion for each member."""
    return assay_draws(folded, count)


def fresh_effects(folded: Folded, count: int) -> FloatArray:
    """(count, nx) members of the population, independent of the belief's."""
    rng = np.random.default_rng(seed_of(str(folded.person.name), "occasion"))
    return rng.standard_normal((count, len(folded.model.effects))) @ np.linalg.cholesky(folded.model.omega).T
