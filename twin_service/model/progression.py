"""A disease's course without the drug under test, learned from patients: a line, in the value or in its logarithm.

    g(y) = a + b t,    a = beta_a . x + eta_level,    b = beta_b . x + eta_slope,    eta ~ N(0, omega)

with x = (1, standardized covariates) and g the logarithm or the identity. The numbers come from `cohort` (they are
learned, not published), so the record carries what they were learned from instead of a literature source.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin_service.model.compose import compose
from twin_service.model.structure import Block, Covariate, Effect, ErrorLaw, Observable, PatientModel
from twin_service.solver import functions as fn
from twin_service.solver.expression import Expression, constant, expression, symbol
from twin_service.solver.system import Output, Parameter, SystemState

FloatArray = NDArray[np.float64]
ALIAS = "course"


@dataclass(frozen=True)
class Predictor:
    """A baseline characteristic as it enters the course: (x - center)/scale, of log x when `logarithm`.

    low, high   range seen in the patients the course was learned from; outside it every answer carries a warning
    """

    name: str
    unit: str
    center: float
    scale: float
    logarithm: bool = False
    low: float = -np.inf
    high: float = np.inf

    def standardized(self, value: float | FloatArray) -> FloatArray:
        x = np.log(value) if self.logarithm else np.asarray(value, dtype=np.float64)
        return np.asarray((x - self.center) / self.scale)


@dataclass(frozen=True)
class Progression:
    """A learned course of one analyte under control.

    level, slope   beta_a, beta_b (1 + k,), per `unit_h` hours for the slope, on the scale of g
    omega          covariance of (eta_level, eta_slope) (2, 2)
    sigma          SD of one reading around the course, on the scale of g
    learned_from   what the numbers rest on: "placebo arm without fold 3, 138 patients, 871 readings"
    """

    analyte: str
    unit: str
    scale: Literal["log", "identity"]
    predictors: tuple[Predictor, ...]
    level: FloatArray
    slope: FloatArray
    omega: FloatArray
    sigma: float
    unit_h: float
    learned_from: str

    @property
    def version(self) -> str:
        """The first twelve digits of a SHA-256 over all numbers: a forecast names what it rests on."""
        h = hashlib.sha256(repr((self.analyte, self.unit, self.scale, self.predictors, self.unit_h)).encode())
        for part in (self.level, self.slope, self.omega, np.array([self.sigma])):
            h.update(np.ascontiguousarray(part, dtype=np.float64).tobytes())
        return h.hexdigest()[:12]


def progression_model(progression: Progression) -> PatientModel:
    """The patient model that forecasts `progression.analyte` and is assimilated like any other."""
    return compose(
        f"progression_{progression.analyte}", {ALIAS: progression_block(progression)}, version=progression.version
    )


def progression_block(progression: Progression) -> Block:
    """The block of a course: one state g(y), its level and slope individual."""
    level = _individual(progression, progression.level) + symbol("eta_level")
    slope = (_individual(progression, progression.slope) + symbol("eta_slope")) / progression.unit_h
    log = progression.scale == "log"
    value = fn.exp(symbol("g")) if log else symbol("g")
    error = ErrorLaw(proportional=progression.sigma, kind="log") if log else ErrorLaw(additive=progression.sigma)
    return Block(
        id=f"progression_{progression.analyte}",
        version=progression.version,
        states=(SystemState("g", "1", expression(slope), expression(level)),),
        parameters=(Parameter("eta_level", "1", 0.0), Parameter("eta_slope", "1", 0.0)),
        outputs=(Output("value", progression.unit, value),),
        effects=(
            Effect("eta_level", float(progression.omega[0, 0]), "level at time 0"),
            Effect("eta_slope", float(progression.omega[1, 1]), "rate of change"),
        ),
        omega=progression.omega,
        observables=(Observable(progression.analyte, "value", progression.unit, error),),
        covariates=tuple(_covariate(p) for p in progression.predictors),
    )


def _individual(progression: Progression, beta: FloatArray) -> Expression:
    total = constant(float(beta[0]))
    for predictor, weight in zip(progression.predictors, beta[1:], strict=True):
        x = symbol(predictor.name)
        seen = fn.log(x) if predictor.logarithm else x
        total = total + float(weight) * (seen - predictor.center) / predictor.scale
    return total


def _covariate(p: Predictor) -> Covariate:
    """A logarithm needs a positive value; the caution range is what was learned from."""
    low = np.finfo(float).tiny if p.logarithm else -np.inf
    return Covariate(p.name, p.unit, None, low, np.inf, p.low, p.high)
