"""The MODEL of a command: a library id, several joined by `+`, or a user's own file."""

from __future__ import annotations

from pathlib import Path

from twin_service.library.files import parse_toml
from twin_service.model.compose import compose
from twin_service.model.pbpk.antibody import antibody_files
from twin_service.model.pbpk.library import drug_files
from twin_service.model.poppk import build_poppk, list_poppk
from twin_service.model.poppk.record import parse_model
from twin_service.model.qsp.build import list_blocks
from twin_service.model.structure import PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.person import ModelChoice
from twin_service.twin.assemble import build

HELP = (
    "A population PK model: an id of the library or your own file (TOML). Also a PBPK drug, a QSP block, or several "
    "ids joined by '+'."
)


def closed_model(text: str) -> PatientModel:
    """The patient model that `text` names.

    Raises Refusal for an unknown id, naming its nearest relatives, and for a file that is none.
    """
    if text.endswith(".toml"):
        return _own(Path(text))
    drugs, effects, poppk = [], [], ""
    for part in text.split("+"):
        if part in list_poppk():
            if poppk:
                raise _refuse(f"{poppk} and {part} are both population PK models; a patient has one")
            poppk = part
        elif part in list_drugs():
            drugs.append(part)
        elif part in list_blocks():
            effects.append(part)
        else:
            raise _refuse(_unknown(part))
    return build(ModelChoice(tuple(drugs), poppk, tuple(effects)))


def list_drugs() -> list[str]:
    """Ids of all drugs that whole-body PBPK or the antibody body can carry."""
    return [*drug_files(), *antibody_files()]


def _own(path: Path) -> PatientModel:
    try:
        table = parse_toml(path)
    except Refusal as refusal:
        raise _refuse(f"{path.name} cannot be read: {refusal.message}") from None
    if "structure" not in table:
        raise _refuse(f"{path.name} is no population PK model: it has no [structure]; see the README of the library")
    record = parse_model(table)
    return compose(record.id, {record.id: build_poppk(record)})


def _unknown(part: str) -> str:
    from difflib import get_close_matches

    known = [*list_poppk(), *list_drugs(), *list_blocks()]
    near = get_close_matches(part, known, 5, 0.5)
    if not near:
        near = [k for k in known if part and k.startswith(part[:4])][:5]
    return (
        f"{part!r} is no model of the library; "
        + (f"did you mean {', '.join(near)}? " if near else "")
        + f"population PK models: {', '.join(list_poppk())}. A file of your own ends in .toml"
    )


def _refuse(message: str) -> Refusal:
    return Refusal(RefusalCode.NOT_FOUND, message, field="model", reason="UNKNOWN_MODEL")
