"""Identifiers that the files of a package share."""

from __future__ import annotations

from twin_service.trial.package.adam import AdamColumn, AdamTable


def group_oid(table: AdamTable) -> str:
    """Of a data set, in define.xml and Dataset-JSON alike."""
    return f"IG.{table.name}"


def item_oid(table: AdamTable, column: AdamColumn) -> str:
    """Of a variable of a data set."""
    return f"IT.{table.name}.{column.name}"
