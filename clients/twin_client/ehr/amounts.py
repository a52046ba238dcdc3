"""What a dose of a product is in each of its ingredients: masses as they are, volumes and counts by the strength."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twin_client.ehr.codes import UCUM
from twin_client.ehr.fields import exact
from twin_client.ehr.products import Part, Product, product_table
from twin_client.ehr.reading import HoldError
from twin_client.ehr.site import Site
from twin_service.v1 import common_pb2

IN_ML = {"L": 1000.0, "dL": 100.0, "mL": 1.0, "uL": 1e-3}
COUNT, VOLUME = "unit", "mL"


def check_product(product: Product, site: Site) -> None:
    """Raises HoldError for a product whose course is not that of its ingredient given plainly."""
    if product.is_pack:
        raise HoldError("a pack of several products", "send the product that was given")
    if product.is_modified and not site.modified_is_immediate:
        raise HoldError(
            f"a modified-release product ({product.basis or 'its name'}): the models release at once",
            'send the formulation given, or say modified_release = "immediate" under [dose] of the site map',
        )


def amounts(product: Product, value: Any, site: Site) -> list[tuple[str, common_pb2.Quantity]]:
    """Each library ingredient of `product` with its amount in the dose `value` (a FHIR Quantity).

    A mass is the ingredient's; a volume or a count of tablets needs the strength. Raises HoldError for all else.
    """
    kind, number = _kind(value, site)
    ours = [p for p in product.parts if p.drug]
    if kind not in (COUNT, VOLUME):
        if len(product.parts) > 1:
            raise HoldError(
                f"a dose in {kind} of a product of {len(product.parts)} ingredients", "send a dose of each ingredient"
            )
        return [(ours[0].drug, common_pb2.Quantity(value=number, unit=kind))]
    return [(p.drug, _of_part(p, kind, number)) for p in ours]


def _of_part(part: Part, kind: str, number: float) -> common_pb2.Quantity:
    strength = part.strength
    if kind == VOLUME and strength is not None and strength.per == "mL":
        return common_pb2.Quantity(value=_round(number * strength.value), unit=strength.unit)
    if kind == COUNT and strength is not None and strength.in_one:
        return common_pb2.Quantity(value=_round(number * strength.in_one), unit=strength.unit)
    unit = "mL" if kind == VOLUME else "units of the product"
    raise HoldError(f"a dose of {number:g} {unit} of unknown strength", "send the amount of drug")


def _round(value: float) -> float:
    """Products of decimals as a person would write them: 3 * 0.1 is 0.3."""
    return float(f"{value:.12g}")


def _kind(value: Any, site: Site) -> tuple[str, float]:
    """What is counted, and how much of it: "unit", "mL", or a UCUM unit of amount."""
    given: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    words = [str(given[k]) for k in ("code", "unit") if given.get(k)]
    if given.get("value") is not None and not given.get("comparator"):
        if any(w in product_table().one for w in words):
            return COUNT, float(given["value"])
        if not words and site.bare_is_product:
            return COUNT, float(given["value"])
        for word in words:
            if word in site.units:
                given = {"value": given["value"], "system": UCUM, "code": site.units[word]}
                break
    amount = exact(given)
    if amount.unit in IN_ML:
        return VOLUME, amount.value * IN_ML[amount.unit]
    if amount.unit.endswith("L"):
        raise HoldError(f"a dose of {amount.value:g} {amount.unit} of unknown strength", "send the amount of drug")
    return amount.unit, amount.value
