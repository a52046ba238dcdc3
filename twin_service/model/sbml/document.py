"""Opening a file: read, check, flatten, and refuse what libSBML or this program cannot take."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from twin_service.model.sbml.refusal import refuse, unsupported
from twin_service.outcome import Refusal, RefusalCode

_HARMLESS = frozenset({"layout", "render", "groups", "annot", "req"})
_NO_SIMULATION = {
    "fbc": "flux balance",
    "qual": "logical",
    "multi": "rule-based",
    "spatial": "spatial",
    "distrib": "distribution",
    "arrays": "array",
    "dyn": "dynamic structure",
}


class OpenedDocument(NamedTuple):
    """A document, which owns its model, and the warnings about units."""

    document: Any
    model: Any
    file: str
    warnings: tuple[str, ...]


def open_file(path: Path, *, strict_units: bool = False) -> OpenedDocument:
    """Read `path`, flatten the comp package, check it. Raises Refusal with the file, the element and the cause."""
    libsbml = _library()
    file = path.name
    if not path.is_file():
        raise Refusal(RefusalCode.NOT_FOUND, f"{file}: no such file; give the path of an SBML file", field="path")
    document = libsbml.readSBMLFromFile(str(path))
    _refuse_errors(document, file)
    if document.getModel() is None:
        raise refuse(file, "document", "holds no model", "give a file with one model")
    if document.getLevel() < 2:
        raise unsupported(file, "document", f"is SBML Level {document.getLevel()}", "convert it to Level 2 or 3")
    _refuse_packages(document, file)
    if document.getPlugin("comp") is not None:
        _flatten(document, file)
    warnings = _check(document, file, strict_units)
    return OpenedDocument(document, document.getModel(), file, warnings)


def _library() -> Any:
    try:
        import libsbml
    except ImportError:
        raise Refusal(
            RefusalCode.PRECONDITION,
            "reading SBML needs python-libsbml; install the extra `sbml`",
            reason="EXTRA_MISSING",
        ) from None
    return libsbml


def _errors(document: Any, least: int) -> list[Any]:
    found = [document.getError(i) for i in range(document.getNumErrors())]
    return [e for e in found if e.getSeverity() >= least]


def _sentence(error: Any) -> str:
    """What libSBML found, in one line: the rule's short name and what it says of this element, after the citation."""
    rule, _, here = error.getMessage().partition("Reference:")
    said = " ".join((here.partition("\n")[2] or rule).split())
    return f"{error.getShortMessage()}: {said}"[:600]


def _refuse_errors(document: Any, file: str) -> None:
    libsbml = _library()
    errors = _errors(document, libsbml.LIBSBML_SEV_ERROR)
    if errors:
        first = errors[0]
        raise refuse(file, f"line {first.getLine()}", _sentence(first).rstrip(". ;"), "correct the file")


def _refuse_packages(document: Any, file: str) -> None:
    for i in range(document.getNumPlugins()):
        name = document.getPlugin(i).getPackageName()
        if name in _NO_SIMULATION:
            raise unsupported(
                file, f"package {name}", f"is a {_NO_SIMULATION[name]} model", "give a model of differential equations"
            )
    model = document.getModel()
    for i in range(document.getNumPlugins()):
        name = document.getPlugin(i).getPackageName()
        required = document.getPackageRequired(name)
        if required and name not in _HARMLESS | {"comp", "l3v2extendedmath"} and model is not None:
            raise unsupported(file, f"package {name}", "is a required package")
    for i in range(document.getNumUnknownPackages()):
        if document.getPackageRequired(document.getUnknownPackageURI(i)):
            raise unsupported(file, f"package {document.getUnknownPackagePrefix(i)}", "is a required package")


def _flatten(document: Any, file: str) -> None:
    libsbml = _library()
    properties = libsbml.ConversionProperties()
    properties.addOption("flatten comp", True)
    properties.addOption("performValidation", False)
    properties.addOption("abortIfUnflattenable", "requiredOnly")
    if document.convert(properties) != libsbml.LIBSBML_OPERATION_SUCCESS:
        errors = _errors(document, libsbml.LIBSBML_SEV_ERROR)
        cause = _sentence(errors[0]).rstrip(". ;") if errors else "libSBML could not flatten it"
        raise refuse(file, "package comp", cause, "check the submodels and external files", reason="SBML_UNFLATTENED")


def _check(document: Any, file: str, strict_units: bool) -> tuple[str, ...]:
    """Consistency: errors refuse, contradictory units warn (or refuse when strict)."""
    libsbml = _library()
    document.getErrorLog().clearLog()
    for category in (libsbml.LIBSBML_CAT_SBO_CONSISTENCY, libsbml.LIBSBML_CAT_MODELING_PRACTICE):
        document.setConsistencyChecks(category, False)
    document.checkConsistency()
    _refuse_errors(document, file)
    found = _errors(document, libsbml.LIBSBML_SEV_WARNING)
    units = [e for e in found if 10500 < e.getErrorId() < 10600]
    warnings = tuple(f"{file}, line {e.getLine()}: {_sentence(e)}" for e in units)
    if units and strict_units:
        raise refuse(
            file,
            f"line {units[0].getLine()}",
            _sentence(units[0]).rstrip(". ;"),
            "correct the units, or load without strict units",
            reason="SBML_UNITS",
        )
    return warnings
