"""Reference answers of the models: BLRM, the power model of 2008, dfcrm, skeletons, TITE-CRM."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import expit

from twin_service.qualification.phase1.checked import Checked, cases_of, close
from twin_service.trial.phase1.crm import FollowedPatients, Skeleton, crm, indifference_skeleton
from twin_service.trial.phase1.dose_toxicity import (
    DoseOutcomes,
    DoseRisk,
    LogisticPrior,
    logistic_risk,
    power_risk,
    recommend_dose,
)

FloatArray = NDArray[np.float64]


def blrm_cases(root: Path) -> Iterator[Checked]:
    """Every file of the form blrm*.json. Means and SDs to 1e-6. The reference's interval probabilities are counts of
    its grid points: repeated on that grid to 1e-6, and ours to what such counting can miss (5e-3)."""
    for path in sorted(root.glob("blrm*.json")):
        for case in cases_of(path):
            data = case.get("data") or {"dose": [], "n": [], "dlt": []}
            prior = LogisticPrior(case["dref"], tuple(case["prior_mean"]), _pair_of_pairs(case["prior_cov"]))
            given, wanted = DoseOutcomes.create(data["dose"], data["n"], data["dlt"]), case["posterior"]
            cuts = case["interval_cuts"][1:-1]
            found = logistic_risk(prior, given, [w["dose"] for w in wanted], cuts=cuts)
            counted = _counted(prior, given, [w["dose"] for w in wanted], cuts)
            yield close(
                f"BLRM {case['name']}",
                [
                    ([f.mean for f in found], [w["mean"] for w in wanted], 1e-6),
                    ([f.sd for f in found], [w["sd"] for w in wanted], 1e-6),
                    (counted, [w["interval_probs"] for w in wanted], 1e-6),
                    ([f.shares for f in found], [w["interval_probs"] for w in wanted], 5e-3),
                    (
                        [[f.q025, f.median, f.q975] for f in found],
                        [[w["q025"], w["median"], w["q975"]] for w in wanted],
                        5e-3,
                    ),
                ],
            )
            if "ewoc025_max_dose" in case:
                yield _overdose_control(case, found)


def _overdose_control(case: dict, found: tuple[DoseRisk, ...]) -> Checked:  # type: ignore[type-arg]
    """Highest dose whose probability of overdosing is below 0.25 (from the highest cut, or 0.35 where it is stated)."""
    edge = 3 if len(case["interval_cuts"]) == 4 else 2
    safe = [f.dose for f in found if sum(f.shares[2:] if edge == 2 else f.shares[2:]) < 0.25]
    pairs: list[tuple[object, object, float]] = [(max(safe), case["ewoc025_max_dose"], 1e-9)]
    if "argmax_target_under_ewoc" in case:
        chosen = recommend_dose(found)
        pairs.append((chosen.dose if chosen else np.nan, case["argmax_target_under_ewoc"], 1e-9))
    if "closest_mean_to_030" in case:
        pairs.append((min(found, key=lambda f: abs(f.mean - 0.3)).dose, case["closest_mean_to_030"], 1e-9))
    return close(f"overdose control {case['name']}", pairs)


def _pair_of_pairs(rows: list[list[float]]) -> tuple[tuple[float, float], tuple[float, float]]:
    (a, b), (c, d) = rows
    return (a, b), (c, d)


def _counted(prior: LogisticPrior, given: DoseOutcomes, doses: list[float], cuts: list[float]) -> list[list[float]]:
    """Interval probabilities as the reference has them: grid points of 1,201 by 1,201 over 8 SD, counted by weight."""
    s1, s2 = np.sqrt(prior.cov[0][0]), np.sqrt(prior.cov[1][1])
    rho = prior.cov[0][1] / (s1 * s2)
    u = np.linspace(-8, 8, 1201)
    a = prior.mean[0] + s1 * u[:, None]
    slope = np.exp(prior.mean[1] + s2 * (rho * u[:, None] + np.sqrt(1 - rho**2) * u[None, :]))
    log_weight = -(u[:, None] ** 2 + u[None, :] ** 2) / 2
    for d, n, y in zip(given.doses, given.patients, given.toxicities, strict=True):
        odds = a + slope * np.log(d / prior.reference)
        log_weight = log_weight - y * np.logaddexp(0, -odds) - (n - y) * np.logaddexp(0, odds)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    edges, found = np.array([0.0, *cuts, 1.0]), []
    for d in doses:
        p = expit(a + slope * np.log(d / prior.reference))
        place = np.digitize(p, edges[1:-1])
        found.append(np.bincount(place.ravel(), weight.ravel(), len(edges) - 1).tolist())
    return found


def nbg_cases(root: Path) -> Iterator[Checked]:
    """One-parameter CRM of Neuenschwander et al. 2008: quadrature to 1e-6, the published MCMC table to 0.005."""
    path = root / "nbg2008_table1_crm.json"
    for table in json.loads(path.read_text())["tables"] if path.exists() else []:
        data = table["data"]
        given = DoseOutcomes.create(data["dose"], data["n"], data["dlt"])
        found = power_risk(table["skeleton"], given, table["doses"], cuts=(0.2, 0.35, 0.6))
        mean, sd = [f.mean for f in found], [f.sd for f in found]
        pairs: list[tuple[object, object, float]] = [
            (mean, table["published_mean"], 5e-3),
            (sd, table["published_sd"], 5e-3),
            (mean, table["quad_mean"], 1e-6),
            (sd, table["quad_sd"], 1e-6),
        ]
        for j, name in enumerate(table["doses"]):
            yield close(
                f"NBG 2008 {table['skeleton_name']} dose {name:g}",
                [(np.asarray(f)[j], np.asarray(w)[j], t) for f, w, t in pairs],
            )


def crm_cases(root: Path) -> Iterator[Checked]:
    """dfcrm: Bayes to 1e-8; its maximum stops within 1e-4 (2e-5 seen)."""
    for k, case in enumerate(cases_of(root / "crm_dfcrm.json")):
        skeleton = Skeleton.create(
            case["skeleton"], sd=case["scale"], intercept=case["intcpt"] if case["model"] == "logistic" else None
        )
        seen = FollowedPatients.create([n - 1 for n in case["level"]], case["tox"], len(case["skeleton"]))
        mle = case["method"] == "mle"
        fit, tolerance = crm(skeleton, seen, case["target"], likelihood_only=mle), 1e-4 if mle else 1e-8
        variance, low, high = fit.variance, fit.low, fit.high
        if mle and case["model"] == "logistic":
            variance = _dfcrm_variance(skeleton, seen, case["estimate"])
            half = 1.6448536269514722 * np.sqrt(variance)
            low, high = skeleton.risk(case["estimate"] + half), skeleton.risk(case["estimate"] - half)
        yield close(
            f"dfcrm {case['method']} {case['model']} {k + 1}",
            [
                (fit.estimate, case["estimate"], tolerance),
                (variance, case["post_var"], tolerance),
                (fit.risk, case["ptox"], tolerance),
                (low, case["ptoxL"], tolerance),
                (high, case["ptoxU"], tolerance),
                (fit.level + 1, case["mtd"], 0.5),
            ],
        )
    for case in cases_of(root / "crm_skeletons.json"):
        for name, intercept in (("empiric", None), ("logistic", 3.0)):
            made = indifference_skeleton(
                case["target"],
                case["nlevel"],
                prior_level=case["nu"] - 1,
                halfwidth=case["halfwidth"],
                intercept=intercept,
            )
            yield close(f"skeleton {name} {case['target']} {case['halfwidth']}", [(made, case[name], 1e-9)])
    path = root / "titecrm_dfcrm.json"
    if path.exists():
        case = json.loads(path.read_text())["case"]
        share = np.minimum(np.array(case["followup"]) / case["obswin"], 1)
        seen = FollowedPatients.create(
            [n - 1 for n in case["level"]], case["tox"], len(case["skeleton"]), share.tolist()
        )
        fit = crm(Skeleton.create(case["skeleton"]), seen, case["target"])
        yield close(
            "TITE-CRM",
            [(fit.estimate, case["estimate"], 1e-8), (fit.risk, case["ptox"], 1e-8), (fit.level + 1, case["mtd"], 0.5)],
        )


def _dfcrm_variance(skeleton: Skeleton, seen: FollowedPatients, estimate: float) -> float:
    """dfcrm's variance of the logistic maximum: its QUADPACK call on -100 to 100 misses most of the integral (the
    exact one gives 0.045 in place of 0.039); repeated here with the same routine and tolerance."""

    def likelihood(theta: float) -> float:
        p = skeleton.risk(theta)[seen.level]
        return float(np.prod(np.where(seen.toxic, p, 1 - p)) * np.exp(-(theta**2) / 2 / 500**2))

    options = {"limit": 100, "epsabs": 0.0, "epsrel": np.finfo(float).eps ** 0.25}
    above = quad(lambda t: t**2 * likelihood(t), -100, 100, **options)[0]
    return float(above / quad(likelihood, -10, 10, **options)[0] - estimate**2)
