"""What a regulator asks of such an analysis, answered from the protocol and from what was done.

What only the sponsor can know is said to be open, never answered by the software. Sources: ICH E9(R1) 2019; FDA,
Adjusting for Covariates in Randomized Clinical Trials, May 2023; FDA draft, Externally Controlled Trials, February
2023; EMA qualification opinion on prognostic covariate adjustment, September 2022.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from twin_service.report.text import number
from twin_service.trial.adjust.analysis import AdjustedTrial
from twin_service.trial.data.assemble import AnalysisData
from twin_service.trial.external.run import ExternalAnalysis
from twin_service.trial.forecast.crossfit import TrialForecast
from twin_service.trial.protocol import Imputation, TrialProtocol

E9, FDA_COVARIATES, FDA_EXTERNAL, EMA = "ICH E9(R1)", "FDA 2023 covariates", "FDA 2023 external", "EMA 2022"
OPEN = "open: to be answered by the sponsor"


class ReviewItem(NamedTuple):
    """One question, where it is asked, and its answer; `OPEN` where no file says it."""

    question: str
    source: str
    answer: str

    @property
    def is_open(self) -> bool:
        return self.answer.startswith("open")


class Analyzed(NamedTuple):
    """Everything a package is made of."""

    data: AnalysisData
    adjusted: AdjustedTrial | None
    forecast: TrialForecast | None
    external: ExternalAnalysis | None


def checklist(p: TrialProtocol, done: Analyzed, digest: str) -> tuple[ReviewItem, ...]:
    """Questions of the parts that were carried out."""
    asked = [*_estimand(p, done, digest)]
    if done.adjusted is not None:
        asked += _adjustment(p, done.adjusted)
    if done.forecast is not None:
        asked += _forecasts(done.forecast)
    if done.external is not None:
        asked += _external(p, done.external)
    return tuple(asked)


def _estimand(p: TrialProtocol, done: Analyzed, digest: str) -> Iterator[ReviewItem]:
    e = p.estimand
    events = "; ".join(f"{i.event}: {i.strategy.value.replace('_', ' ')}" for i in e.intercurrent)
    missing = int(np.sum(~np.isfinite(done.data.y)))
    share = f"{missing} of {done.data.y.size} planned readings are missing"
    yield ReviewItem("Estimand stated before the analysis", E9, f"protocol {digest[:16]}: {e.summary}, {e.population}")
    yield ReviewItem("Intercurrent events and their strategies", E9, events or OPEN)
    yield ReviewItem("Analysis set", E9, f"{p.analysis_set.name}: {len(done.data.arm)} subjects")
    yield ReviewItem("Missing data", E9, f"{share}; {_missing(p)}")


def _missing(p: TrialProtocol) -> str:
    if p.adjust is None:
        return "no imputation"
    if p.adjust.imputation is not Imputation.NONE:
        return f"sensitivity by {p.adjust.imputation.value.replace('_', ' ')}, {p.adjust.imputations} imputations"
    return "handled by the model or left out; no imputation is asked for (adjust.imputation)"


def _adjustment(p: TrialProtocol, found: AdjustedTrial) -> Iterator[ReviewItem]:
    spec = p.adjust
    names = [*spec.covariates, *spec.factors] if spec is not None else []
    if spec is not None and spec.baseline:
        names.append("baseline of the endpoint")
    yield ReviewItem("Covariates named before the outcome is seen", FDA_COVARIATES, ", ".join(names) or "none")
    yield ReviewItem(
        "Unadjusted effect beside the adjusted one",
        FDA_COVARIATES,
        f"both reported; variance {found.variance_reduction:.0%} below the unadjusted one",
    )
    errors = spec.errors if spec is not None else "HC3"
    yield ReviewItem("Standard errors robust to a wrong model", FDA_COVARIATES, f"{errors} ({found.method.value})")


def _forecasts(found: TrialForecast) -> Iterator[ReviewItem]:
    digests = ", ".join(m.digest[:12] for m in found.models)
    cutoffs = sorted({m.cutoff for m in found.models if m.cutoff})
    how = "cross-fitted: no subject's outcome teaches his own forecast" if found.cross_fitted else "historical controls"
    c = found.calibration[-1]
    yield ReviewItem("Prognostic model frozen before unblinding", EMA, f"{how}; models {digests}")
    yield ReviewItem("Training cut-off", EMA, ", ".join(cutoffs) or OPEN)
    yield ReviewItem(
        "Only baseline enters", EMA, "by construction: the model is given nothing from after randomization"
    )
    yield ReviewItem(
        "Performance in the controls",
        EMA,
        f"correlation {number(c.correlation)}, 90 % bands held {c.coverage90:.0%} of {c.patients} readings",
    )


def _external(p: TrialProtocol, found: ExternalAnalysis) -> Iterator[ReviewItem]:
    spec, c = p.external, found.compared
    assert spec is not None
    worst = max(c.balance, key=lambda b: abs(b.difference_after))
    for name in ("index_date", "look_back", "washout", "follow_up"):
        question = f"{name.replace('_', ' ').capitalize()}, the same in both groups"
        yield ReviewItem(question, FDA_EXTERNAL, getattr(spec, name) or OPEN)
    yield ReviewItem(
        "Eligibility applied to both", FDA_EXTERNAL, f"{found.eligible[0]} of {found.eligible[1]} are eligible"
    )
    yield ReviewItem(
        "Comparability on prognostic covariates",
        FDA_EXTERNAL,
        f"{spec.method}; largest standardized difference {number(abs(worst.difference_after))} ({worst.name}); "
        f"effective controls {c.ess[1]:.0f}",
    )
    yield ReviewItem("Unmeasured confounding", FDA_EXTERNAL, f"E-value {number(found.evalue.point)}, bias array")
    calibrated = "compared, see the report" if found.calibration is not None else "open: the trial has no own controls"
    yield ReviewItem("The method tried on controls against controls", FDA_EXTERNAL, calibrated)
    yield ReviewItem("Negative control outcome", FDA_EXTERNAL, spec.negative_control or OPEN)
    for question in (
        "Treatment and care comparable (dose, schedule, supportive care)",
        "Outcome ascertained alike, blinded where it can be",
        "Patient-level data of both groups available to the agency",
        "Agency asked early",
    ):
        yield ReviewItem(question, FDA_EXTERNAL, OPEN)
