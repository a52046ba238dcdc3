"""What the library knows, each value with its origin. Reads files; nothing a caller sends is kept."""

from __future__ import annotations

from pathlib import Path

from twin_service import units
from twin_service.library.files import parse_text
from twin_service.model.pbpk.antibody import antibody_files
from twin_service.model.pbpk.library import drug_files, inspect_drug, load_library
from twin_service.model.poppk.record import model_files
from twin_service.model.qsp.record import block_files
from twin_service.outcome import Refusal, RefusalCode
from twin_service.service.door.lane import CallerScope
from twin_service.service.handlers.context import Service
from twin_service.service.handlers.route import read
from twin_service.service.wire import library as wire
from twin_service.service.wire import paging
from twin_service.service.wire.library import (
    DescribeModelRequest,
    DescribeModelResponse,
    GetDrugRequest,
    GetDrugResponse,
    LibraryFile,
    ListAnalytesRequest,
    ListAnalytesResponse,
    ListDrugsRequest,
    ListDrugsResponse,
    ListModelsRequest,
    ListModelsResponse,
    Mistake,
    ValidateDrugRequest,
    ValidateDrugResponse,
)
from twin_service.service.wire.path import at, moved
from twin_service.service.wire.rpc import rpc
from twin_service.service.wire.spec import build


def list_drugs(service: Service, request: ListDrugsRequest) -> ListDrugsResponse:
    page = paging.page_of(sorted(_drugs().items()), request, service.settings, "drugs")
    return ListDrugsResponse(drugs=[wire.drug_out(*f) for f in page.rows], next_page_token=page.more)


def get_drug(service: Service, request: GetDrugRequest) -> GetDrugResponse:
    files = _drugs()
    if request.id not in files:
        said = units.unknown(request.id, "drug", list(files), path="id")
        raise moved(said, "id", RefusalCode.NOT_FOUND)
    return GetDrugResponse(drug=wire.drug_in_full(request.id, files[request.id]))


def validate_drug(service: Service, request: ValidateDrugRequest) -> ValidateDrugResponse:
    try:
        table = parse_text(request.toml, "drug")
    except Refusal as refusal:
        return wire.validated("", [Mistake("", "", refusal.message)])
    library = load_library()
    name = str(table.get("id", "drug"))
    _, door = inspect_drug(table, f"{name[:64]}.toml", sorted(library.enzymes), library.species["human"].organ_ids)
    mistakes = [Mistake(f.rule, f.field, f.message) for f in door.findings if f.severity == "error"]
    return wire.validated(name, mistakes)


def list_models(service: Service, request: ListModelsRequest) -> ListModelsResponse:
    kind = wire.wanted_kind(request)
    files = [f for f in _models() if kind in (None, f.kind)]
    page = paging.page_of(files, request, service.settings, wire.listing_of(request))
    return ListModelsResponse(models=[wire.model_out(f) for f in page.rows], next_page_token=page.more)


def describe_model(service: Service, request: DescribeModelRequest) -> DescribeModelResponse:
    with at("model"):
        model = build(request.model)
    return wire.described(model)


def list_analytes(service: Service, request: ListAnalytesRequest) -> ListAnalytesResponse:
    known = [a for _, a in sorted(units.analytes().items())]
    page = paging.page_of(known, request, service.settings, "analytes")
    return ListAnalytesResponse(analytes=[wire.analyte_out(a) for a in page.rows], next_page_token=page.more)


def _drugs() -> dict[str, Path]:
    """Small molecules and antibodies: a twin carries either."""
    return {**drug_files(), **antibody_files()}


def _models() -> list[LibraryFile]:
    found = [LibraryFile(i, "poppk", p) for i, p in sorted(model_files().items())]
    return found + [LibraryFile(i, "qsp", p) for i, p in sorted(block_files().items())]


ROUTES = (
    read(rpc(ListDrugsRequest, ListDrugsResponse), list_drugs, CallerScope.LIBRARY),
    read(rpc(GetDrugRequest, GetDrugResponse), get_drug, CallerScope.LIBRARY),
    read(rpc(ValidateDrugRequest, ValidateDrugResponse), validate_drug, CallerScope.LIBRARY),
    read(rpc(ListModelsRequest, ListModelsResponse), list_models, CallerScope.LIBRARY),
    read(rpc(DescribeModelRequest, DescribeModelResponse), describe_model, CallerScope.LIBRARY),
    read(rpc(ListAnalytesRequest, ListAnalytesResponse), list_analytes, CallerScope.LIBRARY),
)
