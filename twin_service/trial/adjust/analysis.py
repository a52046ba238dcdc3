"""The adjusted analysis that a protocol asks for, beside the unadjusted one, with what it assumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from twin_service.outcome import Refusal, RefusalCode
from twin_service.trial.adjust.ancova import Errors, TreatmentEffect, effect_of, refuse
from twin_service.trial.adjust.bayesian import EffectPosterior, History, bayesian_procova, history_of
from twin_service.trial.adjust.comparison import ArmComparison, ArmMean
from twin_service.trial.adjust.design import VisitDesign, design_of
from twin_service.trial.adjust.imputation import Incomplete, conditional_mean_effect, rubin_effect
from twin_service.trial.adjust.linear import linear_comparisons
from twin_service.trial.adjust.logistic import standardized_risks
from twin_service.trial.adjust.mmrm.covariance import CovarianceStructure
from twin_service.trial.adjust.mmrm.fit import RepeatedFit, fit_repeated
from twin_service.trial.adjust.mmrm.inference import Contrasts, Inference
from twin_service.trial.data.assemble import AnalysisData
from twin_service.trial.forecast.crossfit import TrialForecast
from twin_service.trial.note import Note
from twin_service.trial.protocol import AdjustSpec, AnalysisMethod, EndpointKind, Imputation, TrialProtocol
from twin_service.trial.protocol_reader import did_you_mean
from twin_service.trial.survival.cox import cox
from twin_service.trial.survival.curves import pseudo_values

FloatArray = NDArray[np.float64]
Progress = Callable[[float], None]
WITH_FORECAST = (AnalysisMethod.PROCOVA, AnalysisMethod.PROCOVA_MMRM, AnalysisMethod.BAYESIAN_PROCOVA)
KINDS = {
    EndpointKind.CONTINUOUS: (AnalysisMethod.ANCOVA, AnalysisMethod.MMRM, *WITH_FORECAST),
    EndpointKind.BINARY: (AnalysisMethod.LOGISTIC,),
    EndpointKind.TIME_TO_EVENT: (AnalysisMethod.COX, AnalysisMethod.RMST),
}


@dataclass(frozen=True)
class AdjustedTrial:
    """An adjusted analysis.

    scale        of the effects: "difference", "risk difference", "log hazard ratio" or "months"-like time difference
    unadjusted   the same comparison without covariates, at the last visit
    means        by arm and visit, on the endpoint's scale
    sensitivity  further analyses by name, arm and visit the last
    posterior    Bayesian PROCOVA only
    """

    method: AnalysisMethod
    scale: str
    comparisons: tuple[ArmComparison, ...]
    unadjusted: tuple[ArmComparison, ...]
    means: tuple[ArmMean, ...]
    sensitivity: tuple[tuple[str, ArmComparison], ...]
    posterior: EffectPosterior | None
    fit: RepeatedFit | None
    forecast: TrialForecast | None
    notes: tuple[Note, ...]

    @property
    def variance_reduction(self) -> float:
        """1 - Var(adjusted)/Var(unadjusted) of the last comparison."""
        return 1 - (self.comparisons[-1].effect.se / self.unadjusted[-1].effect.se) ** 2


def adjust_trial(
    p: TrialProtocol,
    data: AnalysisData,
    forecast: TrialForecast | None = None,
    *,
    history: tuple[FloatArray, FloatArray] | None = None,
    progress: Progress = lambda share: None,
) -> AdjustedTrial:
    """The analysis of `p.adjust`. `history`: earlier controls' readings and out-of-fold forecasts (Bayesian PROCOVA).

    Raises Refusal when the method does not suit the endpoint, a forecast is missing, or the data cannot carry it.
    """
    spec = p.adjust or AdjustSpec()
    if spec.method not in KINDS[p.endpoint.kind]:
        known = ", ".join(m.value for m in KINDS[p.endpoint.kind])
        raise refuse("adjust.method", f"{spec.method.value} of a {p.endpoint.kind.value} endpoint; suited are {known}")
    if spec.method in WITH_FORECAST and forecast is None:
        raise Refusal(RefusalCode.PRECONDITION, f"{spec.method.value} needs forecasts under control", field="forecast")
    if p.endpoint.kind is EndpointKind.BINARY:
        found = _binary(spec, data)
    elif p.endpoint.kind is EndpointKind.TIME_TO_EVENT:
        found = _time_to_event(spec, data)
    elif spec.method in (AnalysisMethod.MMRM, AnalysisMethod.PROCOVA_MMRM):
        found = _repeated(spec, data, forecast)
    elif spec.method is AnalysisMethod.BAYESIAN_PROCOVA:
        found = _bayesian(spec, data, forecast, history)
    else:
        found = _one_visit(spec, data, forecast if spec.method is AnalysisMethod.PROCOVA else None)
    if spec.imputation is not Imputation.NONE:
        found = replace(found, sensitivity=(*found.sensitivity, *_imputed(p, spec, data, progress)))
    return replace(found, notes=(*found.notes, *_notes(data, found)))


def _design(spec: AdjustSpec, data: AnalysisData, keep: NDArray[np.bool_], extra: dict[str, FloatArray]) -> VisitDesign:
    """Arms, covariates, baseline and classes of the subjects `keep`; means weighted by readings."""
    names = spec.covariates
    if spec.baseline and np.isfinite(data.baseline).any() and "baseline" not in names:
        names = (*names, "baseline")
    table = data.numbers(names, "adjust.covariates")
    covariates = {n: table[keep, j] for j, n in enumerate(names)} | extra
    classes = {f: list(data.classes(f, "adjust.factors")[keep]) for f in spec.factors}
    weights = np.isfinite(data.y[keep]).sum(axis=1).astype(float)
    return design_of(data.arm[keep], len(data.arms), covariates, classes, weights=weights)


def _complete(data: AnalysisData, visit: int, spec: AdjustSpec) -> NDArray[np.bool_]:
    keep = np.isfinite(data.y[:, visit])
    if spec.baseline and np.isfinite(data.baseline).any():
        keep &= np.isfinite(data.baseline)
    for arm in range(len(data.arms)):
        if np.sum(keep & (data.arm == arm)) < 2:
            raise refuse(
                "visits", f"{data.visits[visit].name}: fewer than two subjects of {data.arms[arm]!r} were read"
            )
    return keep


def _one_visit(spec: AdjustSpec, data: AnalysisData, forecast: TrialForecast | None) -> AdjustedTrial:
    last = data.y.shape[1] - 1
    keep = _complete(data, last, spec)
    extra = {} if forecast is None else {"forecast under control": forecast.forecast.mean[keep, last]}
    y, arm = data.y[keep, last], data.arm[keep]
    errors = cast(Errors, spec.errors)
    means, found = linear_comparisons(y, arm, _design(spec, data, keep, extra), errors=errors, level=spec.level)
    plain = design_of(arm, len(data.arms), {}, {})
    _, unadjusted = linear_comparisons(y, arm, plain, errors=errors, level=spec.level)
    sensitivity: tuple[tuple[str, ArmComparison], ...] = ()
    if forecast is not None:
        _, alone = linear_comparisons(y, arm, _design(spec, data, keep, {}), errors=errors, level=spec.level)
        sensitivity = tuple(("covariates only, without forecasts", _at(c, last)) for c in alone)
    return AdjustedTrial(
        spec.method,
        "difference",
        tuple(_at(c, last) for c in found),
        tuple(_at(c, last) for c in unadjusted),
        tuple(m._replace(visit=last) for m in means),
        sensitivity,
        None,
        None,
        forecast,
        (),
    )


def _at(c: ArmComparison, visit: int) -> ArmComparison:
    return c._replace(visit=visit)


def _repeated(spec: AdjustSpec, data: AnalysisData, forecast: TrialForecast | None) -> AdjustedTrial:
    keep = np.asarray(np.isfinite(data.y).any(axis=1), bool)
    if spec.baseline and np.isfinite(data.baseline).any():
        keep &= np.isfinite(data.baseline)
    design = _design(spec, data, keep, {})
    y, arm, arms, m = data.y[keep], data.arm[keep], len(data.arms), data.y.shape[1]
    # Arms and the endpoint's baseline act at each visit on their own; other columns act on all alike.
    own = [j for j, name in enumerate(design.names) if j < arms or name == "baseline"]
    shared = [j for j in range(len(design.names)) if j not in own]
    by_visit = np.einsum("nc,vu->nvcu", design.columns[:, own], np.eye(m)).reshape(len(y), m, -1)
    parts = [by_visit, np.repeat(design.columns[:, None, shared], m, axis=1)]
    if spec.method is AnalysisMethod.PROCOVA_MMRM and forecast is not None:
        scores = forecast.forecast.mean[keep]
        parts.append((scores - scores.mean(axis=0))[:, :, None])
    X = np.concatenate(parts, axis=2)
    places = tuple(float(v.target_day if v.target_day is not None else v.number or 0.0) for v in data.visits)
    fit = fit_repeated(y, X, CovarianceStructure(spec.covariance, m, places))
    contrasts = Contrasts(fit, _inference(spec))
    means, found = [], []
    for a in range(arms):
        for v in range(m):
            pick = np.zeros(X.shape[2])
            pick[a * m + v] = 1.0
            mean = contrasts.of(pick)
            read = np.isfinite(y[:, v])
            means.append(ArmMean(a, v, mean.estimate, mean.se, int(np.sum(read & (arm == a)))))
            if a:
                pick[v] = -1.0
                e = contrasts.of(pick)
                w = (arm[read & ((arm == a) | (arm == 0))] == a).astype(float)
                found.append(ArmComparison(a, v, effect_of(e.estimate, e.se, e.df, w, level=spec.level)))
    plain = np.einsum("nc,vu->nvcu", design.columns[:, :arms], np.eye(m)).reshape(len(y), m, -1)
    without = Contrasts(fit_repeated(y, plain, CovarianceStructure(spec.covariance, m, places)), _inference(spec))
    unadjusted = []
    for c in found:
        pick = np.zeros(plain.shape[2])
        pick[c.arm * m + c.visit], pick[c.visit] = 1.0, -1.0
        e = without.of(pick)
        w = np.r_[np.ones(c.effect.n_treated), np.zeros(c.effect.n_control)]
        unadjusted.append(c._replace(effect=effect_of(e.estimate, e.se, e.df, w, level=spec.level)))
    notes = () if fit.outcome.ok else (Note("fit", str(fit.outcome), True),)
    return AdjustedTrial(
        spec.method, "difference", tuple(found), tuple(unadjusted), tuple(means), (), None, fit, forecast, notes
    )


def _inference(spec: AdjustSpec) -> Inference:
    known = [i.value for i in Inference]
    if spec.degrees_of_freedom not in known:
        hint = did_you_mean(spec.degrees_of_freedom, known)
        raise refuse("adjust.degrees_of_freedom", f"{spec.degrees_of_freedom!r} is unknown{hint}")
    return Inference(spec.degrees_of_freedom)


def _bayesian(
    spec: AdjustSpec, data: AnalysisData, forecast: TrialForecast | None, history: tuple[FloatArray, FloatArray] | None
) -> AdjustedTrial:
    if history is None or forecast is None or len(data.arms) != 2:
        raise Refusal(
            RefusalCode.PRECONDITION,
            "bayesian_procova compares two arms and needs historical controls",
            field="data.historical",
            reason="NO_HISTORY",
        )
    plain = _one_visit(replace(spec, method=AnalysisMethod.PROCOVA), data, forecast)
    last = data.y.shape[1] - 1
    keep = _complete(data, last, spec)
    past: History = history_of(*history)
    x = _design(spec, data, keep, {}).columns[:, 2:]
    found = bayesian_procova(
        data.y[keep, last],
        (data.arm[keep] == 1).astype(float),
        forecast.forecast.mean[keep, last],
        x,
        past,
        prior_weight=spec.prior_weight,
        level=spec.level,
    )
    kept_share = f"history keeps {found.history_weight:.0%} of the weight (prior {found.prior_weight:.0%})"
    note = Note("prior", kept_share, found.history_weight < found.prior_weight / 2)
    return replace(plain, method=AnalysisMethod.BAYESIAN_PROCOVA, posterior=found, notes=(*plain.notes, note))


def _binary(spec: AdjustSpec, data: AnalysisData) -> AdjustedTrial:
    last = data.y.shape[1] - 1
    keep = _complete(data, last, spec)
    y, arm = data.y[keep, last], data.arm[keep]
    if not np.all((y == 0) | (y == 1)):
        raise refuse("endpoint", "a binary endpoint has values other than 0 and 1; say responder_at_least")
    if len(set(y)) < 2:
        raise refuse("endpoint", "every subject has the same response; nothing can be compared")
    found = standardized_risks(y, _design(spec, data, keep, {}))
    plain = standardized_risks(y, design_of(arm, len(data.arms), {}, {}))
    means = tuple(
        ArmMean(a, last, float(found.risk[a]), float(np.sqrt(found.cov[a, a])), int(np.sum(arm == a)))
        for a in range(len(data.arms))
    )
    compared = [
        tuple(ArmComparison(a, last, _normal(*r.difference(a), arm, a, spec.level)) for a in range(1, len(data.arms)))
        for r in (found, plain)
    ]
    ratios = tuple(
        ("log risk ratio", ArmComparison(a, last, _normal(*found.log_ratio(a), arm, a, spec.level)))
        for a in range(1, len(data.arms))
    )
    note = Note("effect", "marginal risks: averaged over the trial's subjects (g-computation)")
    return AdjustedTrial(
        spec.method, "risk difference", compared[0], compared[1], means, ratios, None, None, None, (note,)
    )


def _time_to_event(spec: AdjustSpec, data: AnalysisData) -> AdjustedTrial:
    keep = np.isfinite(data.y[:, 0])
    time, event, arm = data.y[keep, 0], data.event[keep], data.arm[keep]
    design = _design(replace(spec, baseline=False), data, keep, {})
    rest = design.columns[:, len(data.arms) :]
    dummies = design.columns[:, 1 : len(data.arms)]
    notes: tuple[Note, ...]
    if spec.method is AnalysisMethod.RMST:
        horizon = spec.horizon_day or float(min(time[arm == a].max() for a in range(len(data.arms))))
        y = np.empty(len(time))
        for a in range(len(data.arms)):
            y[arm == a] = pseudo_values(time[arm == a], event[arm == a], horizon)
        errors = cast(Errors, spec.errors)
        means, found = linear_comparisons(y, arm, design, errors=errors, level=spec.level)
        _, plain = linear_comparisons(y, arm, design_of(arm, len(data.arms), {}, {}), errors=errors, level=spec.level)
        notes = (Note("effect", f"mean time without the event up to {horizon:g}"),)
        return AdjustedTrial(spec.method, "time difference", found, plain, means, (), None, None, None, notes)
    fits = [cox(time, event, np.column_stack([dummies, x])) for x in (rest, np.zeros((len(time), 0)))]
    if not fits[0].outcome.ok:
        raise Refusal(RefusalCode.PRECONDITION, str(fits[0].outcome), field="covariates", reason="SEPARATED")
    compared = [
        tuple(
            ArmComparison(
                a, 0, _normal(float(f.beta[a - 1]), float(np.sqrt(f.robust[a - 1, a - 1])), arm, a, spec.level)
            )
            for a in range(1, len(data.arms))
        )
        for f in fits
    ]
    notes = (Note("effect", "hazard ratio given the covariates (conditional); robust errors (Lin & Wei)"),)
    return AdjustedTrial(spec.method, "log hazard ratio", compared[0], compared[1], (), (), None, None, None, notes)


def _normal(estimate: float, se: float, arm: NDArray[np.intp], a: int, level: float) -> TreatmentEffect:
    w = (arm[(arm == a) | (arm == 0)] == a).astype(float)
    return effect_of(estimate, se, np.inf, w, level=level)


def _imputed(
    p: TrialProtocol, spec: AdjustSpec, data: AnalysisData, progress: Progress
) -> list[tuple[str, ArmComparison]]:
    """Both ways of the protocol's imputation, for each arm."""
    last, rng, found = data.y.shape[1] - 1, np.random.default_rng(p.seed), []
    for a in range(1, len(data.arms)):
        keep = ((data.arm == 0) | (data.arm == a)) & np.isfinite(data.y).any(axis=1)
        if spec.baseline and np.isfinite(data.baseline).any():
            keep &= np.isfinite(data.baseline)
        x = (
            _design(spec, data, keep, {}).columns[:, len(data.arms) :]
            if len(data.arms) == 2
            else _pair(spec, data, keep)
        )
        pair = Incomplete(data.y[keep], (data.arm[keep] == a).astype(float), x)
        name = spec.imputation.value.replace("_", " ")
        rubin = rubin_effect(pair, spec.imputation, spec.imputations, rng, level=spec.level)
        found.append((f"{name}, multiple imputation", ArmComparison(a, last, rubin)))
        mean = conditional_mean_effect(pair, spec.imputation, level=spec.level, progress=progress)
        found.append((f"{name}, conditional mean with jackknife", ArmComparison(a, last, mean)))
    return found


def _pair(spec: AdjustSpec, data: AnalysisData, keep: NDArray[np.bool_]) -> FloatArray:
    """Covariates of one arm and control; classes that the pair does not have are left out."""
    names = (*spec.covariates, *(("baseline",) if spec.baseline and np.isfinite(data.baseline).any() else ()))
    table = data.numbers(names, "adjust.covariates")[keep]
    columns = [table - table.mean(axis=0)]
    for f in spec.factors:
        labels = data.classes(f, "adjust.factors")[keep]
        levels = sorted(set(labels))
        columns += [((labels == v).astype(float) - np.mean(labels == v))[:, None] for v in levels[1:]]
    return np.column_stack(columns)


def _notes(data: AnalysisData, found: AdjustedTrial) -> list[Note]:
    notes = []
    missing = int(np.sum(~np.isfinite(data.y[:, -1])))
    if missing and found.fit is None:
        notes.append(
            Note("missing data", f"{missing} subjects without the endpoint are left out of the analysis", True)
        )
    elif missing:
        notes.append(Note("missing data", "missing visits are assumed missing at random given what was read"))
    if found.forecast is not None:
        last = found.forecast.calibration[-1]
        if not 0.8 <= last.coverage90 <= 0.98:
            text = f"90 % bands held {last.coverage90:.0%} of the controls' readings"
            notes.append(Note("calibration", text, True))
        if last.correlation < 0.1:
            notes.append(Note("forecast", "forecasts hardly rise with the readings: adjustment gains nothing", True))
        if found.forecast.cross_fitted:
            notes.append(Note("forecast", "learned from the trial's own controls, out of fold"))
    return notes
