"""Whether a table can be in the model's units: said before anything rests on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from twin_service.fit.subject import TableSubject, predictor
from twin_service.model.structure import PatientModel

FOLD = 8.0
"""A cohort's median reading this far from the typical patient's is rarer than a table in other units."""


def units_of(model: PatientModel, subjects: Sequence[TableSubject]) -> str:
    """In which units the columns of the table are read."""
    analytes = sorted({a for s in subjects for a in s.analytes})
    routed = {r.input for r in model.routes}
    amounts = sorted({"mg" if u.name in routed else u.unit for u in model.system.inputs})
    read = ", ".join(f"{a} in {model.observables[a].unit}" for a in analytes)
    return f"TIME in h, AMT in {' or '.join(amounts) or 'the unit of its input'}, {read or 'no readings'}"


def unit_doubts(model: PatientModel, subjects: Sequence[TableSubject]) -> list[str]:
    """One sentence for each analyte whose readings lie a median factor `FOLD` or more from the typical predictions."""
    logs: dict[str, list[float]] = {}
    eta = np.zeros((1, len(model.effects)))
    for s in subjects:
        if not len(s):
            continue
        f = predictor(model, s)(eta)[0]
        for analyte, y, p, flag in zip(s.analytes, s.values, f, s.censoring, strict=True):
            if flag == 0 and y > 0.0 and np.isfinite(p) and p > 0.0:
                logs.setdefault(analyte, []).append(float(np.log(y / p)))
    return [
        _sentence(model, subjects, analyte, float(np.exp(np.median(found))))
        for analyte, found in sorted(logs.items())
        if abs(np.median(found)) >= np.log(FOLD)
    ]


def _sentence(model: PatientModel, subjects: Sequence[TableSubject], analyte: str, ratio: float) -> str:
    side = f"{ratio:.3g} times above" if ratio > 1.0 else f"{1.0 / ratio:.3g} times below"
    return (
        f"readings of {analyte} lie a median {side} the prediction for a typical patient. The table is read as "
        f"{units_of(model, subjects)}. Is it in other units?"
    )
