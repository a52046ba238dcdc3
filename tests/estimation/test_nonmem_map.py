"""Laplace estimates against NONMEM's: 27 models, 255 patients.

A patient passes when eta is within 1e-4, the covariance within 1e-3 and the predictions within 1e-5 of NONMEM's, or
when our objective is at or below theirs at equal predictions (NONMEM stopped short on some).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.estimation.nonmem_cases import model_of, reference, subject_of
from twin_service.evaluate.individual import fit_individual
from twin_service.evaluate.subject import observed, predictor
from twin_service.solver.simulate import Tolerances

NUMBERS = ("001 002 003 005 007 008 101 201 202 204 205 207 301 401 402 403 404 406 408 501 502 503 511 901 921 941 "
           "962").split()  # fmt: skip
TIGHT = Tolerances(rtol=1e-10, atol_scale=1e-4)


def expected_predictions(patient: dict[str, Any]) -> np.ndarray:
    """NONMEM's IPRED at the rows with a value (its table may list rows without one)."""
    rows = [r for r in patient["records"] if r["evid"] == 0.0]
    found = patient["expected"]["ipred"]
    if len(found) == len(rows):
        found = [f for f, r in zip(found, rows, strict=True) if r["dv"] is not None]
    return np.array(found)


def agrees(case: dict[str, Any], patient: dict[str, Any]) -> str:
    """Empty when the patient passes, else what differs."""
    model = model_of(case)
    subject = subject_of(case, patient, model)
    eta, covariance = np.array(patient["expected"]["eta"]), np.array(patient["expected"]["eta_cov"])
    f = predictor(model, subject, TIGHT)(eta[None])[0]
    prediction = float(np.max(np.abs(f / expected_predictions(patient) - 1.0)))
    fit = fit_individual(model, subject, tolerances=TIGHT)
    scale = observed(model, subject).scaled(f)
    r = observed(model, subject).targets() - scale.f
    theirs = float(np.sum(np.log(scale.v) + r**2 / scale.v) + eta @ np.linalg.solve(model.omega, eta))
    d_eta = float(np.max(np.abs(fit.eta - eta)))
    d_cov = float(np.max(np.abs(fit.covariance - covariance)) / np.max(np.abs(covariance)))
    near = d_eta < 1e-4 and d_cov < 1e-3
    if prediction < 1e-5 and (near or fit.objective <= theirs + 1e-9):
        return ""
    return f"patient {patient['id']}: eta {d_eta:.1e}, covariance {d_cov:.1e}, ipred {prediction:.1e}, {fit.outcome}"


@pytest.mark.parametrize("number", NUMBERS)
def test_first_patients_agree_with_nonmem(number: str) -> None:
    case = reference("nonmem_map", f"model_{number}.json")
    faults = [agrees(case, p) for p in case["patients"][:2]]
    assert not any(faults), faults


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_all_patients_agree_with_nonmem(number: str) -> None:
    case = reference("nonmem_map", f"model_{number}.json")
    faults = [f for p in case["patients"] if (f := agrees(case, p))]
    assert not faults, faults
