"""Response of target lesions by RECIST 1.1, on lesions of one patient and on sums of many forecasts.

Eisenhauer 2009, doi:10.1016/j.ejca.2008.10.026.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twin_service.model.qsp.likelihood import interval_log_likelihood
from twin_service.model.structure import ErrorLaw
from twin_service.outcome import Refusal, RefusalCode

Floats = NDArray[np.float64]
TARGETS_MAX = 5
TARGETS_PER_ORGAN_MAX = 2
MEASURABLE_MM = 10.0
MEASURABLE_NODE_MM = 15.0
NORMAL_NODE_MM = 10.0


class RecistResponse(enum.IntEnum):
    """Ordered from best to worst; the value is used in arrays. NE: not evaluable."""

    CR = 0
    PR = 1
    SD = 2
    PD = 3
    NE = 4


@dataclass(frozen=True)
class Lesion:
    """One lesion on one scan: longest diameter (mm), for a node the short axis; None where it could not be measured."""

    id: str
    organ: str
    diameter_mm: float | None
    nodal: bool = False


@dataclass(frozen=True)
class Scan:
    """What was seen on one day. `nontarget`: response of the other lesions where judged; `new_lesion` means PD."""

    time_h: float
    lesions: tuple[Lesion, ...]
    new_lesion: bool = False
    nontarget: RecistResponse | None = None


def target_lesions(baseline: Sequence[Lesion]) -> tuple[Lesion, ...]:
    """The target lesions of a baseline scan: measurable, the largest first, at most 5 and 2 per organ."""
    chosen: list[Lesion] = []
    for lesion in sorted(baseline, key=lambda x: -(x.diameter_mm or 0.0)):
        least = MEASURABLE_NODE_MM if lesion.nodal else MEASURABLE_MM
        same = sum(c.organ == lesion.organ for c in chosen)
        if (lesion.diameter_mm or 0.0) >= least and same < TARGETS_PER_ORGAN_MAX and len(chosen) < TARGETS_MAX:
            chosen.append(lesion)
    return tuple(chosen)


def sum_of_diameters(scan: Scan, targets: Sequence[Lesion]) -> float:
    """Sum over `targets` on `scan` (mm); NaN where one was not measured. A lesion that is gone is listed with 0."""
    seen = {x.id: x.diameter_mm for x in scan.lesions}
    values = [seen.get(t.id) for t in targets]
    return float("nan") if any(v is None for v in values) else float(sum(v for v in values if v is not None))


def responses(scans: Sequence[Scan]) -> list[RecistResponse]:
    """Overall response at each scan after the first, which is the baseline.

    Raises Refusal without a baseline scan that has a measurable lesion, and where scans contradict themselves.
    """
    if not scans:
        raise _refuse("no scan; RECIST needs a baseline scan before the first response")
    _check_scans(scans)
    targets = target_lesions(scans[0].lesions)
    if not targets:
        raise _refuse(
            "the first scan has no measurable lesion (10 mm, nodes 15 mm), so there is no baseline sum; "
            "give the baseline scan, or judge by non-target lesions"
        )
    baseline = nadir = sum_of_diameters(scans[0], targets)
    found: list[RecistResponse] = []
    for scan in scans[1:]:
        total = sum_of_diameters(scan, targets)
        target = _target_response(scan, targets, (baseline, nadir, total))
        found.append(_overall(target, scan))
        nadir = min(nadir, total) if np.isfinite(total) else nadir
    return found


def best_response(found: Sequence[RecistResponse], *, confirm: bool = False) -> RecistResponse:
    """Best overall response up to the first PD; with `confirm`, CR and PR count when the next scan keeps them."""
    best = RecistResponse.NE
    for i, r in enumerate(found):
        following = found[i + 1] if i + 1 < len(found) else RecistResponse.NE
        counts = r not in (RecistResponse.CR, RecistResponse.PR) or not confirm or following <= r
        value = r if counts else RecistResponse.SD
        if value < best:
            best = value
        if r is RecistResponse.PD:
            break
    return best


def categories(sums: Floats, baseline: Floats | None) -> NDArray[np.intp]:
    """Category of each of N forecasts at each of nt scans from sums (N, nt) and baseline (N,), both mm.

    Nadir runs from the baseline through all earlier scans. A sum that vanishes (below 1 mm) is CR. Raises Refusal
    without baseline.
    """
    if baseline is None or not np.all(np.isfinite(baseline)) or np.any(np.asarray(baseline) <= 0):
        raise _refuse("a sum of diameters without its baseline cannot be judged; give the first scan")
    start = np.asarray(baseline, dtype=np.float64)[:, None]
    before = np.minimum.accumulate(np.concatenate([start, sums[:, :-1]], axis=1), axis=1)
    result = np.full(sums.shape, RecistResponse.SD, dtype=np.intp)
    result[sums <= 0.7 * start] = RecistResponse.PR
    result[sums < 1.0] = RecistResponse.CR
    result[(sums >= 1.2 * before) & (sums - before >= 5.0)] = RecistResponse.PD
    result[~np.isfinite(sums)] = RecistResponse.NE
    return result


def response_log_likelihood(
    observed: int, predicted: Floats, error: ErrorLaw, *, baseline: Floats, nadir: Floats
) -> Floats:
    """ln P(category = `observed`) of each member (N,), whose sum `predicted` (mm) is read with `error`.

        CR  reading < 1     PD  reading >= p, p = max(1.2 nadir, nadir + 5)     PR  1 <= reading < min(0.7 baseline, p)
        SD  min(0.7 baseline, p) <= reading < p     NE  tells nothing

    baseline, nadir   (N,) mm: the sum before treatment and the least since, of each member or as measured.
    A progression by a new lesion says nothing of the sum: it is not to be given as PD. Raises Refusal for no category.
    """
    if observed not in tuple(RecistResponse):
        raise Refusal(
            RefusalCode.INVALID,
            f"{observed} is no response; expected 0 CR, 1 PR, 2 SD, 3 PD, 4 NE",
            field="recist_response",
            reason="BAD_GRADE",
        )
    f = np.asarray(predicted, dtype=np.float64)
    if observed == RecistResponse.NE:
        return np.zeros_like(f)
    grown = np.maximum(1.2 * nadir, nadir + 5.0)
    shrunk = np.minimum(0.7 * baseline, grown)
    low: dict[int, Floats | float] = {
        RecistResponse.CR: -np.inf,
        RecistResponse.PR: 1.0,
        RecistResponse.SD: shrunk,
        RecistResponse.PD: grown,
    }
    high: dict[int, Floats | float] = {
        RecistResponse.CR: 1.0,
        RecistResponse.PR: shrunk,
        RecistResponse.SD: grown,
        RecistResponse.PD: np.inf,
    }
    return interval_log_likelihood(low[observed], high[observed], f, error)


def response_probabilities(sums: Floats, baseline: Floats, weights: Floats | None = None) -> dict[str, Floats]:
    """Probability (nt,) of each category over weighted members."""
    w = np.full(len(sums), 1.0 / len(sums)) if weights is None else weights / weights.sum()
    found = categories(sums, baseline)
    return {r.name: np.asarray(w @ (found == r)) for r in RecistResponse}


def _check_scans(scans: Sequence[Scan]) -> None:
    """Refuse scans out of order, a lesion listed twice on one scan, and a diameter below 0 or infinite."""
    for i, scan in enumerate(scans):
        where = f"scans[{i}]"
        if i and scan.time_h <= scans[i - 1].time_h:
            raise _invalid(
                f"{where}.time_h",
                f"{scan.time_h:g} h is not after the scan before it "
                f"({scans[i - 1].time_h:g} h); list the scans by time, the baseline first",
            )
        seen: set[str] = set()
        for j, lesion in enumerate(scan.lesions):
            if lesion.id in seen:
                raise _invalid(
                    f"{where}.lesions[{j}].id", "this lesion is listed twice on one scan; give each lesion its own id"
                )
            seen.add(lesion.id)
            d = lesion.diameter_mm
            if d is not None and (d < 0.0 or np.isinf(d)):
                raise _invalid(
                    f"{where}.lesions[{j}].diameter_mm",
                    f"{d:g} mm is no diameter; give 0 for a lesion that is gone, nothing for one that was not measured",
                )


def _target_response(scan: Scan, targets: Sequence[Lesion], sums: tuple[float, float, float]) -> RecistResponse:
    baseline, nadir, total = sums
    if not np.isfinite(total):
        return RecistResponse.NE
    seen = {x.id: x.diameter_mm or 0.0 for x in scan.lesions}
    if all(seen[t.id] < NORMAL_NODE_MM if t.nodal else seen[t.id] == 0.0 for t in targets):
        return RecistResponse.CR
    if total >= 1.2 * nadir and total - nadir >= 5.0:
        return RecistResponse.PD
    return RecistResponse.PR if total <= 0.7 * baseline else RecistResponse.SD


def _overall(target: RecistResponse, scan: Scan) -> RecistResponse:
    """Target, non-target and new lesions together (table 1 of the source)."""
    if scan.new_lesion or RecistResponse.PD in (target, scan.nontarget):
        return RecistResponse.PD
    if target is RecistResponse.CR and scan.nontarget not in (None, RecistResponse.CR):
        return RecistResponse.PR
    return target


def _refuse(message: str) -> Refusal:
    return Refusal(RefusalCode.PRECONDITION, message, field="scans", reason="RECIST_WITHOUT_BASELINE")


def _invalid(field: str, message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, f"{field}: {message}", field=field, reason="RECIST_SCAN")
