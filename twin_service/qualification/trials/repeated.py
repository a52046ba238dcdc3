"""Repeated measurements against SAS PROC MIXED: restricted likelihoods, fixed effects, robust errors; and speed."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from twin_service.qualification.trials.cases import ReferenceCase
from twin_service.trial.adjust.mmrm.covariance import CovarianceStructure
from twin_service.trial.adjust.mmrm.fit import RepeatedFit, fit_repeated
from twin_service.trial.adjust.mmrm.inference import Contrasts, Inference

FloatArray = NDArray[np.float64]
# SAS's TYPE= of each output file, all of FEV1 = intercept.
ALONE = {
    "sas_adh_reml.txt": "heterogeneous_ante_dependence",
    "sas_ar1_reml.txt": "ar1",
    "sas_cs_reml.txt": "compound_symmetry",
    "sas_log_simple_reml.txt": "unstructured",
    "sas_toeph_reml.txt": "heterogeneous_toeplitz",
}
ROBUST = {"us": "unstructured", "cs": "compound_symmetry", "ar1": "ar1"}
MISSING = (0.0, 0.15, 0.3, 0.45)
NUMBER = r"(-?\d+\.\d+)"


def repeated_cases(folder: Path) -> Iterator[ReferenceCase]:
    """-2 REML log-likelihood to 1e-4 relative; estimates and errors at SAS's printed digits."""
    y, x = lung_function(folder)
    one = np.ones((*y.shape, 1))
    for name, structure in ALONE.items():
        text = (folder / "sca" / "mmrm_sas" / name).read_text(errors="replace")
        fit = fit_repeated(y, one, CovarianceStructure(structure, y.shape[1]))
        wanted = _deviance(text)
        yield ReferenceCase(f"SAS {structure} -2 REML", fit.deviance, wanted, 1e-4 * abs(wanted))
        estimate, se, df = _solution(text, "Intercept")
        got = Contrasts(fit).of(np.ones(1))
        # Where SAS stops some 1e-5 above the optimum of the deviance, its estimate is up to 1e-3 away from it.
        yield ReferenceCase(f"SAS {structure} intercept", got.estimate, estimate, 1e-3)
        yield ReferenceCase(f"SAS {structure} error", got.se, se, 2e-4)
        yield ReferenceCase(f"SAS {structure} df", got.df, df, 0.6)
    yield from _robust(folder, y, x[:, :, :2])


def _robust(folder: Path, y: FloatArray, x: FloatArray) -> Iterator[ReferenceCase]:
    """FEV1 = arm with the empirical covariance."""
    for short, structure in ROBUST.items():
        fit = fit_repeated(y, x, CovarianceStructure(structure, y.shape[1]))
        found = Contrasts(fit, Inference.CR0)
        covariance = pd.read_csv(folder / "mmrm_robust" / f"empirical_{short}_covb.csv")
        row = pd.read_csv(folder / "mmrm_robust" / f"empirical_{short}_lsmean.csv").iloc[0]
        got = found.of(np.array([0.0, 1.0]))
        yield ReferenceCase(f"robust {short} difference", got.estimate, float(row["Estimate"]), 1e-3)
        yield ReferenceCase(f"robust {short} error", got.se, float(row["StdErr"]), 1e-3)
        for i, j in ((0, 0), (0, 1), (1, 1)):
            wanted = float(covariance.iloc[i][f"Col{j + 1}"])
            yield ReferenceCase(f"robust {short} cov {i}{j}", float(found.beta_cov[i, j]), wanted, 1e-3)


def lung_function(folder: Path) -> tuple[FloatArray, FloatArray]:
    """FEV1 (n, 4) and columns intercept, treated, female, and two of race."""
    d = pd.read_csv(folder / "patient" / "mmrm_fev_SIMULATED.csv.gz")
    y = d.pivot(index="USUBJID", columns="AVISIT", values="FEV1")
    first = d.drop_duplicates("USUBJID").set_index("USUBJID").loc[y.index]
    race = first["RACE"].astype(str)
    plain = np.column_stack(
        [
            np.ones(len(first)),
            first["ARMCD"] == "TRT",
            first["SEX"] == "Female",
            race.str.startswith("Black"),
            race == "White",
        ]
    ).astype(float)
    return y.to_numpy(), np.repeat(plain[:, None], y.shape[1], axis=1)


def visual_acuity(folder: Path) -> tuple[FloatArray, FloatArray]:
    """BCVA change (n, 10) = baseline x visit + race + arm x visit, the design of the published comparison."""
    d = pd.read_csv(folder / "mmrm_bcva" / "bcva_SIMULATED.csv.gz")
    y = d.pivot(index="USUBJID", columns="VISITN", values="BCVA_CHG")
    first = d.drop_duplicates("USUBJID").set_index("USUBJID").loc[y.index]
    m = y.shape[1]
    own = np.column_stack([np.ones(len(first)), first["BCVA_BL"] - first["BCVA_BL"].mean(), first["ARMCD"] == "TRT"])
    by_visit = np.einsum("nc,vu->nvcu", own.astype(float), np.eye(m)).reshape(len(y), m, -1)
    races = sorted(set(first["RACE"]))[1:]
    shared = np.column_stack([first["RACE"] == r for r in races]).astype(float)
    return y.to_numpy(), np.concatenate([by_visit, np.repeat(shared[:, None], m, axis=1)], axis=2)


def speed_figures(folder: Path) -> dict[str, float]:
    """Seconds of a fit with its contrasts, the best of a few; and how far a start from afar ends from it."""
    y, X = visual_acuity(folder)
    fit, took = _timed(y, X, 3)
    z, Z = lung_function(folder)
    by_visit = np.einsum("nvc,vu->nvcu", Z[:, :, :2], np.eye(4)).reshape(len(z), 4, -1)
    _, fev = _timed(z, np.concatenate([by_visit, Z[:, :, 2:]], axis=2), 10)
    other = _second_optimizer(fit)
    return {
        "trials.mmrm_bcva_s": took,
        "trials.mmrm_fev_ms": 1000 * fev,
        "trials.mmrm_bcva_second_optimizer": other,
        "trials.mmrm_converged_of_10": float(_with_missing(y, X, MISSING)),
    }


def _timed(y: FloatArray, X: FloatArray, times: int) -> tuple[RepeatedFit, float]:
    took = []
    for _ in range(times):
        start = time.perf_counter()
        fit = fit_repeated(y, X)
        Contrasts(fit).of(np.eye(X.shape[2])[-1])
        took.append(time.perf_counter() - start)
    return fit, min(took)


def _second_optimizer(fit: RepeatedFit) -> float:
    """Largest relative difference of the fixed effects when L-BFGS, started away from it, has found its optimum."""
    from scipy.optimize import minimize

    from twin_service.trial.adjust.mmrm.likelihood import evaluate, slope

    def objective(theta: FloatArray) -> tuple[float, FloatArray]:
        at = evaluate(fit.data, np.asarray(fit.structure.sigma(theta), dtype=np.float64))
        if at is None:
            return 1e10, np.zeros_like(theta)
        J = fit.structure.slopes(theta)
        return at.deviance, np.einsum("qab,ab->q", J, slope(fit.data, at))

    begin = fit.theta + 0.1 * np.random.default_rng(1).standard_normal(len(fit.theta))
    options = {"maxiter": 5000, "maxfun": 5000, "ftol": 1e-16, "gtol": 1e-8, "maxcor": 50}
    found = minimize(objective, begin, jac=True, method="L-BFGS-B", options=options)
    at = evaluate(fit.data, np.asarray(fit.structure.sigma(found.x), dtype=np.float64))
    assert at is not None
    return float(np.max(np.abs(at.beta - fit.beta) / np.maximum(np.abs(fit.beta), 1e-3)))


def _with_missing(y: FloatArray, X: FloatArray, shares: Sequence[float]) -> int:
    """Fits that converge of ten resamples of all patients at each share of missing readings; the smallest count."""
    counts = []
    for share in shares:
        rng, good = np.random.default_rng(7), 0
        for _ in range(10):
            rows = rng.choice(len(y), len(y))
            gaps = np.where(rng.random(y.shape) < share, np.nan, y[rows])
            kept = np.isfinite(gaps).any(axis=1)
            good += bool(fit_repeated(gaps[kept], X[rows][kept]).outcome.ok)
        counts.append(good)
    return min(counts)


def _deviance(text: str) -> float:
    """The last -2 Res Log Like of the iteration history, which has all the digits."""
    part = text[text.index("Evaluations    -2 Res Log Like") : text.index("Convergence criteria met")]
    return float(re.findall(rf"^\s+\d+\s+\d+\s+{NUMBER}", part, flags=re.M)[-1])


def _solution(text: str, effect: str) -> tuple[float, float, float]:
    found = re.search(rf"{effect}\s+{NUMBER}\s+{NUMBER}\s+(\d+)", text[text.index("Solution for Fixed") :])
    assert found is not None
    return float(found[1]), float(found[2]), float(found[3])
