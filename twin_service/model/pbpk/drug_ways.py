"""The ways out of the body and the interactions of a drug file, `[[clearance]]` and `[[interaction]]`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, replace
from typing import Any, Final

from twin_service.model.pbpk.clearance import (
    Assay,
    Availability,
    Clearance,
    ClearanceLaw,
    FromLiver,
    InVitro,
    InVivo,
    Linear,
    MichaelisMenten,
    SourcedQuantity,
    unbound_km,
)
from twin_service.model.pbpk.door import PER_BODY, FindingsDoor, table_rows, value_or
from twin_service.model.pbpk.enzyme_action import (
    Competitive,
    EnzymeAction,
    Induction,
    Interaction,
    MechanismBased,
    Noncompetitive,
    Suppression,
)

_CLEARANCE: Final = (
    "organ",
    "law",
    "enzyme",
    "transporter",
    "vmax",
    "kcat",
    "km",
    "clint",
    "clearance",
    "basis",
    "fu_inc",
    "scalar",
    "forms",
    "share",
    "name",
    "note",
    "fg",
    "unchanged",
    "enzymes",
    "uptake",
)
_VMAX: Final = {
    "microsomes": "pmol/min/mg",
    "recombinant": "1/min",
    "hepatocytes": "pmol/min/10^6cells",
    "liver": "umol/h",
}
_CLINT: Final = {
    "microsomes": "uL/min/mg",
    "recombinant": "uL/min/pmol",
    "hepatocytes": "uL/min/10^6cells",
    "liver": "L/h",
}
_CLEARANCE_UNITS: Final = {"liver": "L/h", PER_BODY: "L/h/kg"}
# Stands where a number could not be read: its finding keeps the file from being used.
_UNREAD: Final = SourcedQuantity(1.0, "1", "unread")
ORGANS: Final = ("liver", "gut", "kidney", "bile", "plasma", "total")


def read_clearances(table: Mapping[str, Any], door: FindingsDoor, enzymes: Collection[str]) -> tuple[Clearance, ...]:
    rows = [
        _clearance(row, f"clearance[{i}]", door, enzymes) for i, row in enumerate(table_rows(table, "clearance", door))
    ]
    found = [w for w in rows if not isinstance(w.law, FromLiver)]
    for i, gut in enumerate(rows):
        if isinstance(gut.law, FromLiver):
            like = [k for k, w in enumerate(found) if _clears(w, gut.enzyme)]
            if gut.organ != "gut" or not like:
                door.fault(
                    f"clearance[{i}]", 'from_liver is for organ = "gut" and an enzyme that a liver row names', "R4"
                )
            found += _like_liver(found, gut.enzyme, gut.scalar)
        elif isinstance(gut.law, Availability) and gut.organ != "gut":
            door.fault(f"clearance[{i}].organ", 'availability is for organ = "gut"', "R4")
    _no_double(rows, door)
    if gut_is_assumed(table):
        found += _like_liver(found, "CYP3A4", 1.0)
        door.doubt(
            "clearance",
            "CYP3A4 in the liver and nothing said of the gut wall: metabolism there assumed by its "
            'content; say [[clearance]] organ = "gut", law = "availability" with a known fg, or "from_liver" with '
            "a scalar (0 for none)",
        )
    gfr = table.get("gfr_fraction")
    if not found and isinstance(gfr, Mapping) and gfr.get("value") == 0:
        door.fault("clearance", "the drug never leaves the body: no clearance and gfr_fraction 0", "R6")
    return tuple(found)


def _no_double(rows: list[Clearance], door: FindingsDoor) -> None:
    """A total clearance holds what the kidney and the liver do: stated beside it they would count twice."""
    totals = [i for i, w in enumerate(rows) if w.organ == "total"]
    for i in totals[1:]:
        door.fault(f"clearance[{i}].organ", f"is a second total clearance; clearance[{totals[0]}] is the first", "R11")
    for i, way in enumerate(rows):
        if totals and (
            way.organ == "kidney" or (way.organ in ("liver", "bile", "plasma") and isinstance(way.law, InVivo))
        ):
            door.fault(
                f"clearance[{i}].organ",
                f"{way.organ} is part of the total clearance of clearance[{totals[0]}] and would count twice; keep the "
                "total with unchanged = {...}, or write it out as liver and kidney",
                "R11",
            )
    for i, way in enumerate(rows):
        same = [
            k
            for k, w in enumerate(rows[:i])
            if (w.organ, w.enzyme, w.transporter) == (way.organ, way.enzyme, way.transporter)
            and type(w.law) is not type(way.law)
            and way.organ == "liver"
        ]
        if same:
            door.doubt(
                f"clearance[{i}]",
                f"{way.enzyme or 'the liver'} is also in clearance[{same[0]}] by another law; both count, so keep one "
                "unless they are two sites",
            )


def gut_is_assumed(table: Mapping[str, Any]) -> bool:
    """Whether a file names CYP3A4 in the liver and leaves the gut wall, where it abounds, unsaid."""
    rows = [r for r in table.get("clearance", []) if isinstance(r, Mapping)]
    return any(r.get("organ") in ("liver", "total") and _names(r, "CYP3A4") for r in rows) and not any(
        r.get("organ") == "gut" for r in rows
    )


def _names(row: Mapping[str, Any], enzyme: str) -> bool:
    shares = row.get("enzymes")
    return row.get("enzyme") == enzyme or (isinstance(shares, Mapping) and enzyme in shares)


def _clears(way: Clearance, enzyme: str) -> bool:
    shares = dict(way.law.shares) if isinstance(way.law, InVivo) else {}
    return way.organ in ("liver", "total") and (way.enzyme == enzyme or enzyme in shares)


def _like_liver(found: list[Clearance], enzyme: str, scalar: float) -> list[Clearance]:
    """Gut rows that do what the liver rows of `enzyme` do, by content."""
    return [
        replace(way, organ="gut", law=FromLiver(k, unbound_km(way.law)), enzyme=enzyme, scalar=scalar)
        for k, way in enumerate(found)
        if _clears(way, enzyme)
    ]


def _clearance(row: Mapping[str, Any], at: str, door: FindingsDoor, enzymes: Collection[str]) -> Clearance:
    door.known(row, at, _CLEARANCE)
    organ = door.word(row.get("organ"), f"{at}.organ", ORGANS)
    read = _LAWS.get(door.word(row.get("law"), f"{at}.law", _LAWS))
    enzyme = door.word(row["enzyme"], f"{at}.enzyme", enzymes) if "enzyme" in row else ""
    if enzyme and enzyme not in enzymes:
        door.doubt(
            f"{at}.enzyme", 'an enzyme that is not listed is written "OTHER": it clears, and nothing modulates it'
        )
    carrier = door.word(row["transporter"], f"{at}.transporter", enzymes) if "transporter" in row else ""
    law = read(row, at, door) if read else InVivo(_UNREAD)
    if read:
        _check_place(row, at, door, organ, law)
    if isinstance(law, InVitro) and law.assay is Assay.RECOMBINANT and not (enzyme or carrier):
        door.fault(
            f"{at}.enzyme", f"is missing: a value per enzyme needs its abundance; known: {', '.join(enzymes)}", "R4"
        )
    shares = _shares(row, at, door, enzymes)
    if isinstance(law, InVivo):
        law = replace(law, shares=shares)
    share = door.quantity(row, "share", "1", where=at, low=0, high=1)
    scalar = door.quantity(row, "scalar", "1", where=at, low=0)
    return Clearance(
        organ,
        law,
        enzyme,
        carrier,
        value_or(scalar, 1.0),
        str(row.get("forms", "")),
        value_or(share, 1.0),
        str(row.get("name", enzyme or carrier or organ)),
    )


def _check_place(row: Mapping[str, Any], at: str, door: FindingsDoor, organ: str, law: ClearanceLaw) -> None:
    """A law, and what is said beside it, belong to their organ."""
    if organ == "gut" and isinstance(law, InVivo):
        door.fault(f"{at}.law", "in_vivo is for liver, kidney, bile and plasma; the gut wall wants clint or vmax", "R4")
    if organ == "total" and not isinstance(law, InVivo):
        door.fault(f"{at}.law", 'is for one organ; a total plasma clearance is law = "in_vivo"', "R4")
    if "enzymes" in row and (organ != "total" or "enzyme" in row):
        door.fault(
            f"{at}.enzymes", 'belongs to organ = "total", in place of enzyme: shares of what the liver does', "R11"
        )
    if "unchanged" in row and organ != "total":
        door.fault(f"{at}.unchanged", 'belongs to organ = "total": the fraction excreted unchanged in urine')
    in_vitro = isinstance(law, InVitro) and law.assay is not Assay.ORGAN
    if "uptake" in row and not (organ == "liver" and in_vitro):
        door.fault(f"{at}.uptake", "belongs to an in vitro value of the liver (microsomes, hepatocytes, recombinant)")
    if "fu_inc" in row and not isinstance(law, InVitro):
        door.fault(f"{at}.fu_inc", "belongs to an in vitro value: law = linear or michaelis_menten")
    if isinstance(law, InVitro) and in_vitro and _has_no_scale(organ, law.assay):
        door.fault(
            f"{at}.law", f"a value of {law.assay} is not scaled to the {organ}; give it for the whole organ", "R4"
        )


def _has_no_scale(organ: str, assay: Assay) -> bool:
    """Only the liver and, by its content of the enzyme, the gut wall are reached from an assay's number."""
    return organ in ("kidney", "plasma") or (organ == "gut" and assay is Assay.HEPATOCYTES)


def _shares(
    row: Mapping[str, Any], at: str, door: FindingsDoor, enzymes: Collection[str]
) -> tuple[tuple[str, float], ...]:
    """`enzymes = { CYP3A4 = 0.7, CYP2D6 = 0.2 }`: each enzyme's share of what the liver does; the rest is OTHER."""
    raw = row.get("enzymes", {})
    if not isinstance(raw, Mapping):
        door.fault(f"{at}.enzymes", f"is {raw!r}; write enzymes = {{ CYP3A4 = 0.7, CYP2D6 = 0.3 }}", "R8")
        return ()
    found = []
    for name, share in raw.items():
        door.word(name, f"{at}.enzymes.{name}", enzymes)
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
            door.fault(f"{at}.enzymes.{name}", f"is {share!r}; expected a share above 0 and at most 1", "R9")
        else:
            found.append((name, float(share)))
    if sum(s for _, s in found) > 1.0 + 1e-9:
        door.fault(f"{at}.enzymes", f"sums to {sum(s for _, s in found):g}; expected at most 1", "R11")
    return tuple(found)


def _in_vivo(row: Mapping[str, Any], at: str, door: FindingsDoor) -> InVivo:
    basis, unit = door.basis(row.get("clearance"), f"{at}.clearance", _CLEARANCE_UNITS)
    clearance = door.quantity(row, "clearance", unit, where=at, required=True, low=0) if unit else None
    unchanged = door.quantity(row, "unchanged", "1", where=at, low=0, high=1)
    km = door.quantity(row, "km", "umol/L", where=at, positive=True)
    return InVivo(
        clearance or _UNREAD,
        _basis(row, basis, at, door, _CLEARANCE_UNITS) == PER_BODY,
        km,
        unchanged.value if unchanged else None,
    )


def _linear(row: Mapping[str, Any], at: str, door: FindingsDoor) -> Linear:
    basis, unit = door.basis(row.get("clint"), f"{at}.clint", _CLINT)
    clint = door.quantity(row, "clint", unit, where=at, required=True, low=0) if unit else None
    assay = Assay(_basis(row, basis, at, door, _CLINT))
    return Linear(clint or _UNREAD, assay, *_incubation(row, assay, at, door))


def _michaelis_menten(row: Mapping[str, Any], at: str, door: FindingsDoor) -> MichaelisMenten:
    km = door.quantity(row, "km", "umol/L", where=at, required=True, positive=True)
    if "kcat" in row:
        basis, maximum = "recombinant", door.quantity(row, "kcat", "1/min", where=at, positive=True)
    else:
        basis, unit = door.basis(row.get("vmax"), f"{at}.vmax", _VMAX)
        maximum = door.quantity(row, "vmax", unit, where=at, required=True, positive=True) if unit else None
    assay = Assay(_basis(row, basis, at, door, _VMAX))
    return MichaelisMenten(maximum or _UNREAD, km or _UNREAD, assay, *_incubation(row, assay, at, door))


def _availability(row: Mapping[str, Any], at: str, door: FindingsDoor) -> Availability:
    fg = door.quantity(row, "fg", "1", where=at, required=True, low=0.01, high=0.999)
    return Availability(fg or _UNREAD, door.quantity(row, "km", "umol/L", where=at, positive=True))


def _from_liver(row: Mapping[str, Any], at: str, door: FindingsDoor) -> FromLiver:
    return FromLiver()


_LAWS: Final[Mapping[str, Callable[[Mapping[str, Any], str, FindingsDoor], ClearanceLaw]]] = {
    "michaelis_menten": _michaelis_menten,
    "linear": _linear,
    "in_vivo": _in_vivo,
    "from_liver": _from_liver,
    "availability": _availability,
}


def _basis(row: Mapping[str, Any], read: str, at: str, door: FindingsDoor, known: Collection[str]) -> str:
    """What the number refers to: its unit says it, and a `basis` written beside it must say the same."""
    found = read or "liver"
    if "basis" in row and door.word(row["basis"], f"{at}.basis", known) in known and read and row["basis"] != found:
        door.fault(f"{at}.basis", f"is {row['basis']!r}, but the unit is that of {found!r}; correct one", "R5")
    return found


def _incubation(row: Mapping[str, Any], assay: Assay, at: str, door: FindingsDoor) -> tuple[float, bool]:
    """(unbound fraction in the incubation, whether protein-facilitated uptake is to be added)."""
    fu_inc = door.quantity(row, "fu_inc", "1", where=at, high=1, positive=True)
    usual = "facilitated" if assay is Assay.HEPATOCYTES else "free"
    uptake = door.word(row.get("uptake", usual), f"{at}.uptake", ("facilitated", "free"))
    in_liver = row.get("organ") == "liver" and assay is not Assay.ORGAN
    return value_or(fu_inc, 1.0), in_liver and uptake == "facilitated"


_ACTIONS: Final[Mapping[str, type[EnzymeAction]]] = {
    "competitive": Competitive,
    "noncompetitive": Noncompetitive,
    "mechanism_based": MechanismBased,
    "induction": Induction,
    "suppression": Suppression,
}
_ACTION_UNITS: Final = {"ki": "umol/L", "ec50": "umol/L", "kinact": "1/h", "emax": "1"}


def read_interactions(
    table: Mapping[str, Any], door: FindingsDoor, enzymes: Collection[str]
) -> tuple[Interaction, ...]:
    found = []
    for i, row in enumerate(table_rows(table, "interaction", door)):
        at = f"interaction[{i}]"
        door.known(row, at, ("target", "kind", "ki", "kinact", "emax", "ec50", "organs", "note"))
        target = door.word(row.get("target"), f"{at}.target", enzymes)
        kind = door.word(row.get("kind"), f"{at}.kind", _ACTIONS)
        if kind not in _ACTIONS:
            continue
        make = _ACTIONS[kind]
        needs = [f.name for f in fields(make)]
        given = [
            door.quantity(row, k, _ACTION_UNITS[k], where=at, required=True, positive=True) or _UNREAD for k in needs
        ]
        act = make(*given)
        if isinstance(act, Suppression) and act.emax.value > 1:
            door.fault(f"{at}.emax", "suppression cannot exceed 1 (the whole synthesis)")
        for k in row:
            if k in _ACTION_UNITS and k not in needs:
                door.fault(f"{at}.{k}", f"has no place in a {kind} interaction; it needs: {', '.join(needs)}")
        found.append(Interaction(target, act, tuple(row.get("organs", ("liver", "gut", "kidney")))))
    return tuple(found)
