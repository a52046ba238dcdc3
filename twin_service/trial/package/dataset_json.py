"""A data set as Dataset-JSON 1.1 (CDISC 2024): columns with types, rows as lists."""

from __future__ import annotations

import json

from twin_service.trial.package.adam import AdamTable
from twin_service.trial.package.names import group_oid, item_oid


def dataset_json(table: AdamTable, study: str, created: str, software: str) -> bytes:
    """`created`: ISO 8601, of the package and not of the clock, so that the same analysis gives the same bytes."""
    columns = []
    for c in table.columns:
        column: dict[str, object] = {"itemOID": item_oid(table, c), "name": c.name, "label": c.label}
        column["dataType"] = "string" if c.is_text else "double"
        if c.is_text:
            at = table.columns.index(c)
            column["length"] = max([len(str(r[at])) for r in table.rows] + [1])
        if c.name in table.keys:
            column["keySequence"] = table.keys.index(c.name) + 1
        columns.append(column)
    document = {
        "datasetJSONCreationDateTime": created,
        "datasetJSONVersion": "1.1.0",
        "fileOID": f"{study}.{table.name}",
        "originator": "twin_service",
        "sourceSystem": {"name": "twin_service", "version": software},
        "studyOID": study,
        "metaDataVersionOID": f"MDV.{study}",
        "metaDataRef": "define.xml",
        "itemGroupOID": group_oid(table),
        "records": len(table.rows),
        "name": table.name,
        "label": table.label,
        "columns": columns,
        "rows": [list(r) for r in table.rows],
    }
    return (json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n").encode()
