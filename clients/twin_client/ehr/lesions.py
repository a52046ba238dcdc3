"""Target lesions -> one sum of longest diameters a day (RECIST 1.1, Eisenhauer 2009, doi:10.1016/j.ejca.2008.10.026).

A day on which a target lesion is missing has no comparable sum and is held.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date

from twin_client.ehr.codes import LOINC, tables
from twin_client.ehr.elements import check_elements
from twin_client.ehr.fields import SOURCE, Body, codes_of, event_id, exact, instant, withdrawal
from twin_client.ehr.observations import USABLE, is_simulated, modality
from twin_client.ehr.reading import Held, HoldError
from twin_client.events import image
from twin_service.v1 import common_pb2, event_pb2

TO_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}


@dataclass
class _Day:
    """The readings of one day: lesion -> (resource, mm), and the (lesion, resource) that were entered in error."""

    valid: dict[str, tuple[Body, float]] = field(default_factory=dict)
    withdrawn: list[tuple[str, Body]] = field(default_factory=list)


def read_lesions(
    resources: Sequence[Body], target_lesions: Collection[str]
) -> tuple[list[event_pb2.Event], list[Held]]:
    """One image event `tumor_sld` for each day on which every one of `target_lesions` was measured.

    A lesion is named by the reference of its focus or specimen ("BodyStructure/x"), else "site/" and its body site's
    code. One bundle cannot tell which lesions were chosen at baseline, so without `target_lesions` all are held.
    """
    wanted = sorted(set(target_lesions))
    days: dict[date, _Day] = defaultdict(_Day)
    held: list[Held] = []
    for r in resources:
        try:
            _place(r, days)
        except HoldError as hold:
            held.append(_held(r, hold))
    events: list[event_pb2.Event] = []
    for day in (days[k] for k in sorted(days)):
        for lesion, r in day.withdrawn:
            try:
                events.append(_withdrawn(lesion, r, day, wanted))
            except HoldError as hold:
                held.append(_held(r, hold))
        missing = _why_no_sum(day, wanted)
        if missing is None:
            events.append(_sum([day.valid[k] for k in wanted]))
        else:
            held += [_held(r, missing) for r, _ in day.valid.values()]
    return events, held


def _place(r: Body, days: dict[date, _Day]) -> None:
    """Put `r` under its day."""
    if r.get("status") not in (*USABLE, "entered-in-error"):
        raise HoldError(f'its status is "{r.get("status")}"', "send it again when it is final")
    day, lesion = instant(r.get("effectiveDateTime"), "effectiveDateTime").date(), _lesion(r)
    check_elements(r)
    if r.get("status") == "entered-in-error":
        days[day].withdrawn.append((lesion, r))
        return
    size = _diameter_mm(r)
    if lesion in days[day].valid:
        raise HoldError("its lesion was already measured on this day", "send one measurement of a lesion a day")
    days[day].valid[lesion] = (r, size)


def _why_no_sum(day: _Day, wanted: list[str]) -> HoldError | None:
    if not wanted:
        return HoldError("nothing says which lesions are target lesions", "read with target_lesions=...")
    missing = len(set(wanted) - set(day.valid))
    if missing:
        reason = f"{missing} of the {len(wanted)} target lesions were not measured on this day, so there is no sum"
        return HoldError(reason, "send every target lesion of the visit in one bundle")
    return None


def _withdrawn(lesion: str, r: Body, day: _Day, wanted: list[str]) -> event_pb2.Event:
    """Withdraws the sum of which `r` was a part: the day as it was before."""
    before = {k: v for k, v in day.withdrawn} | {k: v for k, (v, _) in day.valid.items()} | {lesion: r}
    if not wanted or set(wanted) - set(before):
        reason = "a lesion entered in error, without the others of its day"
        raise HoldError(reason, "send every lesion of the visit, and read with target_lesions=...")
    return withdrawal(r, _identity([before[k] for k in wanted]))


def _held(r: Body, hold: HoldError) -> Held:
    return Held(f"Observation/{r.get('id')}", hold.reason, hold.remedy)


def _identity(resources: list[Body]) -> str:
    ids = "|".join(event_id(r) for r in resources)
    return f"fhir/sld/{hashlib.sha256(ids.encode()).hexdigest()[:32]}"


def _sum(chosen: list[tuple[Body, float]]) -> event_pb2.Event:
    first = chosen[0][0]
    return image(
        _identity([r for r, _ in chosen]),
        instant(first.get("effectiveDateTime"), "effectiveDateTime"),
        "tumor_sld",
        common_pb2.Quantity(value=sum(mm for _, mm in chosen), unit="mm"),
        modality=modality(first),
        simulated=any(is_simulated(r) for r, _ in chosen),
        source=SOURCE,
    )


def _lesion(resource: Body) -> str:
    """Which lesion: the focus or specimen it points to, or its body site."""
    for reference in [*(resource.get("focus") or ()), *([resource["specimen"]] if resource.get("specimen") else ())]:
        if reference.get("reference"):
            return str(reference["reference"])
    codings = (resource.get("bodySite") or {}).get("coding") or [{}]
    site = codings[0].get("code")
    if not site:
        raise HoldError("it does not say which lesion was measured", "send focus, specimen or bodySite")
    return f"site/{site}"


def _diameter_mm(resource: Body) -> float:
    value = resource.get("valueQuantity")
    for component in resource.get("component") or ():
        if any(c in tables().lesions for c in codes_of(component.get("code"), LOINC)):
            value = component.get("valueQuantity")
    quantity = exact(value)
    if quantity.unit not in TO_MM:
        raise HoldError(f"a diameter in {quantity.unit}", "send mm or cm")
    return float(quantity.value * TO_MM[quantity.unit])
