"""Times, amounts and names as the wire carries them, in the units of the bench."""

from __future__ import annotations

import math

from google.protobuf.timestamp_pb2 import Timestamp

from twin_service import units
from twin_service.record.person import TwinName
from twin_service.service.wire.path import invalid
from twin_service.v1.common_pb2 import Quantity


def quantity(value: float, unit: str) -> Quantity:
    return Quantity(value=value, unit=unit)


def number(value: float) -> float:
    """0 for what is not finite; the verdict beside it says that it is not to be used."""
    return value if math.isfinite(value) else 0.0


def hours(q: Quantity, field: str) -> float:
    """A length of time [h]."""
    return units.hours(q.value, q.unit, path=field)


def milligrams(drug: str, q: Quantity, field: str) -> float:
    """An amount of `drug` [mg]."""
    return units.mass_mg(drug, q.value, q.unit, path=field)


def in_unit(q: Quantity, unit: str, field: str, molar_mass: float | None = None) -> float:
    """The value in `unit`; mass and amount of substance convert by the molar mass [g/mol]."""
    return units.convert(q.value, q.unit, unit, molar_mass=molar_mass, path=field)


def molar_mass_of(output: str) -> float | None:
    """Of the analyte an output is named after, where it is one [g/mol]."""
    known = units.analytes().get(output)
    return known.molar_mass if known else None


def time_us(stamp: Timestamp, field: str) -> int:
    """Microseconds since 1970; finer digits are cut off."""
    if not 0 <= stamp.nanos < 1_000_000_000 or not -62_135_596_800 <= stamp.seconds <= 253_402_300_799:
        raise invalid("not a valid time", field, "BAD_TIME")
    us: int = stamp.seconds * 1_000_000 + stamp.nanos // 1000
    return us


def stamp(us: int) -> Timestamp:
    return Timestamp(seconds=us // 1_000_000, nanos=us % 1_000_000 * 1000)


def twin_name(text: str, field: str = "name") -> TwinName:
    """Raises Refusal for anything but a twin's resource name."""
    try:
        return TwinName.parse(text)
    except ValueError as error:
        raise invalid(str(error), field, "BAD_NAME") from None
