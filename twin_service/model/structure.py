"""What every model, whatever its kind, hands to the twin: blocks that compose into one `PatientModel`.

A `Block` is an open piece of a model (a drug in a body, a disease, a toxicity) whose expressions may use

- its own states and parameters, by local name;
- its ports: symbols that `compose` replaces with another block's output (an unbound concentration, an enzyme);
- covariates: symbols shared by all blocks under one unprefixed name (`weight_kg`, `age_y`, `creatinine_umol_l`).

`compose` closes the blocks into a `PatientModel`: a `System` plus everything estimation and the door must know.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twin_service.solver.expression import Expression
from twin_service.solver.system import Input, Output, Parameter, StateEvent, System, SystemState

Values = Mapping[str, float]


@dataclass(frozen=True)
class Effect:
    """A random effect: a parameter of the system that is 0 for the typical patient and Gaussian between patients.

    variance           omega^2, in the free (unconstrained) scale in which the effect enters the law
    occasion           estimated for the past, returned to 0 for forecasts (inter-occasion variability)
    drift_per_h        variance added per hour (random walk); 0 for a constant of the patient
    """

    name: str
    variance: float
    title: str = ""
    occasion: bool = False
    drift_per_h: float = 0.0


@dataclass(frozen=True)
class ErrorLaw:
    """How an assay scatters around the prediction f, in the observable's unit.

    "normal": variance additive^2 + (proportional f)^2        (additive, proportional, combined)
    "log":    log y ~ N(log f, proportional^2)                (exponential)
    "power":  variance (proportional f^power)^2 + additive^2
    "poisson": y is a count with mean f
    "sum":    variance (additive + proportional f)^2
    """

    additive: float = 0.0
    proportional: float = 0.0
    kind: Literal["normal", "log", "power", "sum", "poisson"] = "normal"
    power: float = 1.0


@dataclass(frozen=True)
class Observable:
    """A lab, image measurement or score that the model predicts: which output, in which unit, how noisy."""

    analyte: str
    output: str
    unit: str
    error: ErrorLaw
    title: str = ""
    lower_limit: float | None = None
    upper_limit: float | None = None


@dataclass(frozen=True)
class DoseRoute:
    """How a given dose of `drug` enters: `amount = mg * units_per_mg` into `input`.

    A dose outside [least_mg, most_mg] brings a warning or, where the route `refuses`, a refusal.
    """

    drug: str
    route: str
    input: str
    units_per_mg: float
    least_mg: float = 0.0
    most_mg: float = np.inf
    refuses: bool = False


@dataclass(frozen=True)
class Covariate:
    """A patient characteristic a block needs. `default` None: required. Outside [low, high]: refused;
    outside [caution_low, caution_high]: a warning goes with every answer.

    A default outside [low, high] says "not known": nobody can record it, the block derives what it needs from others.
    """

    name: str
    unit: str
    default: float | None = None
    low: float = -np.inf
    high: float = np.inf
    caution_low: float = -np.inf
    caution_high: float = np.inf


@dataclass(frozen=True)
class Endpoint:
    """A clinical threshold on an output, used in what-ifs: e.g. neutrophils below 0.5 (grade 4), QTc above 500 ms.

    grade     toxicity grade (CTCAE); 0: the endpoint is none
    serious   counts as serious harm in a recommendation
    """

    id: str
    output: str
    unit: str
    comparison: Literal["below", "above"]
    threshold: float
    title: str
    harmful: bool = True
    relative_to_baseline: bool = False
    grade: int = 0
    serious: bool = True


@dataclass(frozen=True)
class Block:
    """One open piece of a model, as a builder returns it. All names are local; `compose` prefixes them.

    ports          port name -> unit; every port must be wired
    effects/omega  random effects and their covariance (default: diagonal of the variances)
    individualize  covariates -> values of this block's own parameters (local names) that depend on them in ways
                   not written as expressions (organ volumes from age, sex, height and weight)
    """

    id: str
    version: str
    states: tuple[SystemState, ...]
    parameters: tuple[Parameter, ...]
    outputs: tuple[Output, ...] = ()
    inputs: tuple[Input, ...] = ()
    events: tuple[StateEvent, ...] = ()
    ports: Mapping[str, str] = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()
    omega: NDArray[np.float64] | None = None
    observables: tuple[Observable, ...] = ()
    routes: tuple[DoseRoute, ...] = ()
    covariates: tuple[Covariate, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    individualize: Callable[[Values], Mapping[str, float]] | None = None
    warnings: Callable[[Values], list[str]] | None = None

    def map(self, change: Callable[[Expression], Expression]) -> Block:
        """The same block with `change` made to every expression it holds, wherever that stands."""

        def maybe(e: Expression | None) -> Expression | None:
            return None if e is None else change(e)

        return replace(
            self,
            states=tuple(replace(s, rate=change(s.rate), initial=change(s.initial)) for s in self.states),
            outputs=tuple(replace(o, expression=change(o.expression)) for o in self.outputs),
            inputs=tuple(
                replace(u, bioavailability=change(u.bioavailability), lag=change(u.lag), duration=maybe(u.duration))
                for u in self.inputs
            ),
            events=tuple(
                replace(
                    e,
                    trigger=change(e.trigger),
                    delay=change(e.delay),
                    priority=maybe(e.priority),
                    assignments={k: change(v) for k, v in e.assignments.items()},
                    factors={k: change(v) for k, v in e.factors.items()},
                )
                for e in self.events
            ),
        )


@dataclass(frozen=True)
class PatientModel:
    """A closed model of one patient. `omega` (nx, nx) is the covariance of `effects` in their order."""

    id: str
    version: str
    system: System
    effects: tuple[Effect, ...]
    omega: NDArray[np.float64]
    observables: Mapping[str, Observable]
    routes: tuple[DoseRoute, ...]
    covariates: tuple[Covariate, ...]
    endpoints: tuple[Endpoint, ...]
    individualize: Callable[[Values], Mapping[str, float]]
    warnings: Callable[[Values], list[str]]
    block_versions: Mapping[str, str]

    @cached_property
    def effect_columns(self) -> NDArray[np.intp]:
        """Where the effects sit in the system's parameter vector, shape (nx,)."""
        return np.array([self.system.parameter_index[e.name] for e in self.effects], dtype=np.intp)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the system, the effects' covariance, the error laws and the block versions."""
        h = hashlib.sha256(self.system.digest.encode())
        h.update(np.ascontiguousarray(self.omega).tobytes())
        h.update(repr([self.observables[k] for k in sorted(self.observables)]).encode())
        h.update(repr((self.effects, self.routes, self.covariates, self.endpoints)).encode())
        h.update(json.dumps(dict(self.block_versions), sort_keys=True).encode())
        return h.hexdigest()

    def values(self, covariates: Values) -> NDArray[np.float64]:
        """Parameter vector (np,) of the typical patient with these covariates; effects are 0.

        Unknown covariates are ignored (a chart holds more than a model uses); missing ones take their default.
        """
        known = {c.name: c.default for c in self.covariates if c.default is not None}
        given = {**known, **{c.name: covariates[c.name] for c in self.covariates if c.name in covariates}}
        vector = np.array([p.value for p in self.system.parameters], dtype=np.float64)
        index = self.system.parameter_index
        for name, value in {**given, **self.individualize(given)}.items():
            if name in index:
                vector[index[name]] = value
        return vector

    def members(self, covariates: Values, eta: NDArray[np.float64]) -> NDArray[np.float64]:
        """Parameter rows (N, np) of N members with effects `eta` (N, nx)."""
        eta = np.atleast_2d(eta)
        rows = np.repeat(self.values(covariates)[None, :], len(eta), axis=0)
        rows[:, self.effect_columns] = eta
        return rows
