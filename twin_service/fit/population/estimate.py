"""The front door: `estimate_population(built, method)` -> estimates with standard errors, shrinkage and verdict."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from twin_service.fit.population.build import BuiltProblem
from twin_service.fit.population.first_order import check_first_order
from twin_service.fit.population.log_scale import on_log_scale
from twin_service.fit.population.marginal import Integral, quadrature, sampled
from twin_service.fit.population.modes import Warm, modes, recheck
from twin_service.fit.population.objective import FOCE, FOCEI, LAPLACE, Approximation, ObjectiveEvaluation, evaluate
from twin_service.fit.population.problem import PopulationProblem, outer_of
from twin_service.fit.population.saem import StochasticOptions, importance_em, saem
from twin_service.fit.population.search import SearchEnd, SearchOptions, search, search_first_order, search_quadrature
from twin_service.fit.population.uncertainty import Covariance, covariance, shrinkage
from twin_service.outcome import Refusal, RefusalCode

Floats = NDArray[np.float64]


class LikelihoodMethod(Enum):
    """How the likelihood is approximated."""

    FO = "fo"
    FOCE = "foce"
    FOCEI = "focei"
    LAPLACE = "laplace"
    AGQ = "agq"
    IMP = "imp"
    SAEM = "saem"


@dataclass(frozen=True)
class EstimationOptions:
    """nodes of the quadrature; draws of the final importance sampling; whether covariances are computed."""

    search: SearchOptions = field(default_factory=SearchOptions)
    stochastic: StochasticOptions = field(default_factory=StochasticOptions)
    nodes: int = 3
    draws: int = 2000
    covariance: bool = True


@dataclass(frozen=True)
class PopulationEstimate:
    """What was found. `objective` is -2 ln L without n ln 2 pi, by the method's own approximation."""

    built: BuiltProblem
    method: LikelihoodMethod
    found: SearchEnd
    evaluation: ObjectiveEvaluation
    warm: Warm
    objective: float
    objective_error: float
    uncertainty: Covariance | None
    shrinkage: Floats
    restarts: int
    path: Floats
    warnings: tuple[str, ...]

    @property
    def parameters(self) -> int:
        return len(self.built.problem.space.free)

    @property
    def aic(self) -> float:
        return self.objective + 2.0 * self.parameters

    @property
    def bic(self) -> float:
        """With the number of readings, as NONMEM's users do."""
        return self.objective + self.parameters * float(np.log(self.built.problem.readings.seen.sum()))


def estimate_population(
    built: BuiltProblem,
    method: LikelihoodMethod = LikelihoodMethod.FOCEI,
    options: EstimationOptions = EstimationOptions(),
) -> PopulationEstimate:
    """Estimates of a model's parameters from many subjects. Refuses what the method cannot say and a single subject."""
    check_estimable(built)
    problem = built.problem
    kind = {LikelihoodMethod.FOCE: FOCE, LikelihoodMethod.LAPLACE: LAPLACE}.get(method, FOCEI)
    constant = 0.0
    if method in (LikelihoodMethod.FO, LikelihoodMethod.FOCE):
        problem, constant = on_log_scale(problem)
        check_first_order(problem)
    found, path, restarts = _found(problem, built.start, method, kind, options)
    warm = Warm.cold(problem)
    if problem.space.effects:
        recheck(problem, outer_of(problem, found.x), warm)
    e = evaluate(problem, found.x, warm, kind)
    objective, error = found.value + constant, 0.0
    if method in (LikelihoodMethod.IMP, LikelihoodMethod.SAEM):
        integral = _integral(problem, found.x, options)
        objective, error = integral.value, integral.error
        found = found._replace(value=objective)
    unsure = covariance(problem, found.x, warm, kind) if options.covariance and found.outcome.ok else None
    sd = np.sqrt((e.at.L**2).sum(1))
    eta = modes(problem, e.at, warm, warm.eta)[0]
    told = _warnings(problem, found, unsure)
    return PopulationEstimate(
        replace(built, problem=problem),
        method,
        found,
        e,
        warm,
        objective,
        error,
        unsure,
        shrinkage(eta, sd),
        restarts,
        path,
        told,
    )


def check_estimable(built: BuiltProblem) -> None:
    """Refusals for what no method can estimate, named with what to do."""
    problem = built.problem
    if problem.size < 2 and problem.space.effects:
        raise Refusal(
            RefusalCode.PRECONDITION,
            "one subject says nothing about spread between people; use fit-individual, or add subjects",
            field="data",
            reason="ONE_SUBJECT",
        )
    free, readings = len(problem.space.free), int(problem.readings.seen.sum())
    if readings <= free:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"{readings} readings cannot determine {free} parameters; hold some fixed (fixed = true) or add data",
            field="data",
            reason="TOO_FEW_READINGS",
        )
    A = problem.typical(built.start[problem.space.spans[0]])[1]
    for k, beta in enumerate(built.handles.betas):
        if beta.fixed or "~" not in beta.name:
            continue
        if not np.any(np.ptp(A[:, :, k], axis=0) > 1e-12) and f"h_{beta.name}" not in problem.handles:
            raise Refusal(
                RefusalCode.PRECONDITION,
                f"{beta.name}: the covariate does not differ between the subjects, so that its effect cannot be told "
                "from the typical value; hold the coefficient fixed or remove it",
                field=f"parameters.{beta.place[0]}",
                reason="NO_COVARIATE_VARIATION",
            )


def _found(
    problem: PopulationProblem, start: Floats, method: LikelihoodMethod, kind: Approximation, options: EstimationOptions
) -> tuple[SearchEnd, Floats, int]:
    none = np.zeros((0, len(start)))
    if method is LikelihoodMethod.FO:
        return search_first_order(problem, start, options.search), none, 0
    if method is LikelihoodMethod.AGQ:
        return search_quadrature(problem, start, options.nodes, options.search), none, 0
    if method in (LikelihoodMethod.SAEM, LikelihoodMethod.IMP):
        done = (saem if method is LikelihoodMethod.SAEM else importance_em)(problem, start, options.stochastic)
        return SearchEnd(done.x, np.nan, np.zeros(len(problem.space.free)), len(done.path), done.outcome), done.path, 0
    s = search(problem, start, kind, options.search)
    return s.found, none, s.restarts


def _integral(problem: PopulationProblem, x: Floats, options: EstimationOptions) -> Integral:
    rng = np.random.default_rng(options.stochastic.seed)
    return sampled(problem, x, Warm.cold(problem), rng, options.draws)[0]


def _warnings(problem: PopulationProblem, found: SearchEnd, unsure: Covariance | None) -> tuple[str, ...]:
    told = [] if found.outcome.ok else [str(found.outcome)]
    if unsure is not None:
        told += [f"the data do not determine {d} separately" for d in unsure.directions]
        if unsure.condition > 1000.0 and not unsure.directions:
            told.append(f"condition number {unsure.condition:.0f}: some estimates are strongly correlated")
    return tuple(told)


def marginal_by_quadrature(estimate: PopulationEstimate, nodes: int) -> float:
    """-2 ln L at the estimates by `nodes` Gauss-Hermite nodes an effect."""
    return quadrature(estimate.built.problem, estimate.found.x, Warm.cold(estimate.built.problem), nodes).value
