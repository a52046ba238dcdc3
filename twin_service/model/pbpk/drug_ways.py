"""The ways out of the body and the interactions of a drug file, `[[clearance]]` and `[[interaction]]`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from twin_service.model.pbpk.door import FindingsDoor, table_rows, value_or
from twin_service.model.pbpk.record import CLEARANCE_LAWS, INTERACTION_KINDS, Clearance, Interaction, SourcedQuantity

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
IN_VITRO: Final = ("recombinant", "microsomes", "hepatocytes")
ORGANS: Final = ("liver", "gut", "kidney", "bile", "plasma", "total")


def read_clearances(table: Mapping[str, Any], door: FindingsDoor, enzymes: Collection[str]) -> tuple[Clearance, ...]:
    rows = [
        _clearance(row, f"clearance[{i}]", door, enzymes) for i, row in enumerate(table_rows(table, "clearance", door))
    ]
    found = [w for w in rows if w.law != "from_liver"]
    for i, gut in enumerate(rows):
        if gut.law == "from_liver":
            like = [k for k, w in enumerate(found) if _clears(w, gut.enzyme)]
            if gut.organ != "gut" or not like:
                door.fault(
                    f"clearance[{i}]", 'from_liver is for organ = "gut" and an enzyme that a liver row names', "R4"
                )
            found += _like_liver(found, gut.enzyme, gut.scalar)
        elif gut.law == "availability" and gut.organ != "gut":
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
        if totals and (way.organ == "kidney" or (way.organ in ("liver", "bile", "plasma") and way.law == "in_vivo")):
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
            and w.law != way.law
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
    return way.organ in ("liver", "total") and (way.enzyme == enzyme or enzyme in dict(way.shares))


def _like_liver(found: list[Clearance], enzyme: str, scalar: float) -> list[Clearance]:
    """Gut rows that do what the liver rows of `enzyme` do, by content."""
    return [
        replace(way, organ="gut", basis="from_liver", enzyme=enzyme, shares=(), scalar=scalar, source=k)
        for k, way in enumerate(found)
        if _clears(way, enzyme)
    ]


def _clearance(row: Mapping[str, Any], at: str, door: FindingsDoor, enzymes: Collection[str]) -> Clearance:
    door.known(row, at, _CLEARANCE)
    organ = door.word(row.get("organ"), f"{at}.organ", ORGANS)
    law = door.word(row.get("law"), f"{at}.law", CLEARANCE_LAWS)
    enzyme = door.word(row["enzyme"], f"{at}.enzyme", enzymes) if "enzyme" in row else ""
    if enzyme and enzyme not in enzymes:
        door.doubt(
            f"{at}.enzyme", 'an enzyme that is not listed is written "OTHER": it clears, and nothing modulates it'
        )
    carrier = door.word(row["transporter"], f"{at}.transporter", enzymes) if "transporter" in row else ""
    maximum, constant, km, basis = _numbers(row, law, at, door)
    basis = door.word(
        row.get("basis", basis or "liver"),
        f"{at}.basis",
        ("recombinant", "microsomes", "hepatocytes", "liver", "body_weight"),
    )
    if basis == "recombinant" and not (enzyme or carrier):
        door.fault(
            f"{at}.enzyme", f"is missing: a value per enzyme needs its abundance; known: {', '.join(enzymes)}", "R4"
        )
    if organ == "gut" and law == "in_vivo":
        door.fault(f"{at}.law", "in_vivo is for liver, kidney, bile and plasma; the gut wall wants clint or vmax", "R4")
    if organ == "total" and law != "in_vivo":
        door.fault(f"{at}.law", 'is for one organ; a total plasma clearance is law = "in_vivo"', "R4")
    shares = _shares(row, at, door, enzymes)
    if "enzymes" in row and (organ != "total" or "enzyme" in row):
        door.fault(
            f"{at}.enzymes", 'belongs to organ = "total", in place of enzyme: shares of what the liver does', "R11"
        )
    if "unchanged" in row and organ != "total":
        door.fault(f"{at}.unchanged", 'belongs to organ = "total": the fraction excreted unchanged in urine')
    unchanged = door.quantity(row, "unchanged", "1", where=at, low=0, high=1)
    usual = "facilitated" if basis == "hepatocytes" else "free"
    uptake = door.word(row.get("uptake", usual), f"{at}.uptake", ("facilitated", "free"))
    in_vitro = organ == "liver" and law in ("linear", "michaelis_menten") and basis in IN_VITRO
    if "uptake" in row and not in_vitro:
        door.fault(f"{at}.uptake", "belongs to an in vitro value of the liver (microsomes, hepatocytes, recombinant)")
    share = door.quantity(row, "share", "1", where=at, low=0, high=1)
    fu_inc = door.quantity(row, "fu_inc", "1", where=at, high=1, positive=True)
    scalar = door.quantity(row, "scalar", "1", where=at, low=0)
    return Clearance(
        organ,
        law,
        enzyme,
        carrier,
        basis,
        maximum,
        constant,
        km,
        value_or(fu_inc, 1.0),
        value_or(scalar, 1.0),
        str(row.get("forms", "")),
        value_or(share, 1.0),
        str(row.get("name", enzyme or carrier or organ)),
        unchanged=unchanged.value if unchanged else None,
        shares=shares,
        facilitated=in_vitro and uptake == "facilitated",
    )


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


def _numbers(
    row: Mapping[str, Any], law: str, at: str, door: FindingsDoor
) -> tuple[SourcedQuantity | None, SourcedQuantity | None, SourcedQuantity | None, str]:
    """(Vmax or kcat, CLint or clearance, Km, what they refer to) as the law wants them."""
    maximum = constant = km = None
    basis = "liver"
    if law == "michaelis_menten":
        km = door.quantity(row, "km", "umol/L", where=at, required=True, positive=True)
        if "kcat" in row:
            basis, maximum = "recombinant", door.quantity(row, "kcat", "1/min", where=at, positive=True)
        else:
            basis, unit = door.basis(row.get("vmax"), f"{at}.vmax", _VMAX)
            maximum = door.quantity(row, "vmax", unit, where=at, required=True, positive=True) if unit else None
    elif law == "linear":
        basis, unit = door.basis(row.get("clint"), f"{at}.clint", _CLINT)
        constant = door.quantity(row, "clint", unit, where=at, required=True, low=0) if unit else None
    elif law == "availability":
        constant = door.quantity(row, "fg", "1", where=at, required=True, low=0.01, high=0.999)
        km = door.quantity(row, "km", "umol/L", where=at, positive=True)
        basis = "liver"
    elif law == "in_vivo":
        basis, unit = door.basis(row.get("clearance"), f"{at}.clearance", {"liver": "L/h", "body_weight": "L/h/kg"})
        constant = door.quantity(row, "clearance", unit, where=at, required=True, low=0) if unit else None
        km = door.quantity(row, "km", "umol/L", where=at, positive=True)
    return maximum, constant, km, basis


def read_interactions(
    table: Mapping[str, Any], door: FindingsDoor, enzymes: Collection[str]
) -> tuple[Interaction, ...]:
    found = []
    for i, row in enumerate(table_rows(table, "interaction", door)):
        at = f"interaction[{i}]"
        door.known(row, at, ("target", "kind", "ki", "kinact", "emax", "ec50", "organs", "note"))
        target = door.word(row.get("target"), f"{at}.target", enzymes)
        kind = door.word(row.get("kind"), f"{at}.kind", INTERACTION_KINDS)
        needs = {
            "competitive": ("ki",),
            "noncompetitive": ("ki",),
            "mechanism_based": ("ki", "kinact"),
            "induction": ("emax", "ec50"),
            "suppression": ("emax", "ec50"),
        }.get(kind, ())
        units = {"ki": "umol/L", "ec50": "umol/L", "kinact": "1/h", "emax": "1"}
        given = {k: door.quantity(row, k, units[k], where=at, required=True, positive=True) for k in needs}
        if kind == "suppression" and given.get("emax") and given["emax"].value > 1:  # type: ignore[union-attr]
            door.fault(f"{at}.emax", "suppression cannot exceed 1 (the whole synthesis)")
        for k in row:
            if needs and k in units and k not in needs:
                door.fault(f"{at}.{k}", f"has no place in a {kind} interaction; it needs: {', '.join(needs)}")
        found.append(Interaction(target, kind, organs=tuple(row.get("organs", ("liver", "gut", "kidney"))), **given))
    return tuple(found)
