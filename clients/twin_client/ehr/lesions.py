"""Target lesions -> one sum of longest diameters a day (RECIST 1.1, Eisenhauer 2009, doi:10.1016/j.ejca.2008.10.026).

A day on which a lesion of the first day is missing has no comparable sum and is held.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from datetime import date
from typing import Any

from twin_client.ehr.codes import LOINC, tables
from twin_client.ehr.fields import SOURCE, code_of, event_id, measured, moment
from twin_client.ehr.observations import USABLE, is_simulated, modality
from twin_client.ehr.reading import Held, HoldError
from twin_client.events import image
from twin_service.v1 import common_pb2, event_pb2

TO_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}


def read_lesions(resources: list[Any]) -> tuple[list[event_pb2.Event], list[Held]]:
    """One image event `tumor_sld` for each day with a complete set of target lesions."""
    days: dict[date, dict[str, Any]] = defaultdict(dict)
    held: list[Held] = []
    for r in resources:
        try:
            if r.status not in USABLE:
                raise HoldError(f'its status is "{r.status}"', "send it again when it is final")
            days[moment(r.effectiveDateTime, "effectiveDateTime").date()][_lesion(r)] = (r, _diameter_mm(r))
        except HoldError as hold:
            held.append(Held(f"Observation/{r.id}", hold.reason, hold.remedy))
    events: list[event_pb2.Event] = []
    wanted = set(days[min(days)]) if days else set()
    for day in sorted(days):
        missing = wanted - set(days[day])
        if missing:
            held += [
                Held(
                    f"Observation/{r.id}",
                    f"{len(missing)} of the first day's {len(wanted)} target lesions were "
                    "not measured on this day, so there is no comparable sum",
                    "send every target lesion of the visit",
                )
                for r, _ in days[day].values()
            ]
            continue
        events.append(_sum(days[day], wanted))
    return events, held


def _sum(lesions: dict[str, Any], wanted: set[str]) -> event_pb2.Event:
    chosen = [lesions[k] for k in sorted(wanted)]
    first = chosen[0][0]
    ids = "|".join(event_id(r) for r, _ in chosen)
    identity = f"fhir/sld/{hashlib.sha256(ids.encode()).hexdigest()[:32]}"
    return image(
        identity,
        moment(first.effectiveDateTime, "effectiveDateTime"),
        "tumor_sld",
        common_pb2.Quantity(value=sum(mm for _, mm in chosen), unit="mm"),
        modality=modality(first),
        simulated=any(is_simulated(r) for r, _ in chosen),
        source=SOURCE,
    )


def _lesion(resource: Any) -> str:
    """Which lesion: the focus or specimen it points to, or its body site."""
    for reference in [*(resource.focus or ()), *([resource.specimen] if resource.specimen else ())]:
        if reference.reference:
            return str(reference.reference)
    site = resource.bodySite.coding[0].code if resource.bodySite is not None and resource.bodySite.coding else None
    if not site:
        raise HoldError("it does not say which lesion was measured", "send focus, specimen or bodySite")
    return f"site/{site}"


def _diameter_mm(resource: Any) -> float:
    value = resource.valueQuantity
    for component in resource.component or ():
        if code_of(component.code, LOINC) in tables().lesions:
            value = component.valueQuantity
    quantity = measured(value)
    if quantity.unit not in TO_MM:
        raise HoldError(f"a diameter in {quantity.unit}", "send mm or cm")
    return float(quantity.value * TO_MM[quantity.unit])
