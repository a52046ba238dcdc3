"""Files of a trial as tables: CSV, Parquet, SAS transport (XPT v5) and Dataset-JSON 1.1.

Every reader gives the same thing: a data frame with text columns as text, numbers as numbers, and the SHA-256 of the
bytes it came from. Kept libraries do the parsing (pandas, pyarrow).
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass

import pandas as pd

from twin_service.outcome import Refusal, RefusalCode

FORMATS = ".csv, .csv.gz, .parquet, .xpt, .json and .ndjson (Dataset-JSON 1.1)"
TEXT_TYPES = {"string", "datetime", "date", "time", "URI"}
NUMBER_TYPES = {"integer", "float", "double", "decimal", "boolean"}


@dataclass(frozen=True)
class DataTable:
    """`frame` as read; `source` is the file's name; `digest` of its bytes."""

    frame: pd.DataFrame
    source: str
    digest: str


def parse_table(name: str, raw: bytes) -> DataTable:
    """Raises Refusal for a file of an unknown kind, or that its kind does not explain."""
    return DataTable(_parsed(name, raw), name, hashlib.sha256(raw).hexdigest())


def table_of(frame: pd.DataFrame, source: str = "data frame") -> DataTable:
    """A pandas data frame (a polars one is converted by the client) as a table; the digest is that of its CSV form."""
    text = frame.to_csv(index=False, lineterminator="\n")
    return DataTable(frame.reset_index(drop=True), source, hashlib.sha256(text.encode()).hexdigest())


def _parsed(name: str, raw: bytes) -> pd.DataFrame:
    kind = name.lower().removesuffix(".gz")
    try:
        if kind.endswith(".csv"):
            return pd.read_csv(
                io.BytesIO(raw),
                compression="gzip" if name.lower().endswith(".gz") else None,
                low_memory=False,
                keep_default_na=False,
                na_values=["", "NA", "NaN"],
            )
        if kind.endswith(".parquet"):
            return pd.read_parquet(io.BytesIO(raw))
        if kind.endswith(".xpt"):
            return _transport(raw)
        if kind.endswith(".ndjson"):
            lines = [json.loads(line) for line in raw.decode().splitlines() if line.strip()]
            return _dataset_json(lines[0] | {"rows": lines[1:]})
        if kind.endswith(".json"):
            return _dataset_json(json.loads(raw))
    except Refusal:
        raise
    except (ValueError, KeyError, IndexError, OSError, UnicodeDecodeError) as error:
        raise Refusal(
            RefusalCode.INVALID, f"{name}: cannot be read: {error}", field="data", reason="BAD_FILE"
        ) from None
    raise Refusal(RefusalCode.INVALID, f"{name}: unknown kind of file; read are {FORMATS}", field="data")


def _transport(raw: bytes) -> pd.DataFrame:
    frame = pd.read_sas(io.BytesIO(raw), format="xport", encoding="utf-8")
    for column in frame.columns:
        if frame[column].dtype.kind not in "fiu":
            frame[column] = frame[column].str.rstrip().replace("", None)
        else:
            # pandas decodes IBM's zero to 5.4e-79; missing values it knows.
            frame.loc[frame[column].abs().between(1e-80, 1e-78), column] = 0.0
    return frame


def _dataset_json(document: dict[str, object]) -> pd.DataFrame:
    """Dataset-JSON 1.1: `columns` declare names and types, `rows` are lists in their order."""
    missing = [k for k in ("datasetJSONVersion", "itemGroupOID", "name", "columns") if k not in document]
    if missing:
        raise Refusal(RefusalCode.INVALID, f"not Dataset-JSON 1.1: no {', '.join(missing)}", field="data")
    columns = document["columns"]
    rows = document.get("rows", [])
    assert isinstance(columns, list) and isinstance(rows, list)
    frame = pd.DataFrame(rows, columns=[c["name"] for c in columns])
    for column in columns:
        if column["dataType"] in NUMBER_TYPES or column.get("targetDataType") == "decimal":
            frame[column["name"]] = pd.to_numeric(frame[column["name"]])
        elif column["dataType"] not in TEXT_TYPES:
            raise Refusal(
                RefusalCode.INVALID, f"column {column['name']}: dataType {column['dataType']!r}", field="data"
            )
    return frame
