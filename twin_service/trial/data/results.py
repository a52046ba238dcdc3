"""Subjects and results of a trial in one shape, whatever the standard: ADaM ADSL, BDS and ADTTE, SDTM, or plain tables.

The standard is told by its columns: PARAMCD with AVAL is BDS (with CNSR: ADTTE), a DOMAIN with xxTESTCD is an SDTM
finding (LB, VS, QS), anything else needs `[data.columns]`. What a record says that is not understood (an AVALC without
AVAL, a test in two units) is refused or listed, never passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from twin_service.outcome import Refusal, RefusalCode
from twin_service.trial.data.tables import DataTable
from twin_service.trial.protocol_reader import did_you_mean

FINDINGS = ("LB", "VS", "QS")
FLAGS = {"Y": True, "N": False}


class Columns(NamedTuple):
    """Which column says what; empty where the standard has none."""

    subject: str
    visit: str
    day: str
    value: str
    base: str
    change: str
    event: str
    derived: str
    baseline_flag: str


BDS = Columns("USUBJID", "AVISITN", "ADY", "AVAL", "BASE", "CHG", "", "DTYPE", "ABLFL")
ADTTE = Columns("USUBJID", "", "", "AVAL", "", "", "CNSR", "", "")


def data_refusal(message: str, field: str = "data") -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field=field, reason="BAD_TRIAL_DATA")


def columns_of(table: DataTable, declared: Mapping[str, str]) -> Columns:
    """The columns of a results table, by its standard or as `declared` in the protocol (declared ones win)."""
    names = set(table.frame.columns)
    domain = str(table.frame["DOMAIN"].iloc[0]) if "DOMAIN" in names and len(table.frame) else ""
    if {"PARAMCD", "AVAL", "CNSR"} <= names:
        found = ADTTE
    elif {"PARAMCD", "AVAL"} <= names:
        found = BDS
    elif domain in FINDINGS:
        d = domain
        found = Columns("USUBJID", "VISITNUM", f"{d}DY", f"{d}STRESN", "", "", "", f"{d}DRVFL", f"{d}BLFL")
    else:
        found = Columns("", "", "", "", "", "", "", "", "")
    unknown = sorted(set(declared) - set(Columns._fields))
    if unknown:
        raise data_refusal(f"{unknown[0]!r}{did_you_mean(unknown[0], Columns._fields)}", "data.columns")
    found = found._replace(**{k: v for k, v in declared.items() if v in names})
    if not found.subject or not found.value:
        raise data_refusal(
            f"{table.source}: neither BDS, ADTTE nor an SDTM finding; say in [data.columns] which column is the "
            "subject and which the value",
            "data.columns",
        )
    for column in (found.subject, found.value):
        if column not in names:
            raise data_refusal(f"{table.source}: no column {column!r}{did_you_mean(column, sorted(names))}")
    return Columns(*(c if c in names else "" for c in found))


def kept(frame: pd.DataFrame, where: Mapping[str, str], source: str) -> pd.DataFrame:
    """Rows that have these values; a number matches its text ("24" and 24.0), and "" what is missing."""
    for column, wanted in where.items():
        if column not in frame.columns:
            raise data_refusal(f"{source}: no column {column!r}{did_you_mean(column, sorted(frame.columns))}", "where")
        values = frame[column]
        if not wanted:
            frame = frame[values.isna() | (values.astype(str) == "")]
        elif values.dtype.kind in "fiu":
            frame = frame[values == float(wanted)]
        else:
            frame = frame[values == wanted]
    return frame


def parameter_rows(table: DataTable, parameter: str) -> pd.DataFrame:
    """The records of one parameter or test."""
    frame = table.frame
    code = next((c for c in ("PARAMCD", *(f"{d}TESTCD" for d in FINDINGS)) if c in frame.columns), "")
    if not parameter:
        return frame
    if not code:
        raise data_refusal(f"{table.source}: has no PARAMCD or TESTCD to find {parameter!r} by", "endpoint.parameter")
    found = frame[frame[code] == parameter]
    if found.empty:
        known = sorted({str(v) for v in frame[code].dropna()})
        raise data_refusal(f"{table.source}: no {parameter!r}{did_you_mean(parameter, known)}", "endpoint.parameter")
    unit = next((c for c in frame.columns if c.endswith("STRESU")), "")
    if unit:
        units = sorted({str(u) for u in found[unit].dropna()})
        if len(units) > 1:
            raise data_refusal(
                f"{table.source}: {parameter} in {len(units)} units ({', '.join(units)}); bring all sites to one unit",
                "endpoint.unit",
            )
    return found


def long_results(rows: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """subject, visit, day, value, base, change, event (1: happened), derived (a rule or model made it: DTYPE)."""
    blank = pd.Series(np.nan, index=rows.index)
    value = _numbers(rows[columns.value], columns.value)
    base = _numbers(rows[columns.base], columns.base) if columns.base else blank
    if not columns.base and columns.baseline_flag:
        first = rows[rows[columns.baseline_flag] == "Y"].drop_duplicates(columns.subject, keep="last")
        base = rows[columns.subject].map(dict(zip(first[columns.subject], first[columns.value], strict=True)))
    out = pd.DataFrame(
        {
            "subject": rows[columns.subject].astype(str),
            "visit": _numbers(rows[columns.visit], columns.visit) if columns.visit else blank,
            "day": _numbers(rows[columns.day], columns.day) if columns.day else blank,
            "value": value,
            "base": base,
            "change": _numbers(rows[columns.change], columns.change) if columns.change else value - base,
            "event": _event(rows, columns) if columns.event else blank,
            "derived": rows[columns.derived].astype(object).fillna("").astype(str) if columns.derived else "",
        }
    )
    return out.reset_index(drop=True)


def subject_table(table: DataTable, subject: str) -> pd.DataFrame:
    """One row a subject, indexed by subject. Raises Refusal for a subject that is there twice."""
    frame = table.frame
    if subject not in frame.columns:
        raise data_refusal(f"{table.source}: no column {subject!r}{did_you_mean(subject, sorted(frame.columns))}")
    twice = frame[subject].duplicated()
    if twice.any():
        row = int(np.flatnonzero(twice)[0]) + 2
        raise data_refusal(f"{table.source}: row {row}: a subject that is there before; {int(twice.sum())} such rows")
    return frame.assign(**{subject: frame[subject].astype(str)}).set_index(subject)


def numbers_of(subjects: pd.DataFrame, names: Sequence[str], field: str) -> pd.DataFrame:
    """Numeric columns by name. Raises Refusal naming one that is missing or is not a number."""
    for name in names:
        if name not in subjects.columns:
            raise data_refusal(f"no column {name!r}{did_you_mean(name, sorted(subjects.columns))}", field)
    return pd.DataFrame({n: _numbers(subjects[n], n) for n in names}, index=subjects.index)


def _numbers(values: pd.Series, name: str) -> pd.Series:
    found = pd.to_numeric(values, errors="coerce")
    lost = found.isna() & values.notna()
    if lost.any():
        raise data_refusal(f"column {name}: {values[lost].iloc[0]!r} is not a number ({int(lost.sum())} such rows)")
    if np.isinf(found.astype(float)).any():
        raise data_refusal(f"column {name}: an infinite value")
    return found.astype(float)


def _event(rows: pd.DataFrame, columns: Columns) -> pd.Series:
    """1 where the event happened: CNSR counts the other way round."""
    flag = _numbers(rows[columns.event], columns.event)
    return (flag == 0).astype(float) if columns.event == "CNSR" else (flag > 0).astype(float)
