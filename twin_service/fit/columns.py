"""Which columns of an event table are understood, which are named as unused, and which are refused.

A column that would change the meaning of a row is used or refused, never read past. What no program gives a meaning is
named in the table's notes. Rows marked as comments (a column C, or an ID that begins with # or @) are left out by name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from twin_service.fit.subject import refuse_row
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode

Row = Mapping[str, str]
UNDERSTOOD: Final = (
    *("ID", "TIME", "AMT", "DV", "EVID", "MDV", "CMT", "RATE", "DUR", "II", "ADDL", "SS"),
    *("CENS", "BLQ", "LLOQ", "DVID", "ANALYTE", "ROUTE"),
)
# Columns that other programs act on and this reader does not: why, and what to do.
REFUSED: Final[Mapping[str, str]] = {
    "DATE": "TIME must be hours in one number; add up date and clock",
    "DAT1": "TIME must be hours in one number; add up date and clock",
    "DAT2": "TIME must be hours in one number; add up date and clock",
    "DAT3": "TIME must be hours in one number; add up date and clock",
    "PCMT": "predictions of other compartments are not read; remove the column",
    "CALL": "forced calls of PK are not read; remove the column",
    "CONT": "continued records are not read; write one record a row",
    "L2": "groups of correlated readings are not read; remove the column",
    "LIMIT": "intervals are not read; a value below a limit is CENS 1 with the limit in DV",
    "TINF": "say the duration as DUR (--map DUR=TINF)",
    "ADM": "say the route as CMT or ROUTE (--map CMT=ADM)",
    "YTYPE": "say the kind of reading as DVID (--map DVID=YTYPE)",
    "BLOQ": "say it as BLQ (--map BLQ=BLOQ)",
}
COVARIATE_NAMES: Final[Mapping[str, str]] = {
    "wt": "weight_kg",
    "wgt": "weight_kg",
    "weight": "weight_kg",
    "bw": "weight_kg",
    "age": "age_y",
    "ht": "height_cm",
    "height": "height_cm",
    "apgr": "apgar_score",
    "apgar": "apgar_score",
    "occ": "occasion",
    "iov": "occasion",
    "crcl": "creatinine_clearance_ml_min",
    "clcr": "creatinine_clearance_ml_min",
    "alb": "albumin_g_l",
    "glyco": "alpha1_acid_glycoprotein_g_l",
    "aag": "alpha1_acid_glycoprotein_g_l",
    "bsa": "body_surface_m2",
    "ffm": "fat_free_mass_kg",
    "hct": "hematocrit",
}
MISSING: Final = ("", ".", "NA", "NaN", "nan")
SLIP: Final = 0.8
"""Names at least this alike (difflib's ratio) are taken for a slip of the pen and refused."""


@dataclass
class Rows:
    """The rows of a table with upper-case columns, and what was left out."""

    rows: list[tuple[int, Row]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def clean_rows(rows: Iterable[Mapping[str, object]], renamed: Mapping[str, str]) -> Rows:
    """Rows by line number. `renamed` says our column -> the table's; an empty word leaves our column unused."""
    found = Rows()
    theirs = {v.upper(): k.upper() for k, v in renamed.items() if v}
    unused = {k.upper() for k, v in renamed.items()}
    for number, row in enumerate(rows, start=2):
        if None in row:
            raise refuse_row(number, "ID", "has more cells than the header has columns")
        cells = {str(k).strip().upper(): "" if v is None else str(v).strip() for k, v in row.items()}
        if number == 2:
            _check_header(list(cells), renamed)
        kept = {k: v for k, v in cells.items() if k not in unused or k in theirs}
        kept = {theirs.get(k, k): v for k, v in kept.items()}
        mark = kept.get("C", "")
        if mark not in (*MISSING, "0") or kept.get("ID", "").startswith(("#", "@")):
            found.notes.append(f"row {number} is marked {mark or kept['ID'][0]!r} and was left out")
            continue
        found.rows.append((number, kept))
    return found


def _check_header(columns: Sequence[str], renamed: Mapping[str, str]) -> None:
    absent = [f"{k}={v}" for k, v in renamed.items() if v and v.upper() not in columns]
    if absent:
        raise Refusal(
            RefusalCode.INVALID,
            f"--map {absent[0]}: the table has no such column; it has {', '.join(columns)}",
            field="columns",
            reason="BAD_EVENT_TABLE",
        )
    have = {*columns, *(k.upper() for k, v in renamed.items() if v)}
    if "ID" in have and "TIME" in have:
        return
    hint = ""
    if len(columns) == 1 and any(s in columns[0] for s in (";", "\t", "|")):
        hint = "; the cells seem to be separated by something other than a comma: write a comma-separated file"
    raise refuse_row(1, "ID, TIME", f"missing; an event table has at least ID, TIME, AMT and DV{hint}")


def check_columns(columns: Sequence[str], model: PatientModel, covariates: Mapping[str, str]) -> list[str]:
    """Notes on columns that are not used. Raises Refusal for columns that would change what rows mean."""
    wanted = {c.name for c in model.covariates}
    notes = []
    for column in columns:
        if column in UNDERSTOOD or column == "C" or covariate_of(column, wanted, covariates):
            continue
        if column in REFUSED:
            raise refuse_row(1, column, f"is not read: {REFUSED[column]}")
        # short names are alike by chance: AGE is no slip of AMT
        meant = difflib.get_close_matches(column, [c for c in UNDERSTOOD if len(c) > 2], 1, SLIP)
        meant += [c.upper() for c in difflib.get_close_matches(column.lower(), sorted(wanted), 1, SLIP)]
        if meant:
            raise refuse_row(1, column, f"is unknown; did you mean {meant[0]}? Rename it, or say --map {meant[0]}=")
        notes.append(f"column {column} is not used by {model.id}")
    return notes


def covariate_of(column: str, wanted: Iterable[str], chosen: Mapping[str, str]) -> str:
    """The covariate that a column holds, "" where the model wants none of that name."""
    own = column.lower()
    name = {k.upper(): v for k, v in chosen.items()}.get(column)
    name = name or (own if own in wanted else COVARIATE_NAMES.get(own, own))
    return name if name in wanted else ""
