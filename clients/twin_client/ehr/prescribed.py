"""Which product a resource names, and by which route it goes in."""

from __future__ import annotations

from typing import Any

from twin_client.ehr.codes import EDQM, ROUTES_V2, ROUTES_V3, SNOMED, tables
from twin_client.ehr.elements import check_elements
from twin_client.ehr.fields import Body, mapped, said
from twin_client.ehr.products import Product, resolve
from twin_client.ehr.reading import HoldError
from twin_client.ehr.references import Index
from twin_client.ehr.site import Site


def product_of(resource: Body, index: Index, site: Site) -> Product:
    """The product of a MedicationAdministration or MedicationRequest. Raises HoldError where it is not understood."""
    if resource.get("medicationCodeableConcept") is None and resource.get("medicationReference") is not None:
        medication = index.resolve(resource["medicationReference"], "Medication", resource)
        check_elements(medication)
        if medication.get("status") == "entered-in-error":
            raise HoldError("its Medication was entered in error", "send the right one")
        return _of_medication(medication, site)
    return resolve(resource.get("medicationCodeableConcept"), site.drugs)


def route_of(concept: Any, product: Product, site: Site) -> str:
    """The route that is coded, or a word the site maps; where nothing is said, the one way a dose form goes in."""
    route = _coded_route(concept)
    if not route:
        codings = (concept or {}).get("coding") or ()
        words = [str(c[k]) for c in codings for k in ("code", "display") if c.get(k)] + [
            str((concept or {}).get("text") or "")
        ]
        route = next((site.routes[w] for w in words if w in site.routes), "")
    if not route and not concept:
        route = product.route
    if not route:
        raise HoldError(
            f"its route is not mapped: {said(concept)}", "code the route in SNOMED CT, or map it under [routes]"
        )
    return route


def _coded_route(concept: Any) -> str:
    """What the public codes of a route say; they must agree."""
    known = tables()
    systems = {SNOMED: known.routes, ROUTES_V2: known.routes_v2, ROUTES_V3: known.routes_v2, EDQM: known.routes_edqm}
    found = {m for system, table in systems.items() if (m := mapped(concept, system, table, "routes"))}
    if len(found) > 1:
        raise HoldError(f"its codings name different routes: {', '.join(sorted(found))}", "correct the coding")
    return next(iter(found), "")


def _of_medication(medication: Body, site: Site) -> Product:
    """By its code; where that says nothing, by the one ingredient it lists."""
    ingredients = [i for i in medication.get("ingredient") or () if i.get("isActive", True)]
    try:
        product = resolve(medication.get("code"), site.drugs)
    except HoldError:
        if len(ingredients) != 1:
            if ingredients:
                raise HoldError(
                    f"a product of {len(ingredients)} ingredients", "send a dose of each ingredient"
                ) from None
            raise
        return resolve(ingredients[0].get("itemCodeableConcept"), site.drugs)
    if len(ingredients) > 1 and len(product.parts) != len(ingredients):
        raise HoldError(f"a product of {len(ingredients)} ingredients", "send a dose of each ingredient")
    return product
