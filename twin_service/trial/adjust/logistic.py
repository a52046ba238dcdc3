"""A binary endpoint: logistic regression, standardized to the trial's patients (g-computation).

    risk_a = mean_i expit(x_i' b, arm = a);   risk difference = risk_1 - risk_0, ratio and odds ratio from the same two

The marginal effect is the same with and without covariates, which the odds ratio of a logistic model is not. Its error
is that of the stacked estimating equations, with the sampling of the patients in it. Ye, Shao, Yi & Zhao 2023,
doi:10.1093/biomet/asad009; FDA 2023, Adjusting for Covariates in Randomized Clinical Trials
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from twin_service.outcome import OK, Outcome, Refusal, RefusalCode, Verdict
from twin_service.trial.adjust.design import VisitDesign

FloatArray = NDArray[np.float64]
STEPS = 50
# A linear predictor beyond this is a probability of 1e-13: separated, not merely different.
SEPARATED = 30.0


@dataclass(frozen=True)
class Standardized:
    """risk (arms,), its covariance (arms, arms), and the coefficients they come from."""

    risk: FloatArray
    cov: FloatArray
    beta: FloatArray

    def difference(self, arm: int) -> tuple[float, float]:
        contrast = np.zeros(len(self.risk))
        contrast[arm], contrast[0] = 1.0, -1.0
        return float(contrast @ self.risk), float(np.sqrt(contrast @ self.cov @ contrast))

    def log_ratio(self, arm: int) -> tuple[float, float]:
        slope = np.zeros(len(self.risk))
        slope[arm], slope[0] = 1 / self.risk[arm], -1 / self.risk[0]
        return float(np.log(self.risk[arm] / self.risk[0])), float(np.sqrt(slope @ self.cov @ slope))


def logistic(design: FloatArray, t: FloatArray, weights: FloatArray | None = None) -> tuple[FloatArray, Outcome]:
    """Maximum likelihood of P(t = 1) = expit(design b): Newton steps, halved while they do not climb."""
    w = np.ones(len(t)) if weights is None else weights
    beta = np.zeros(design.shape[1])
    best = _value(design, t, beta, w)
    for _ in range(STEPS):
        e = expit(design @ beta)
        information = design.T @ (design * (w * e * (1 - e))[:, None])
        step = np.linalg.lstsq(information, design.T @ (w * (t - e)), rcond=None)[0]
        for _ in range(30):
            value = _value(design, t, beta + step, w)
            if value >= best:
                break
            step = step / 2
        beta, gain, best = beta + step, value - best, value
        if np.max(np.abs(design @ beta)) > SEPARATED:
            return beta, Outcome(Verdict.NOT_CONVERGED, "the covariates separate the groups completely")
        if gain < 1e-12 * (1 + abs(best)) and np.max(np.abs(step)) < 1e-8:
            return beta, OK
    return beta, Outcome(Verdict.NOT_CONVERGED, f"logistic model after {STEPS} steps")


def standardized_risks(y: FloatArray, design: VisitDesign) -> Standardized:
    """Raises Refusal when covariates separate responders from the others."""
    X = design.columns
    beta, outcome = logistic(X, y)
    if not outcome.ok:
        raise Refusal(
            RefusalCode.PRECONDITION,
            f"{outcome}; drop a covariate, or compare proportions without covariates",
            field="covariates",
            reason="SEPARATED",
        )
    e, n, arms = expit(X @ beta), len(y), design.arms
    bread = np.linalg.inv(X.T @ (X * (e * (1 - e))[:, None]) / n)
    influence = (X * (y - e)[:, None]) @ bread
    rows = []
    risk = np.empty(arms)
    for a in range(arms):
        Xa = X.copy()
        Xa[:, :arms] = np.eye(arms)[a]
        pa = expit(Xa @ beta)
        risk[a] = pa.mean()
        slope = (pa * (1 - pa)) @ Xa / n
        rows.append(influence @ slope + pa - risk[a])
    psi = np.stack(rows)
    return Standardized(risk, psi @ psi.T / n**2, beta)


def _value(design: FloatArray, t: FloatArray, beta: FloatArray, w: FloatArray) -> float:
    eta = design @ beta
    return float(w @ (t * eta - np.logaddexp(0, eta)))
