"""From a timeline to the course that a model understands: its doses, characteristics and samples, in its own units."""

from __future__ import annotations

from collections.abc import Mapping

from twin_service import units
from twin_service.model.dialysis import cleared_by, dialysis_covariate
from twin_service.model.domain import dose_doubt
from twin_service.model.qsp.alleles import allele_counts
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.events import (
    MICROSECONDS_PER_HOUR,
    Censoring,
    CovariateMeasured,
    DialysisDone,
    DoseGiven,
    Event,
    GenotypeFound,
    ImageMeasured,
    LabMeasured,
)
from twin_service.record.person import Person
from twin_service.record.timeline import Timeline
from twin_service.scenario.regimen import route_for
from twin_service.solver.schedule import Dose
from twin_service.twin.categories import kind_of, observable_of
from twin_service.twin.course import Course, Sample


def read_course(model: PatientModel, person: Person, timeline: Timeline) -> Course:
    """The course of `timeline` for `model`.

    Raises Refusal when a dose cannot enter the model (unknown drug or route, or outside a domain that its file says to
    refuse) or a required characteristic is missing.
    """
    found = timeline.effective
    start_us = min([person.epoch_us, *(e.time_us for e in found)])
    doses = tuple(_dose(model, e, start_us) for e in found if _is_carried(model, e))
    samples, unused = _samples(model, found, start_us)
    changes, rows = _covariate_rows(model, person, found, start_us)
    for row in rows:
        _require(model, row)
    return Course(start_us, doses, changes, rows, samples, unused)


def is_modelled(model: PatientModel, given: DoseGiven) -> bool:
    """Whether the dose is to enter `model`: any dose but one recorded as co-medication of a drug it does not carry."""
    return not given.co_medication or any(r.drug == given.drug for r in model.routes)


def _is_carried(model: PatientModel, event: Event) -> bool:
    return isinstance(event.payload, DoseGiven) and is_modelled(model, event.payload)


def _dose(model: PatientModel, event: Event, start_us: int) -> Dose:
    given = event.payload
    assert isinstance(given, DoseGiven)
    route = route_for(model, given.drug, given.route)
    dose_doubt(route, given.amount_mg)
    return Dose(
        (event.time_us - start_us) / MICROSECONDS_PER_HOUR,
        route.input,
        given.amount_mg * route.units_per_mg,
        given.duration_h,
        given.steady_interval_h,
    )


def _samples(
    model: PatientModel, found: tuple[Event, ...], start_us: int
) -> tuple[tuple[Sample, ...], tuple[str, ...]]:
    samples: list[Sample] = []
    unused: list[str] = []
    for event in found:
        p = event.payload
        if not isinstance(p, LabMeasured | ImageMeasured):
            continue
        if not kind_of(model, p.analyte):
            if not (isinstance(p, LabMeasured) and _as_covariate(model, p)):
                unused.append(event.id)
            continue
        hour = (event.time_us - start_us) / MICROSECONDS_PER_HOUR
        read = (p.censoring, p.after_dose) if isinstance(p, LabMeasured) else (Censoring.NONE, False)
        samples.append(Sample(event.id, hour, p.analyte, _in_model_unit(model, p), *read))
    return tuple(samples), tuple(unused)


def _in_model_unit(model: PatientModel, measured: LabMeasured | ImageMeasured) -> float:
    """The recorded value in the unit in which the model predicts it: the door keeps one unit per analyte (mg/L), a
    published model its own (ug/L, umol/L)."""
    wanted = observable_of(model, measured.analyte).unit
    if measured.unit == wanted or kind_of(model, measured.analyte) != "reading":
        return measured.value
    known = units.analyte(measured.analyte)
    return units.convert(measured.value, measured.unit, wanted, molar_mass=known.molar_mass, path="lab.value")


def _as_covariate(model: PatientModel, measured: LabMeasured) -> tuple[str, float] | None:
    """The covariate, with its value, that a lab which the model does not predict sets: named `<analyte>_<unit words>`
    and of the lab's dimension, so that creatinine never sets a creatinine clearance. None when there is none."""
    for c in model.covariates:
        if c.name == measured.analyte or c.name.startswith(f"{measured.analyte}_"):
            if c.unit == measured.unit:
                return c.name, measured.value
            try:
                mass = units.analyte(measured.analyte).molar_mass
                return c.name, units.convert(measured.value, measured.unit, c.unit, molar_mass=mass)
            except Refusal:
                continue
    return None


def _covariate_rows(
    model: PatientModel, person: Person, found: tuple[Event, ...], start_us: int
) -> tuple[tuple[float, ...], tuple[Mapping[str, float], ...]]:
    """Last value carried forward; the first one carried back to the start; genotypes hold for life."""
    settings: list[tuple[float, str, float]] = []
    for event in found:
        p, hour = event.payload, (event.time_us - start_us) / MICROSECONDS_PER_HOUR
        if isinstance(p, CovariateMeasured):
            settings.append((hour, p.name, p.value))
        elif isinstance(p, GenotypeFound):
            settings.append((0.0, f"{p.gene.lower()}_activity", p.activity))
            settings += [(0.0, name, n) for name, n in allele_counts(p.gene, p.diplotype).items()]
        elif isinstance(p, LabMeasured) and p.analyte not in model.observables:
            found_as = _as_covariate(model, p)
            if found_as is not None:
                settings.append((hour, *found_as))
    used = {c.name for c in model.covariates}
    settings = [s for s in settings if s[1] in used]
    sessions = _sessions(model, found, start_us)
    first: dict[str, float] = {k: v for k, v in person.covariates.items() if k in used}
    first |= {name: 0.0 for _, name, _ in sessions}
    settings = sorted([*settings, *sessions], key=lambda s: s[0])
    for _, name, value in settings:
        first.setdefault(name, value)
    times: list[float] = []
    rows: list[dict[str, float]] = [first]
    for hour, name, value in settings:
        if rows[-1][name] == value:
            continue
        if hour <= 0.0 or (times and times[-1] == hour):
            rows[-1] = {**rows[-1], name: value}
        else:
            times.append(hour)
            rows.append({**rows[-1], name: value})
    return tuple(times), tuple(rows)


def _sessions(model: PatientModel, found: tuple[Event, ...], start_us: int) -> list[tuple[float, str, float]]:
    """What is being cleared of each drug, wherever that changes; sessions at one time add up."""
    spans: dict[str, list[tuple[float, float, float]]] = {}
    for event in found:
        if isinstance(event.payload, DialysisDone):
            begin = (event.time_us - start_us) / MICROSECONDS_PER_HOUR
            for drug, cleared in cleared_by(model, event.payload).items():
                span = (begin, begin + event.payload.duration_h, cleared.clearance_l_h)
                spans.setdefault(dialysis_covariate(drug), []).append(span)
    return [
        (hour, name, sum(k for begin, end, k in each if begin <= hour < end))
        for name, each in spans.items()
        for hour in sorted({h for begin, end, _ in each for h in (begin, end)})
    ]


def _require(model: PatientModel, values: Mapping[str, float]) -> None:
    """Required characteristics are present and inside the model's domain."""
    for c in model.covariates:
        if c.default is None and c.name not in values:
            raise Refusal(
                RefusalCode.PRECONDITION,
                f"{model.id} needs {c.name} [{c.unit}]; record it as a covariate",
                field=f"covariates.{c.name}",
                reason="COVARIATE_MISSING",
            )
        # A default is the model's own word, and may lie outside: then it says "not known".
        value = values.get(c.name)
        if value is not None and not c.low <= value <= c.high:
            raise Refusal(
                RefusalCode.OUT_OF_RANGE,
                f"{model.id} was built for {c.name} from {c.low:g} to {c.high:g} "
                f"{c.unit}, not {value:g}; choose a model whose domain includes this patient",
                field=f"covariates.{c.name}",
                reason="OUTSIDE_DOMAIN",
            )
