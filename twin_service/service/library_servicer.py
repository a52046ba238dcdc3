"""LibraryService on the wire: what the service knows, each value with its origin."""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from twin_service import units
from twin_service.model.pbpk.antibody import antibody_files
from twin_service.model.pbpk.library import drug_files, inspect_drug, load_library
from twin_service.model.poppk.record import model_files
from twin_service.model.qsp.record import block_files
from twin_service.outcome import Refusal, RefusalCode
from twin_service.service import paging
from twin_service.service import person as persons
from twin_service.service.answers import quantity
from twin_service.settings import Settings
from twin_service.v1 import library_pb2, library_pb2_grpc


class _File(NamedTuple):
    id: str
    kind: int
    path: Path


class LibraryServicer(library_pb2_grpc.LibraryServiceServicer):
    """Reads files of the library; nothing a caller sends is kept."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def ListDrugs(self, request: Any, context: Any) -> library_pb2.ListDrugsResponse:
        page, more = self._page(sorted(_drugs().items()), request, "drugs")
        return library_pb2.ListDrugsResponse(drugs=[_drug(*f) for f in page], next_page_token=more)

    def GetDrug(self, request: Any, context: Any) -> library_pb2.GetDrugResponse:
        files = _drugs()
        if request.id not in files:
            known = units.unknown(request.id, "drug", list(files), path="id")
            raise Refusal(RefusalCode.NOT_FOUND, known.message, field="id", reason="UNKNOWN_DRUG")
        drug = _drug(request.id, files[request.id])
        drug.toml = files[request.id].read_text()
        drug.values.extend(_values(tomllib.loads(drug.toml)))
        return library_pb2.GetDrugResponse(drug=drug)

    def ValidateDrug(self, request: Any, context: Any) -> library_pb2.ValidateDrugResponse:
        try:
            table = tomllib.loads(request.toml)
        except tomllib.TOMLDecodeError as error:
            wrong = library_pb2.LibraryMistake(rule="", path="", message=f"is no TOML: {error}")
            return library_pb2.ValidateDrugResponse(mistakes=[wrong])
        library = load_library()
        name = str(table.get("id", "drug"))
        _, door = inspect_drug(table, f"{name[:64]}.toml", sorted(library.enzymes), library.species["human"].organ_ids)
        mistakes = [
            library_pb2.LibraryMistake(rule=f.rule, path=f.field, message=f.message)
            for f in door.findings
            if f.severity == "error"
        ]
        return library_pb2.ValidateDrugResponse(mistakes=mistakes, id=name)

    def ListModels(self, request: Any, context: Any) -> library_pb2.ListModelsResponse:
        files = [f for f in _models() if request.kind in (library_pb2.MODEL_KIND_UNSPECIFIED, f.kind)]
        page, more = self._page(files, request, f"models {request.kind}")
        return library_pb2.ListModelsResponse(models=[_model(f) for f in page], next_page_token=more)

    def DescribeModel(self, request: Any, context: Any) -> library_pb2.DescribeModelResponse:
        model = persons.build(request.model)
        analytes = {o.output: o.analyte for o in model.observables.values()}
        response = library_pb2.DescribeModelResponse(
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

    def ListAnalytes(self, request: Any, context: Any) -> library_pb2.ListAnalytesResponse:
        known = [a for _, a in sorted(units.analytes().items())]
        page, more = self._page(known, request, "analytes")
        return library_pb2.ListAnalytesResponse(analytes=[_analyte(a) for a in page], next_page_token=more)

    def _page(self, rows: list[Any], request: Any, what: str) -> tuple[list[Any], str]:
        start = int(paging.place(request.page_token, what) or 0)
        size = paging.page_size(request.page_size, self._settings)
        more = paging.token(str(start + size), what) if start + size < len(rows) else ""
        return rows[start : start + size], more


def _drugs() -> dict[str, Path]:
    """Small molecules and antibodies: a twin carries either."""
    return {**drug_files(), **antibody_files()}


def _drug(drug_id: str, path: Path) -> library_pb2.Drug:
    data = path.read_bytes()
    table = tomllib.loads(data.decode())
    mass = table.get("molar_mass", {}).get("value", 0.0)
    return library_pb2.Drug(
        id=drug_id,
        version=str(table.get("version", "")),
        molar_mass_g_mol=float(mass),
        digest=hashlib.sha256(data).hexdigest(),
    )


def _models() -> list[_File]:
    found = [_File(i, library_pb2.MODEL_KIND_POPPK, p) for i, p in sorted(model_files().items())]
    return found + [_File(i, library_pb2.MODEL_KIND_QSP, p) for i, p in sorted(block_files().items())]


def _model(f: _File) -> library_pb2.LibraryModel:
    data = f.path.read_bytes()
    table = tomllib.loads(data.decode())
    return library_pb2.LibraryModel(
        id=f.id,
        kind=f.kind,
        version=str(table.get("version", "")),  # type: ignore[arg-type]
        title=str(table.get("title", "")),
        digest=hashlib.sha256(data).hexdigest(),
    )


def _values(node: Any, path: str = "") -> Iterator[library_pb2.LibraryValue]:
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


def _analyte(a: units.Analyte) -> library_pb2.Analyte:
    return library_pb2.Analyte(
        id=a.id,
        unit=a.unit,
        molar_mass_g_mol=a.molar_mass or 0.0,
        low=a.low,
        high=a.high,
        loinc=a.loinc,
        covariate=a.kind == "covariate",
    )
