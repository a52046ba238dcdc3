"""The library on the wire: drugs, models, analytes, each value with its origin."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from twin_service import units
from twin_service.library.files import parse_text
from twin_service.model.structure import PatientModel
from twin_service.service.wire.quantity import quantity
from twin_service.v1 import library_pb2
from twin_service.v1.library_pb2 import (
    DescribeModelRequest,
    DescribeModelResponse,
    GetDrugRequest,
    GetDrugResponse,
    ListAnalytesRequest,
    ListAnalytesResponse,
    ListDrugsRequest,
    ListDrugsResponse,
    ListModelsRequest,
    ListModelsResponse,
    ValidateDrugRequest,
    ValidateDrugResponse,
)

__all__ = [
    "DescribeModelRequest",
    "DescribeModelResponse",
    "GetDrugRequest",
    "GetDrugResponse",
    "ListAnalytesRequest",
    "ListAnalytesResponse",
    "ListDrugsRequest",
    "ListDrugsResponse",
    "ListModelsRequest",
    "ListModelsResponse",
    "ValidateDrugRequest",
    "ValidateDrugResponse",
]

KINDS = {"poppk": library_pb2.MODEL_KIND_POPPK, "qsp": library_pb2.MODEL_KIND_QSP}


class Mistake(NamedTuple):
    """What a library file breaks, where."""

    rule: str
    path: str
    message: str


class LibraryFile(NamedTuple):
    """A model file; `kind` is a key of `KINDS`."""

    id: str
    kind: str
    path: Path


def wanted_kind(request: ListModelsRequest) -> str | None:
    """The kind asked for; None: every kind."""
    return next((k for k, number in KINDS.items() if number == request.kind), None)


def listing_of(request: ListModelsRequest) -> str:
    """The name of the list, which its page tokens carry."""
    return f"models {request.kind}"


def drug_in_full(drug_id: str, path: Path) -> library_pb2.Drug:
    drug = drug_out(drug_id, path)
    drug.toml = path.read_text()
    drug.values.extend(_values(parse_text(drug.toml, path.name)))
    return drug


def validated(name: str, mistakes: list[Mistake]) -> ValidateDrugResponse:
    return ValidateDrugResponse(
        mistakes=[library_pb2.LibraryMistake(rule=m.rule, path=m.path, message=m.message) for m in mistakes], id=name
    )


def described(model: PatientModel) -> DescribeModelResponse:
    analytes = {o.output: o.analyte for o in model.observables.values()}
    response = DescribeModelResponse(
        id=model.id, digest=model.digest, states=len(model.system.states), library_versions=model.block_versions
    )
    for i, e in enumerate(model.effects):
        response.effects.add(name=e.name, title=e.title, sd=math.sqrt(model.omega[i, i]), occasion=e.occasion)
    for o in model.system.outputs:
        response.outputs.add(name=o.name, unit=o.unit, analyte=analytes.get(o.name, ""))
    for r in model.routes:
        response.routes.add(drug=r.drug, route=r.route)
    for c in model.covariates:
        info = response.covariates.add(
            name=c.name, unit=c.unit, required=c.default is None, default_value=c.default or 0.0
        )
        for field, value in (("low", c.low), ("high", c.high)):
            if math.isfinite(value):
                setattr(info, field, value)
    for p in model.endpoints:
        response.endpoints.add(
            id=p.id,
            title=p.title,
            output=p.output,
            comparison=p.comparison,
            harmful=p.harmful,
            threshold=quantity(p.threshold, "1" if p.relative_to_baseline else p.unit),
        )
    return response


def drug_out(drug_id: str, path: Path) -> library_pb2.Drug:
    data = path.read_bytes()
    table = parse_text(data.decode(), path.name)
    mass = table.get("molar_mass", {}).get("value", 0.0)
    return library_pb2.Drug(
        id=drug_id,
        version=str(table.get("version", "")),
        molar_mass_g_mol=float(mass),
        digest=hashlib.sha256(data).hexdigest(),
    )


def model_out(f: LibraryFile) -> library_pb2.LibraryModel:
    data = f.path.read_bytes()
    table = parse_text(data.decode(), f.path.name)
    return library_pb2.LibraryModel(
        id=f.id,
        kind=KINDS[f.kind],
        version=str(table.get("version", "")),
        title=str(table.get("title", "")),
        digest=hashlib.sha256(data).hexdigest(),
    )


def analyte_out(a: units.Analyte) -> library_pb2.Analyte:
    return library_pb2.Analyte(
        id=a.id,
        unit=a.unit,
        molar_mass_g_mol=a.molar_mass or 0.0,
        low=a.low,
        high=a.high,
        loinc=a.loinc,
        covariate=a.kind == "covariate",
    )


def _values(node: object, path: str = "") -> Iterator[library_pb2.LibraryValue]:
    """Every {value, unit, origin} record of a file with its dotted path."""
    if isinstance(node, Mapping):
        if isinstance(node.get("value"), int | float) and "unit" in node:
            yield library_pb2.LibraryValue(
                path=path,
                value=quantity(float(node["value"]), str(node["unit"])),
                origin=str(node.get("origin", "")),
                method=str(node.get("method", "")),
                cv=float(node.get("cv", 0.0)),
            )
        for key, child in node.items():
            yield from _values(child, f"{path}.{key}" if path else str(key))
    elif isinstance(node, list):
        for i, child in enumerate(node):
            yield from _values(child, f"{path}[{i}]")
