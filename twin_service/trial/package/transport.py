"""A data set as a SAS transport file, version 5 (TS-140), written by ReadStat."""

from __future__ import annotations

import re
import tempfile
from datetime import datetime
from pathlib import Path

import pandas as pd

from twin_service.trial.package.adam import AdamTable

STAMP = re.compile(rb"\d\d[A-Z]{3}\d\d:\d\d:\d\d:\d\d")
HEADER_BYTES = 800  # the library's and the member's headers, before the names of variables


def transport(table: AdamTable, created: str) -> bytes:
    """The writer stamps the hour into its headers; `created` (ISO 8601) replaces it: the same rows, the same bytes."""
    import pyreadstat

    frame = pd.DataFrame(list(table.rows), columns=[c.name for c in table.columns])
    for c in table.columns:
        frame[c.name] = (
            frame[c.name].astype(object).fillna("").astype(str) if c.is_text else frame[c.name].astype(float)
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{table.name.lower()}.xpt"
        pyreadstat.write_xport(
            frame,
            path,
            file_label=table.label[:40],
            column_labels=[c.label[:40] for c in table.columns],
            table_name=table.name,
            file_format_version=5,
        )
        raw = path.read_bytes()
    when = datetime.fromisoformat(created).strftime("%d%b%y:%H:%M:%S").upper().encode()
    return STAMP.sub(when, raw[:HEADER_BYTES]) + raw[HEADER_BYTES:]
