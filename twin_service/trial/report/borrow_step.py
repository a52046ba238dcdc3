"""Borrowing from earlier controls as a page: the prior, what it is worth, and what it does to the errors."""

from __future__ import annotations

import numpy as np

from twin_service.report.text import number
from twin_service.trial.adjust.ancova import refuse
from twin_service.trial.borrow.borrowing import BetaMixture, fitted_mixture, map_prior, success_probability
from twin_service.trial.borrow.gaussian import NormalMixture, normal_map, normal_success, rate_map
from twin_service.trial.data.results import numbers_of
from twin_service.trial.data.tables import DataTable
from twin_service.trial.protocol import BorrowSpec, TrialProtocol
from twin_service.trial.protocol_reader import did_you_mean
from twin_service.trial.report.pictures import lines
from twin_service.trial.report.results import Json, StepResult, jsonable, section_of, text_table


def borrow_step(p: TrialProtocol, history: DataTable) -> StepResult:
    """The prior that earlier controls give, what it is worth, and what borrowing does to both errors."""
    spec = p.borrow
    assert spec is not None
    if spec.n_treated < 1 or spec.n_control < 1:
        raise refuse("borrow.n_treated", "say the patients of the new trial: n_treated and n_control")
    if spec.likelihood == "binomial":
        return _binomial(spec, history)
    if spec.likelihood in ("normal", "poisson", "exponential"):
        return _normal(spec, history)
    known = did_you_mean(spec.likelihood, ("binomial", "normal", "poisson", "exponential"))
    raise refuse("borrow.likelihood", f"{spec.likelihood!r} is unknown{known}")


def _binomial(spec: BorrowSpec, history: DataTable) -> StepResult:
    table = numbers_of(history.frame, ("n", "r"), "borrow.history")
    prior = map_prior(table["r"].tolist(), table["n"].tolist(), tau_scale=spec.tau_scale)
    mixture = fitted_mixture(prior)
    robust = mixture.robust(spec.robust_weight)
    flat = BetaMixture.create([(1.0, 1.0, 1.0)])
    rates = np.clip(prior.mean + np.linspace(-0.2, 0.25, 10), 0.02, 0.75)
    series = [
        (
            name,
            np.array(
                [
                    success_probability(
                        flat, c, (spec.n_treated, spec.n_control), (float(q), float(q)), threshold=spec.probability
                    )
                    for q in rates
                ]
            ),
        )
        for name, c in (("no borrowing", flat), ("all borrowed", mixture), ("robust", robust))
    ]
    answer = (
        f"{len(table)} earlier control groups are worth {mixture.patients_by_information:.0f} patients, "
        f"{robust.patients_by_information:.0f} with a robust part of {spec.robust_weight:.0%}; "
        "the robust type I error is at "
        f"most {series[2][1].max():.3f} over control rates {rates[0]:.2f} to {rates[-1]:.2f}."
    )
    values: dict[str, Json] = {
        "mean": prior.mean,
        "sd": prior.sd,
        "tau": prior.tau,
        "mixture": jsonable(mixture),
        "robust": jsonable(robust),
        "ess_elir": robust.patients_by_information,
        "ess_moment": robust.patients_by_moments,
        "type_one_error": {n: jsonable(v) for n, v in series},
        "rates": jsonable(rates),
    }
    return _borrowed(
        answer,
        values,
        mixture.patients_by_moments,
        lines(rates, series, ("true response rate of both arms", "type I error")),
        [
            ("MAP prior", prior.mean, prior.sd, mixture.patients_by_information),
            ("robust MAP prior", robust.mean, robust.sd, robust.patients_by_information),
        ],
    )


def _normal(spec: BorrowSpec, history: DataTable) -> StepResult:
    if spec.likelihood == "normal":
        table = numbers_of(history.frame, ("n", "y"), "borrow.history")
        errors = spec.sigma / np.sqrt(table["n"].to_numpy())
        found, sigma = normal_map(table["y"], errors, tau_scale=spec.tau_scale, mean_scale=100 * spec.sigma), spec.sigma
    else:
        table = numbers_of(history.frame, ("events", "exposure"), "borrow.history")
        # One event is worth a unit of information on the log rate.
        found, sigma = rate_map(table["events"], table["exposure"], tau_scale=spec.tau_scale, mean_scale=10.0), 1.0
    prior = found.prior
    robust = prior.robust(spec.robust_weight, prior.mean, sigma)
    vague = NormalMixture.create([(1.0, prior.mean, 100 * sigma)])
    sizes = (spec.n_treated, spec.n_control)
    shifts = np.linspace(-1.5, 1.5, 9) * prior.sd
    series = [
        (
            name,
            np.array(
                [
                    normal_success(
                        vague,
                        c,
                        patients=sizes,
                        sigma=sigma,
                        truth=(prior.mean + float(s),) * 2,
                        rules=[(spec.margin, spec.probability)],
                    )
                    for s in shifts
                ]
            ),
        )
        for name, c in (("no borrowing", vague), ("robust", robust))
    ]
    elir = robust.patients_by_information(sigma)
    unit = "patients" if spec.likelihood == "normal" else "events"
    answer = (
        f"{len(table)} earlier control groups are worth {prior.patients_by_information(sigma):.0f} "
        f"{unit}, {elir:.0f} with a "
        f"robust part; the robust type I error is at most {series[1][1].max():.3f} when "
        "controls drift by 1.5 SD of the prior."
    )
    values: dict[str, Json] = {
        "mean": prior.mean,
        "sd": prior.sd,
        "tau": found.tau,
        "ess_elir": elir,
        "type_one_error": {n: jsonable(v) for n, v in series},
        "shifts": jsonable(shifts),
    }
    picture = lines(shifts, series, ("drift of the new controls from the prior mean", "type I error"))
    return _borrowed(
        answer,
        values,
        (sigma / prior.sd) ** 2,
        picture,
        [
            ("MAP prior", prior.mean, prior.sd, prior.patients_by_information(sigma)),
            ("robust MAP prior", robust.mean, robust.sd, elir),
        ],
    )


def _borrowed(
    answer: str, values: dict[str, Json], moments: float, picture: str, priors: list[tuple[str, float, float, float]]
) -> StepResult:
    rows = tuple((n, number(m), number(s), number(e)) for n, m, s, e in priors)
    grid = text_table("What history says", ("", "mean", "SD", "effective size (ELIR)"), rows)
    text = (
        f"By moments the MAP prior is worth {moments:.0f}. Borrowing buys power where "
        "controls agree and errors where not."
    )
    return StepResult("borrow", answer, (section_of("Prior and errors", text, (grid,), (picture,)),), values, ())
