"""What moves a patient's true level between occasions: what a model's residual holds beside the assay.

    v(f) = residual variance of the model at prediction f       a(f) = (assay CV f)^2, at most v(f)
    w(f) = v(f) - a(f)                                           within the patient: occasions, times, compliance

    true level      f + sqrt(scale w(f)) T                       T ~ Student t, `freedom` degrees of freedom
    next reading    f + sqrt(scale w(f) + a(f)) T                on the log scale for the "log" law; never below zero

The scale of this patient has an inverse gamma prior of shape `freedom`/2 and mean near the model's, updated by his
normalized innovations squared r_j: shape + n/2, rate + sum r_j/2. Models whose level is declared to change between
occasions by effects of their own draw those beside this, which then holds the rest only.
Gelman 2013, Bayesian Data Analysis 3rd ed., section 2.6 (scale of a normal); Karlsson & Sheiner 1993,
doi:10.1007/BF01113502 (between-occasion variability).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, stdtrit

from twin_service.library.files import FOLDER, parse_toml
from twin_service.model.library.reader import read_as
from twin_service.model.library.tables import Head, LibraryTable, Number, Text
from twin_service.model.structure import ErrorLaw
from twin_service.scenario.assay import noise_sd

FloatArray = NDArray[np.float64]
SURPRISE_MAX: Final = 25.0  # of one r_j: five standard deviations say "an error", not "a variable patient"


@dataclass(frozen=True)
class WithinPatient:
    """assay_cv      scatter of the assay alone
    scale         of the variance within the patient, times what the model's residual leaves beside the assay
    freedom       degrees of freedom: how alike patients are in this (infinite: all the same)
    persistence   correlation of the patient's effects from one occasion to the next
    """

    assay_cv: float
    scale: float = 1.0
    freedom: float = 1e6
    persistence: float = 1.0

    def learned(self, surprises: Sequence[float]) -> WithinPatient:
        """As this patient's past shows: `surprises` are his normalized innovations squared (1 expected)."""
        seen = np.minimum(np.asarray(surprises, dtype=np.float64), SURPRISE_MAX)
        seen = seen[np.isfinite(seen)]
        n = self.freedom + len(seen)
        return replace(self, scale=self.scale * (self.freedom + float(seen.sum())) / n, freedom=n)


class _Occasion(LibraryTable):
    model: Text
    persistence: Number
    scale: Number


class _AssayScatter(LibraryTable):
    analyte: Text
    cv: Number


class OccasionTable(Head):
    """`library/occasions.toml`."""

    usual_assay: Number
    usual_freedom: Number
    assay: list[_AssayScatter] = []
    within_patient: list[_Occasion] = []


@lru_cache(maxsize=1)
def load_occasions() -> OccasionTable:
    """The library's table of assay scatter and of variability within patients."""
    return read_as(OccasionTable, parse_toml(FOLDER / "occasions.toml"), "occasions.toml")


def within_patient(models: Sequence[str], analyte: str = "") -> WithinPatient:
    """What the library knows of `analyte` in a twin made of `models`; 1 where nobody has learned it."""
    table = load_occasions()
    cv = next((a.cv.value for a in table.assay if a.analyte == analyte), table.usual_assay.value)
    for row in table.within_patient:
        if row.model in models:
            return WithinPatient(cv, row.scale.value, table.usual_freedom.value, row.persistence.value)
    return WithinPatient(cv, 1.0, table.usual_freedom.value)


def true_levels(f: FloatArray, law: ErrorLaw, z: FloatArray, how: WithinPatient) -> FloatArray:
    """What the patient's levels would be on another occasion, from curves `f` and standard normal draws `z`."""
    return _moved(f, law, np.sqrt(how.scale * variances(f, law, how)[0]), z, how)


def next_readings(f: FloatArray, law: ErrorLaw, z: FloatArray, how: WithinPatient) -> FloatArray:
    """What an assay would read of them."""
    within, assay = variances(f, law, how)
    return _moved(f, law, np.sqrt(how.scale * within + assay), z, how)


def lasting(eta: FloatArray, fresh: FloatArray, persistence: float) -> FloatArray:
    """Effects of the next occasion, rho eta + sqrt(1 - rho^2) eta': what is the patient's own, and what is new.

    eta, fresh   (N, nx) members of his belief and, independent of it, of the population
    """
    if persistence >= 1.0:
        return eta
    return np.asarray(persistence * eta + np.sqrt(1.0 - persistence**2) * fresh)


def variances(f: FloatArray, law: ErrorLaw, how: WithinPatient) -> tuple[FloatArray, FloatArray]:
    """Variances within the patient and of the assay, on the scale of the law."""
    every = noise_sd(f, law) ** 2
    assay = np.minimum(np.square(how.assay_cv * (1.0 if law.kind == "log" else f)), every)
    return np.asarray(every - assay), np.asarray(assay)


def _moved(f: FloatArray, law: ErrorLaw, sd: FloatArray, z: FloatArray, how: WithinPatient) -> FloatArray:
    t = z if how.freedom > 1e3 else np.asarray(stdtrit(how.freedom, ndtr(z)))
    if law.kind == "log":
        return np.asarray(f * np.exp(sd * t))
    return np.asarray(np.where(f >= 0.0, np.maximum(f + sd * t, 0.0), f + sd * t))
