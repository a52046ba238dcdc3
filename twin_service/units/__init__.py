"""Unit strings, known nowhere else: UCUM at the door, ward spellings, library files, one unit an analyte."""

from twin_service.units.analytes import (
    Analyte,
    analyte,
    analytes,
    by_loinc,
    canonical,
    convert,
    covariate,
    drug,
    hours,
    mass_mg,
    unknown,
    warm,
)
from twin_service.units.bench import UnitError, conversion
from twin_service.units.spelling import spelled
from twin_service.units.ucum import Line

__all__ = [
    "Analyte",
    "Line",
    "UnitError",
    "analyte",
    "analytes",
    "by_loinc",
    "canonical",
    "conversion",
    "convert",
    "covariate",
    "drug",
    "hours",
    "mass_mg",
    "spelled",
    "unknown",
    "warm",
]
