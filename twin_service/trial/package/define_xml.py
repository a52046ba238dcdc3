"""The description of a package's data sets as Define-XML 2.1, by odmlib."""

from __future__ import annotations

from typing import Any
from xml.dom import minidom

from twin_service.trial.package.adam import AdamColumn, AdamTable
from twin_service.trial.package.names import group_oid, item_oid
from twin_service.trial.protocol import TrialProtocol

CLASSES = {"ADSL": "SUBJECT LEVEL ANALYSIS DATASET", "ADWT": "ADAM OTHER"}
BASIC = "BASIC DATA STRUCTURE"


def define_xml(p: TrialProtocol, tables: tuple[AdamTable, ...], created: str, software: str) -> bytes:
    """Every data set and variable with type, label, origin and, where derived, how."""
    import odmlib.define_2_1.model as d

    study = p.id.upper()
    version = d.MetaDataVersion(
        OID=f"MDV.{study}", Name=f"Analysis of {p.id}", Description=p.title, DefineVersion="2.1.0"
    )
    version.Standards = d.Standards(
        Standard=[d.Standard(OID="STD.1", Name="ADaMIG", Type="IG", Version="1.3", Status="Final")]
    )
    for table in tables:
        version.ItemGroupDef.append(_group(d, table))
        for column in table.columns:
            version.ItemDef.append(_item(d, table, column))
            if column.derivation:
                method = d.MethodDef(OID=_method(table, column), Name=f"{table.name}.{column.name}", Type="Computation")
                method.Description = _said(d, column.derivation)
                version.MethodDef.append(method)
    names = d.GlobalVariables(
        StudyName=d.StudyName(_content=p.id),
        StudyDescription=d.StudyDescription(_content=p.title),
        ProtocolName=d.ProtocolName(_content=p.id),
    )
    root = d.ODM(
        FileOID=f"DEF.{study}",
        FileType="Snapshot",
        ODMVersion="1.3.2",
        CreationDateTime=created,
        Originator="twin_service",
        SourceSystem="twin_service",
        SourceSystemVersion=software,
        Context="Other",
        Study=d.Study(OID=f"STUDY.{study}", GlobalVariables=names, MetaDataVersion=version),
    )
    return minidom.parseString(root.to_xml_string()).toprettyxml(indent="  ", encoding="UTF-8")


def _said(d: Any, text: str) -> Any:
    return d.Description(TranslatedText=[d.TranslatedText(_content=text, lang="en")])


def _method(table: AdamTable, column: AdamColumn) -> str:
    return f"MT.{table.name}.{column.name}"


def _group(d: Any, table: AdamTable) -> Any:
    group = d.ItemGroupDef(
        OID=group_oid(table),
        Name=table.name,
        Repeating="No" if len(table.keys) == 1 else "Yes",
        IsReferenceData="No",
        SASDatasetName=table.name,
        Purpose="Analysis",
        Structure=table.structure,
        ArchiveLocationID=f"LF.{table.name}",
        StandardOID="STD.1",
        Description=_said(d, table.label),
    )
    for i, column in enumerate(table.columns):
        more: dict[str, object] = (
            {"KeySequence": table.keys.index(column.name) + 1} if column.name in table.keys else {}
        )
        if column.derivation:
            more["MethodOID"] = _method(table, column)
        group.ItemRef.append(
            d.ItemRef(ItemOID=item_oid(table, column), OrderNumber=i + 1, Mandatory=_must(table, column), **more)
        )
    group.Class = d.Class(Name=CLASSES.get(table.name, BASIC))
    file = f"{table.name.lower()}.xpt"
    group.leaf = d.leaf(ID=f"LF.{table.name}", href=file, title=d.title(_content=file))
    return group


def _must(table: AdamTable, column: AdamColumn) -> str:
    at = table.columns.index(column)
    return "Yes" if all(r[at] not in (None, "") for r in table.rows) else "No"


def _item(d: Any, table: AdamTable, column: AdamColumn) -> Any:
    at = table.columns.index(column)
    kind: dict[str, object] = {"DataType": "float"}
    if column.is_text:
        kind = {"DataType": "text", "Length": max([len(str(r[at])) for r in table.rows] + [1])}
    origin = (
        d.Origin(Type="Derived", Source="Sponsor")
        if column.derivation
        else d.Origin(Type="Predecessor", Source="Sponsor")
    )
    return d.ItemDef(
        OID=item_oid(table, column),
        Name=column.name,
        SASFieldName=column.name,
        Description=_said(d, column.label),
        Origin=[origin],
        **kind,
    )
