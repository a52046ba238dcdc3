"""Laplace estimates against NONMEM's: 27 models, 255 patients.

A patient passes when eta is within 1e-4, the covariance within 1e-3 and the predictions within 1e-5 of NONMEM's, or
when our objective is at or below theirs at equal predictions (NONMEM stopped short on some).
"""

from __future__ import annotations

import pytest

from tests.estimation.nonmem_cases import reference
from twin_service.qualification.estimation.run import agrees_with_nonmem

NUMBERS = (
    "001 002 003 005 007 008 101 201 202 204 205 207 301 401 402 403 404 406 408 501 502 503 511 901 921 941 962"
).split()


@pytest.mark.parametrize("number", NUMBERS)
def test_first_patients_agree_with_nonmem(number: str) -> None:
    case = reference("nonmem_map", f"model_{number}.json")
    faults = [agrees_with_nonmem(case, p) for p in case["patients"][:2]]
    assert not any(faults), faults


@pytest.mark.slow
@pytest.mark.parametrize("number", NUMBERS)
def test_all_patients_agree_with_nonmem(number: str) -> None:
    case = reference("nonmem_map", f"model_{number}.json")
    faults = [f for p in case["patients"] if (f := agrees_with_nonmem(case, p))]
    assert not faults, faults
