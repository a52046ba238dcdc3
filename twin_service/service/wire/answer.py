"""What the twin found, on the wire. A number that is not finite never leaves: its place stays empty, its verdict says
why."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from twin_service.model.structure import PatientModel
from twin_service.outcome import Outcome
from twin_service.record.events import DoseGiven, ImageMeasured, LabMeasured
from twin_service.scenario.attainment import Attained
from twin_service.scenario.bands import Bands, BandSeries
from twin_service.scenario.doubts import plan_doubts
from twin_service.scenario.endpoints import Reached
from twin_service.scenario.regimen import Regimen
from twin_service.service.view import AskedTwin, View
from twin_service.service.wire.event import censoring_out
from twin_service.service.wire.held import TOLD_MAX, held_warnings
from twin_service.service.wire.quantity import number, quantity, stamp
from twin_service.service.wire.regimen import regimen_out
from twin_service.service.wire.software import SOFTWARE_VERSION, software_digest
from twin_service.twin.categories import observable_of
from twin_service.twin.evidence import basis_of
from twin_service.twin.forecast import Forecast, ForecastBand
from twin_service.twin.reading import is_modelled
from twin_service.twin.recommend import RankedCandidate
from twin_service.twin.simulate import WhatIf
from twin_service.v1 import common_pb2, simulation_pb2, twin_pb2

ESTIMATOR = {
    "unscented": common_pb2.ESTIMATOR_UNSCENTED,
    "ensemble": common_pb2.ESTIMATOR_ENSEMBLE,
    "laplace": common_pb2.ESTIMATOR_LAPLACE,
    "auto": common_pb2.ESTIMATOR_POLICY,
}


ODDS_MAX = 1e12
"""Odds beyond this mean nothing more."""


def verdict(outcome: Outcome) -> common_pb2.Verdict:
    return common_pb2.Verdict(code=outcome.verdict.name, detail=str(outcome), usable=outcome.ok)


def basis(
    subject: AskedTwin, *, now_us: int, members: int = 0, assumptions: Iterable[str] = (), doubts: Iterable[str] = ()
) -> common_pb2.Basis:
    """What an answer drawn from `view` rests on; `doubts` are warnings of the question itself."""
    row, view = subject.row, subject.view
    found = basis_of(view.folded, *assumptions)
    last = view.folded.forecasts[-1].estimator if view.folded.forecasts else "no measurement yet"
    return common_pb2.Basis(
        twin=str(row.name),
        model_id=found.model_id,
        model_version=view.folded.model.version,
        model_digest=found.model_digest,
        library_versions=found.blocks,
        timeline_digest=found.timeline_digest,
        belief_digest=found.state_digest,
        timeline_revision=max(row.timeline_revision, view.revision),
        belief_revision=view.revision,
        estimator=ESTIMATOR.get(found.estimator, common_pb2.ESTIMATOR_UNSPECIFIED),
        estimator_reason=f"last measurement: {last}",
        assumptions=found.assumptions,
        warnings=(*found.warnings, *unusual_warnings(view), *held_warnings(subject.held), *doubts),
        used_event_ids=[s.event_id for s in view.folded.course.samples],
        unused_event_ids=view.folded.course.unused,
        not_modelled=not_modelled(view),
        members=members,
        software_digest=software_digest(),
        software_version=SOFTWARE_VERSION,
        computed_time=stamp(now_us),
        spec_revision=view.spec_revision,
    )


def unusual_warnings(view: View) -> list[str]:
    """What is unusual about the events that an answer counts, the latest first."""
    told = [f"{i}: {'; '.join(judged.reasons)}" for i, judged in reversed(view.unusual.items())]
    more = [f"and {len(told) - TOLD_MAX} more events are unusual"] if len(told) > TOLD_MAX else []
    return [f"counted, though unusual: {said}" for said in told[:TOLD_MAX]] + more


def not_modelled(view: View) -> list[str]:
    """What is recorded and no part of the model uses, by name and how often."""
    unused = set(view.folded.course.unused)
    found: Counter[str] = Counter()
    for event in view.timeline.effective:
        p = event.payload
        if isinstance(p, DoseGiven) and not is_modelled(view.folded.model, p):
            found[f"dose of {p.drug}"] += 1
        elif isinstance(p, LabMeasured | ImageMeasured) and event.id in unused:
            found[f"measurement of {p.analyte}"] += 1
    return [f"{what}, {n} recorded" for what, n in sorted(found.items())]


def bands(found: Bands, origin_us: int) -> common_pb2.Bands:
    """Series that hold a number that is not finite are left empty; the verdict says why."""
    return common_pb2.Bands(
        origin_time=stamp(origin_us),
        times_h=found.times_h.tolist(),
        series=[_series(s, found.levels) for s in found.series],
        verdict=verdict(found.outcome),
    )


def _series(found: BandSeries, levels: tuple[float, ...]) -> common_pb2.Series:
    wire = common_pb2.Series(output=found.output, unit=found.unit)
    if not (_finite(found.mean) and _finite(found.quantiles)):
        return wire
    wire.mean.extend(found.mean.tolist())
    for level, values in zip(levels, found.quantiles, strict=True):
        wire.quantiles.add(level=level, values=values.tolist())
        if level == 0.5:
            wire.median.extend(values.tolist())
    if found.readings is not None and _finite(found.readings):
        for level, values in zip(levels, found.readings, strict=True):
            wire.reading_quantiles.add(level=level, values=values.tolist())
    if found.levels is not None and _finite(found.levels):
        for level, values in zip(levels, found.levels, strict=True):
            wire.level_quantiles.add(level=level, values=values.tolist())
    return wire


def spread(band: ForecastBand) -> common_pb2.Spread | None:
    if not all(map(math.isfinite, band)):
        return None
    return common_pb2.Spread(mean=band.mean, sd=band.sd, q05=band.q05, q50=band.q50, q95=band.q95)


def forecast(found: Forecast, view: View) -> twin_pb2.Forecast:
    """The forecast kept for one measurement."""
    sample = found.sample
    return twin_pb2.Forecast(
        event_id=sample.event_id,
        analyte=sample.analyte,
        time=stamp(view.folded.course.start_us + round(sample.time_h * 3.6e9)),
        unit=observable_of(view.folded.model, sample.analyte).unit,
        observed=sample.value,
        censoring=censoring_out(sample.censoring),
        prior=spread(found.prior),
        forecast=spread(found.band),
        history=found.history,
        nis=number(found.nis),
        surprising=found.surprising,
        weight=number(found.weight),
        estimator=found.estimator,
        verdict=verdict(found.outcome),
        explanations=[twin_pb2.Explanation(story=e.story, odds=min(e.odds, ODDS_MAX)) for e in found.explanations],
    )


def observations(view: View, start_h: float, end_h: float) -> list[twin_pb2.ObservedPoint]:
    """Measurements in force between two hours of the course, those the model does not predict included."""
    forecasts = {f.sample.event_id: f for f in view.folded.forecasts}
    found = []
    for event in view.timeline.effective:
        p, hour = event.payload, view.folded.course.hours(event.time_us)
        if not isinstance(p, LabMeasured | ImageMeasured) or not start_h <= hour <= end_h:
            continue
        point = twin_pb2.ObservedPoint(
            event_id=event.id, analyte=p.analyte, time_h=hour, value=quantity(p.value, p.unit)
        )
        if isinstance(p, LabMeasured):
            point.censoring = censoring_out(p.censoring)
        else:
            point.simulated = p.simulated
        if event.id in forecasts:
            point.forecast.CopyFrom(forecast(forecasts[event.id], view))
        found.append(point)
    return found


def what_if(found: WhatIf, origin_us: int, units: dict[str, str]) -> simulation_pb2.WhatIf:
    """One plan; `units` maps the name of each target to the unit of its metric."""
    return simulation_pb2.WhatIf(
        name=found.regimen.name,
        regimen=regimen_out(found.regimen),
        bands=bands(found.bands, origin_us),
        targets=[_attained(a, units) for a in found.targets],
        joint_probability=number(found.joint_probability),
        endpoints=[endpoint(r) for r in found.endpoints],
        categories=[simulation_pb2.CategoryProbability(**c._asdict()) for c in found.categories],
        verdict=verdict(found.outcome),
    )


def endpoint(found: Reached) -> simulation_pb2.EndpointProbability:
    """One endpoint by name, with its grade and whether it counts as serious."""
    e = found.endpoint
    told = simulation_pb2.EndpointProbability(
        endpoint=e.id,
        title=e.title,
        probability=number(found.probability),
        harmful=e.harmful,
        threshold=quantity(e.threshold, "1" if e.relative_to_baseline else e.unit),
        grade=e.grade,
        serious=e.harmful and e.serious,
    )
    if math.isfinite(found.baseline) and math.isfinite(found.probability):
        told.baseline_probability = found.baseline
        told.attributable_probability = found.attributable
    return told


def ranked(found: RankedCandidate, rank: int, origin_us: int, units: dict[str, str]) -> simulation_pb2.RankedRegimen:
    harm = found.harm.endpoint if found.harm is not None else None
    return simulation_pb2.RankedRegimen(
        rank=rank,
        what_if=what_if(found.what_if, origin_us, units),
        benefit_probability=number(found.benefit),
        harm_probability=number(found.harm_probability),
        admissible=found.admissible,
        reason=found.reason,
        harm_endpoint=harm.id if harm else "",
        harm_title=harm.title if harm else "",
        harm_grade=harm.grade if harm else 0,
        limits=[_attained(a, units) for a in found.limits],
        model_id=found.model_id,
        utility=number(found.utility),
        utility_se=number(found.utility_se),
        tie=found.tie,
        efficient=found.efficient,
        harm_added=number(found.harm_added),
    )


def _attained(found: Attained, units: dict[str, str]) -> simulation_pb2.TargetAttainment:
    metric = ForecastBand(found.mean, 0.0, found.q05, found.q50, found.q95)
    wire = simulation_pb2.TargetAttainment(
        target=found.target.name, probability=number(found.probability), unit=units[found.target.name]
    )
    told = spread(metric)
    if told is not None:
        wire.metric.CopyFrom(told)
    wire.by_mic.extend(simulation_pb2.MicAttainment(mic=m, share=s, probability=p) for m, s, p in found.by_mic)
    return wire


def _finite(values: NDArray[np.float64]) -> bool:
    return bool(np.all(np.isfinite(values)))


def basis_of_request(now_us: int, members: int = 0, assumptions: tuple[str, ...] = ()) -> common_pb2.Basis:
    """The basis of an answer that rests on the request alone."""
    return common_pb2.Basis(
        software_version=SOFTWARE_VERSION,
        software_digest=software_digest(),
        members=members,
        assumptions=assumptions,
        computed_time=stamp(now_us),
    )


def basis_of_model(model: PatientModel, now_us: int, members: int, assumptions: Iterable[str]) -> common_pb2.Basis:
    """The basis of an answer that rests on the request and one library model."""
    found = basis_of_request(now_us, members, tuple(assumptions))
    found.model_id, found.model_version, found.model_digest = model.id, model.version, model.digest
    found.library_versions.update(model.block_versions)
    return found


def basis_of_future(
    subject: AskedTwin,
    now_us: int,
    members: int,
    *,
    regimens: Iterable[Regimen] = (),
    doses: str = "future doses are given as planned",
) -> common_pb2.Basis:
    """What a forecast rests on, with a warning for every planned dose outside its drug's domain."""
    return basis(
        subject,
        now_us=now_us,
        members=members,
        assumptions=(doses, "characteristics stay as last measured"),
        doubts=plan_doubts(subject.view.folded.model, regimens),
    )
