"""From a choice of library ids to one closed patient model: drugs, disease and toxicity blocks, wired.

A block's file says which drug and which output its published numbers belong to; wiring follows it. Where the drug is
carried by a population PK model in mg/L and the block wants umol/L, a unit block with the file's molar mass stands
between. A block whose drug the twin does not have is refused, unless the twin has no drug at all (untreated disease).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from twin_service.model.compose import compose
from twin_service.model.dialysis import can_be_dialyzed, with_dialysis
from twin_service.model.pbpk.antibody import antibody_files, build_antibody
from twin_service.model.pbpk.body import build_body
from twin_service.model.poppk import build_poppk
from twin_service.model.qsp.build import build_block, wiring
from twin_service.model.qsp.join import constant_block, silent_block, unit_block
from twin_service.model.structure import Block, PatientModel
from twin_service.outcome import Refusal, RefusalCode
from twin_service.record.person import ModelChoice

BODY = "body"


@lru_cache(maxsize=256)
def build(choice: ModelChoice) -> PatientModel:
    """The patient model of `choice`; equal choices share one model, so it is compiled once.

    Raises Refusal for an empty choice, an unknown id, or a block whose drug is missing.
    """
    if not (choice.drugs or choice.poppk or choice.effects):
        raise _refuse("a twin needs a drug (PBPK), a population PK model or an effect block; choose from the library")
    blocks = _drug_blocks(choice)
    wires: dict[str, str] = {}
    carried = {r.drug: alias for alias, b in blocks.items() for r in b.routes}
    for effect in choice.effects:
        if effect in blocks:
            raise _refuse(f"{effect!r} is named twice")
        blocks[effect] = build_block(effect)
    for effect in choice.effects:
        for port, said in wiring(effect).items():
            wires[f"{effect}.{port}"] = _source(effect, port, said, blocks, carried, wires)
    name = "+".join([*choice.drugs, *([choice.poppk] if choice.poppk else []), *choice.effects])
    return compose(name, blocks, wires)


def _drug_blocks(choice: ModelChoice) -> dict[str, Block]:
    if choice.drugs and choice.poppk:
        raise _refuse(
            f"drugs {', '.join(choice.drugs)} by PBPK and {choice.poppk} by population PK in one twin: "
            "choose one of them"
        )
    if choice.poppk:
        return {choice.poppk: _dialyzed(build_poppk(choice.poppk))}
    proteins = [d for d in choice.drugs if d in antibody_files()]
    small = [d for d in choice.drugs if d not in proteins]
    return ({BODY: _dialyzed(build_body(small))} if small else {}) | {d: build_antibody(d) for d in proteins}


def _dialyzed(block: Block) -> Block:
    """`block` with each drug that its blood holds open to dialysis sessions."""
    for drug in dict.fromkeys(r.drug for r in block.routes):
        if can_be_dialyzed(block, drug):
            block = with_dialysis(block, drug)
    return block


def _source(
    effect: str,
    port: str,
    said: Mapping[str, str],
    blocks: dict[str, Block],
    carried: Mapping[str, str],
    wires: dict[str, str],
) -> str:
    """The output that feeds `effect.port`; may add a unit block or a silent one."""
    if "." in said["wire"]:
        return said["wire"]
    if not said["wire"]:
        # an exposure, a daily dose, an inhibition: no concentration feeds it, so it keeps the level its file gives
        blocks[f"{effect}_{port}"] = constant_block(float(said["default"]), said["unit"])
        return f"{effect}_{port}.level"
    drug = said["drug"]
    if not carried:
        blocks.setdefault(f"no_{port}", silent_block(said["unit"]))
        return f"no_{port}.level"
    if drug and drug not in carried:
        raise _refuse(
            f"{effect}: its numbers belong to {drug}, which this twin does not have; it has "
            f"{', '.join(carried)}. Add the drug or choose another block"
        )
    alias = carried[drug] if drug else next(iter(carried.values()))
    # a population PK model knows one concentration, that of its central compartment: total drug in plasma
    names = (f"{drug}_{said['wire']}", said["wire"], *(["central"] if said["wire"] == "plasma" else []))
    output = next((o for n in names for o in blocks[alias].outputs if o.name == n), None)
    if output is None:
        raise _refuse(
            f"{effect}: expects output {said['wire']!r} of {alias}, which has "
            f"{', '.join(o.name for o in blocks[alias].outputs)}"
        )
    if output.unit == said["unit"]:
        return f"{alias}.{output.name}"
    bridge = f"{effect}_{port}"
    mass = float(said["molar_mass"]) if said.get("molar_mass") else None
    blocks[bridge] = unit_block(output.unit, said["unit"], mass)
    wires[f"{bridge}.x"] = f"{alias}.{output.name}"
    return f"{bridge}.x"


def _refuse(message: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field="model", reason="MODEL_CHOICE")
