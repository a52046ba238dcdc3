"""How an SBML file is refused: the file, the element, the cause and the remedy, in one sentence."""

from __future__ import annotations

from twin_service.outcome import Refusal, RefusalCode


def refuse(file: str, element: str, cause: str, remedy: str, *, reason: str = "SBML_INVALID") -> Refusal:
    """A model that is wrong."""
    return Refusal(
        RefusalCode.INVALID,
        f"{file}, {element}: {cause}; {remedy}",
        field=element,
        reason=reason,
        details={"file": file},
    )


def unsupported(file: str, element: str, cause: str, remedy: str = "remove it from the model") -> Refusal:
    """A model that is right but asks for what this program does not do."""
    return Refusal(
        RefusalCode.UNSUPPORTED,
        f"{file}, {element}: {cause}, which is not supported; {remedy}",
        field=element,
        reason="SBML_UNSUPPORTED",
        details={"file": file},
    )
