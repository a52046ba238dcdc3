"""Numbers and regimens in the words of a ward: three significant digits, unit once, no variable names."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from twin_service.v1 import event_pb2, simulation_pb2

UNITS = {"10*9/L": "×10⁹/L", "10*6/L": "×10⁶/L", "umol/L": "µmol/L", "ug/L": "µg/L", "1": "", "a": "years"}
METRICS = {
    simulation_pb2.METRIC_TROUGH: "trough",
    simulation_pb2.METRIC_PEAK: "peak",
    simulation_pb2.METRIC_AVERAGE: "average",
    simulation_pb2.METRIC_AUC_DAY: "area under the curve of a day",
    simulation_pb2.METRIC_MINIMUM: "lowest value",
    simulation_pb2.METRIC_MAXIMUM: "highest value",
    simulation_pb2.METRIC_FINAL: "value at the end",
}
ROUTES = {"iv": "into a vein", "oral": "by mouth", "sc": "under the skin", "im": "into a muscle"}


def number(value: float) -> str:
    """Three significant digits, never in powers of ten between a thousandth and a million."""
    if value == 0 or not abs(value) < float("inf"):
        return "0" if value == 0 else "–"
    if abs(value) >= 1e6 or abs(value) < 1e-3:
        return f"{value:.3g}"
    whole = f"{value:.3g}"
    return f"{float(whole):.0f}" if "e" in whole else whole


def unit(ucum: str) -> str:
    return UNITS.get(ucum, ucum)


def amount(value: float, ucum: str) -> str:
    return f"{number(value)} {unit(ucum)}".strip()


def chance(probability: float) -> str:
    """As a count of a hundred; what rounds to none or all says so honestly."""
    if 0 < probability < 0.005:
        return "under 1 of 100"
    if 0.995 < probability < 1:
        return "over 99 of 100"
    return f"{100 * probability:.0f} of 100"


NAMES = {
    "tumor_sld": "sum of tumor diameters",
    "lvef": "ejection fraction",
    "CL": "clearance",
    "V": "volume of distribution",
    "sex_female": "female",
}


def name(word: str) -> str:
    """A library id as words."""
    return NAMES.get(word, word.replace("_", " "))


def moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)


def clock(when: datetime) -> str:
    return f"{when.day} {when:%b %Y %H:%M} UTC"


def length(hours: float) -> str:
    """Hours up to two days, days beyond."""
    if hours < 1:
        return f"{number(60 * hours)} min"
    return f"{number(hours)} h" if hours < 48 or hours % 24 else f"{number(hours / 24)} days"


def planned(doses: simulation_pb2.PlannedDoses) -> str:
    """One line of a regimen: "500 mg vancomycin into a vein every 12 h over 1 h"."""
    parts = [f"{amount(doses.amount.value, doses.amount.unit)} {name(doses.drug)}"]
    parts.append(ROUTES.get(doses.route, f"({name(doses.route)})"))
    if doses.count > 1:
        parts.append(f"every {length(doses.interval.value)}")
    else:
        parts.append("once")
    if doses.HasField("duration") and doses.duration.value > 0:
        parts.append(f"over {length(doses.duration.value)}")
    if doses.HasField("loading") and doses.loading.value > 0:
        parts.append(f"after {amount(doses.loading.value, doses.loading.unit)} to begin with")
    return " ".join(parts)


def regimen(plan: simulation_pb2.Regimen) -> str:
    return "; ".join(planned(d) for d in plan.doses) or "Give nothing"


def event(said: event_pb2.Event) -> str:
    """An event in one line."""
    kind = said.WhichOneof("payload")
    if kind == "dose":
        over = (
            f" over {amount(said.dose.duration.value, said.dose.duration.unit)}"
            if said.dose.HasField("duration")
            else ""
        )
        route = ROUTES.get(said.dose.route, f"({name(said.dose.route)})")
        return f"{amount(said.dose.amount.value, said.dose.amount.unit)} {name(said.dose.drug)} {route}{over}"
    if kind in ("lab", "image"):
        found = said.lab if kind == "lab" else said.image
        what = found.analyte or f"LOINC {said.lab.loinc}"
        return f"{name(what)} {amount(found.value.value, found.value.unit)}"
    if kind == "covariate":
        return f"{plain(said.covariate.name)} {amount(said.covariate.value.value, said.covariate.value.unit)}"
    if kind == "genotype":
        return f"{said.genotype.gene} {said.genotype.diplotype} (activity {number(said.genotype.activity)})"
    if kind == "correction":
        return f"correction of {said.correction.target_event_id}"
    return f"withdrawal of {said.retraction.target_event_id}: {said.retraction.reason}"


SUFFIXES = ("_kg", "_y", "_g_l", "_cm", "_mg_l", "_ml_min", "_umol_l")


def plain(covariate: str) -> str:
    """A characteristic without the unit in its name."""
    if covariate in NAMES:
        return NAMES[covariate]
    for suffix in SUFFIXES:
        covariate = covariate.removesuffix(suffix)
    return name(covariate)
