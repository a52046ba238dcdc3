"""Estimates for one subject: effects, covariance, individual predictions, objective; by any of the estimators."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from twin_service.fit.subject import TableSubject, jacobian, observed, predictor
from twin_service.kalman.belief import Belief, flattened, renewed
from twin_service.kalman.ensemble import Ensemble, ensemble_update
from twin_service.kalman.errors import ObservedReadings
from twin_service.kalman.laplace import laplace_update
from twin_service.kalman.moments import refined
from twin_service.kalman.posterior import reference_posterior
from twin_service.kalman.report import Update, kept_prior
from twin_service.kalman.unscented import unscented_update
from twin_service.kalman.walk import Walk
from twin_service.model.structure import PatientModel
from twin_service.outcome import OK, Outcome, Verdict
from twin_service.solver.simulate import DEFAULT, Tolerances
from twin_service.twin.policy import Arrived, Seen, arrive, reanchored

FloatArray = NDArray[np.float64]
Estimator = Literal["auto", "laplace", "moments", "extended", "unscented", "ensemble", "exact"]
ESTIMATORS: Final[tuple[Estimator, ...]] = ("auto", "laplace", "moments", "extended", "unscented", "ensemble")
MEMBERS: Final = 512
EXACT_MEMBERS: Final = 2048


@dataclass(frozen=True)
class IndividualFit:
    """eta (nx,) with covariance (nx, nx); predictions (ny,) of the typical and of this individual."""

    id: str
    effects: tuple[str, ...]
    eta: FloatArray
    covariance: FloatArray
    typical: FloatArray
    individual: FloatArray
    objective: float
    estimator: str
    outcome: Outcome
    warnings: tuple[str, ...]


def prior_of(model: PatientModel) -> Belief:
    """N(0, omega) over the model's effects."""
    return Belief.of(np.zeros(len(model.effects)), model.omega, tuple(e.name for e in model.effects))


def fit_individual(
    model: PatientModel,
    subject: TableSubject,
    estimator: Estimator = "laplace",
    *,
    prior_weight: float = 1.0,
    gate: float | None = None,
    tolerances: Tolerances = DEFAULT,
) -> IndividualFit:
    """The subject's effects given all of its readings.

    auto       what a twin does: filter reading by reading, re-anchored by mode and moments where its policy says so
    laplace    mode and Laplace covariance (NONMEM's FOCEI post hoc)
    moments    posterior mean and covariance by importance sampling around the mode
    extended   iterated extended filter, reading by reading, exact derivatives
    unscented  sigma-point filter, reading by reading
    ensemble   square-root ensemble filter, reading by reading
    gate       None, as in NONMEM: no reading is down-weighted
    """
    if not model.effects:
        return _typical(model, subject, estimator, tolerances)
    prior = flattened(prior_of(model), prior_weight)
    if len(subject) == 0:
        nothing = np.zeros(0)
        return IndividualFit(
            subject.id,
            prior.names,
            prior.mean,
            prior.covariance,
            nothing,
            nothing,
            np.nan,
            estimator,
            OK,
            ("no readings",),
        )
    update = assimilate(model, subject, prior, estimator, gate=gate, tolerances=tolerances)
    f = predictor(model, subject, tolerances)(np.vstack([np.zeros(len(prior.mean)), update.belief.mean]))
    return IndividualFit(
        subject.id,
        prior.names,
        update.belief.mean,
        update.belief.covariance,
        f[0],
        f[1],
        _objective(model, subject, prior, update.belief.mean, f[1]),
        update.report.estimator,
        update.report.outcome,
        update.report.warnings,
    )


def _typical(model: PatientModel, subject: TableSubject, estimator: Estimator, tolerances: Tolerances) -> IndividualFit:
    """Nothing differs between patients, so nothing is learned; the objective still says how well the model fits."""
    nothing = np.zeros(0)
    f = predictor(model, subject, tolerances)(np.zeros((1, 0)))[0] if len(subject) else nothing
    objective = _misfit(observed(model, subject), f) if len(subject) else np.nan
    told = (f"{model.id} has no random effects: every patient is the typical one",)
    return IndividualFit(subject.id, (), nothing, np.zeros((0, 0)), f, f, objective, estimator, OK, told)


def assimilate(
    model: PatientModel,
    subject: TableSubject,
    prior: Belief,
    estimator: Estimator,
    *,
    gate: float | None = None,
    tolerances: Tolerances = DEFAULT,
) -> Update:
    """The belief after all readings of `subject`, starting from `prior`.

    "exact" is the offline reference (`kalman.posterior`), for comparison; it knows of no drift and no gate.
    """
    if estimator == "exact":
        assert not _drift(model).any(), "the reference has no walk"
        rng = np.random.default_rng(len(subject))
        found = reference_posterior(
            prior, predictor(model, subject, tolerances), observed(model, subject), rng=rng, count=EXACT_MEMBERS
        )
        told = kept_prior(prior, "exact", len(subject), OK).report
        return Update(replace(found.belief, names=prior.names), told)
    if estimator in ("laplace", "moments"):
        if _drift(model).any():
            anchored = reanchored(prior, _seen(model, subject, tolerances), prior, estimator=estimator, gate=gate)
            failed = Outcome(Verdict.NOT_CONVERGED, "too many instants, or no mode, for effects that drift")
            return anchored or kept_prior(prior, estimator, len(subject), failed)
        readings, predict = observed(model, subject), predictor(model, subject, tolerances)
        mode = laplace_update(prior, predict, readings, jacobian=jacobian(model, subject, tolerances), gate=gate)
        return mode if estimator == "laplace" else refined(prior, predict, readings, mode)
    rng = np.random.default_rng(len(subject))
    belief, drift = prior, _drift(model)
    ensemble = Ensemble.of(prior, MEMBERS, rng) if estimator == "ensemble" else None
    last, update = float(subject.times_h[0]), None
    for time in np.unique(subject.times_h):
        belief = belief.drifted(drift, float(time) - last)
        last = float(time)
        now = subject.rows(np.flatnonzero(subject.times_h == time))
        predict, readings = predictor(model, now, tolerances), observed(model, now)
        if ensemble is not None:
            ensemble, report = ensemble_update(ensemble, predict, readings, rng=rng, gate=gate)
            update = Update(ensemble.belief, report)
        elif estimator == "auto":
            so_far = subject.first(int(np.searchsorted(subject.times_h, time, side="right")))
            arrived = on_arrival(model, now, so_far, belief, prior=prior, gate=gate, tolerances=tolerances)
            told_now = replace(arrived.report, estimator=arrived.estimator, outcome=arrived.outcome)
            update = Update(arrived.belief, told_now)
        elif estimator == "extended":
            update = laplace_update(belief, predict, readings, jacobian=jacobian(model, now, tolerances), gate=gate)
        else:
            update = unscented_update(belief, predict, readings, gate=gate)
        belief = update.belief
    assert update is not None, "a subject with readings has an update"
    return update


def on_arrival(
    model: PatientModel,
    now: TableSubject,
    seen: TableSubject,
    belief: Belief,
    *,
    prior: Belief | None = None,
    gate: float | None = None,
    tolerances: Tolerances = DEFAULT,
) -> Arrived:
    """A twin's own policy for the readings `now`, the last of all `seen`: filter, and re-anchor where it says so."""

    def past() -> Seen:
        return _seen(model, seen, tolerances)

    arriving = Seen(predictor(model, now, tolerances), observed(model, now))
    return arrive(belief, arriving, past, prior=prior or prior_of(model), gate=gate)


def _drift(model: PatientModel) -> FloatArray:
    return np.array([e.drift_per_h for e in model.effects], dtype=np.float64)


def _seen(model: PatientModel, subject: TableSubject, tolerances: Tolerances) -> Seen:
    """All readings of `subject`; effects that drift start their walk at its first one."""
    drift, times = _drift(model), subject.times_h
    walk = Walk(drift, times, float(times[0])) if drift.any() else None
    return Seen(predictor(model, subject, tolerances), observed(model, subject), walk=walk)


def for_forecast(model: PatientModel, belief: Belief) -> Belief:
    """`belief` with occasion effects returned to their prior: the next occasion is a new one."""
    columns = [i for i, e in enumerate(model.effects) if e.occasion]
    return renewed(belief, prior_of(model), columns) if columns else belief


def _objective(model: PatientModel, subject: TableSubject, prior: Belief, eta: FloatArray, f: FloatArray) -> float:
    """sum over readings seen of ln v + (y - f)^2/v, over censored ones -2 ln P(beyond the limit), + eta' Omega^-1 eta.

    As NONMEM counts it, with M3 for the censored ones (Beal 2001, doi:10.1023/A:1012299115260).
    """
    u = np.linalg.solve(prior.chol, eta - prior.mean)
    return _misfit(observed(model, subject), f) + float(u @ u)


def _misfit(readings: ObservedReadings, f: FloatArray) -> float:
    """The readings' share of the objective at predictions `f`."""
    scale = readings.scaled(f)
    usable = (scale.v > 0.0) & np.isfinite(readings.limits)
    seen, beyond = usable & (readings.censoring == 0), usable & (readings.censoring != 0)
    r = readings.targets() - scale.f
    # below the limit: Phi((limit - f)/sd); above it: Phi((f - limit)/sd)
    z = -readings.censoring[beyond] * r[beyond] / np.sqrt(scale.v[beyond])
    return float(np.sum(np.log(scale.v[seen]) + r[seen] ** 2 / scale.v[seen]) - 2.0 * log_ndtr(z).sum())
