"""An `[[endpoint]]` of a population or an effect file as the contract's noun: one rule for both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from twin_service.model.library.findings import hinted
from twin_service.model.library.tables import EndpointTable
from twin_service.model.structure import Endpoint

# CTCAE: grade 4 is life-threatening, grade 3 severe
SERIOUS_GRADE: Final = 4


def endpoint_of(e: EndpointTable, units: Mapping[str, str], refuse: Callable[[str], Exception]) -> Endpoint:
    """The endpoint on one of the outputs (name -> unit); raises what `refuse` makes of a sentence."""
    if e.output not in units:
        raise refuse(f"endpoint {e.id}: output {e.output!r} is unknown (R4){hinted(e.output, units)}")
    if e.relative_to_baseline and e.unit != "1":
        raise refuse(
            f"endpoint {e.id}: a relative endpoint is a ratio to baseline in unit 1; for a "
            "difference name an output that is one"
        )
    if not e.relative_to_baseline and units[e.output] != e.unit:
        raise refuse(f"endpoint {e.id}: unit {e.unit!r}, but output {e.output} is in {units[e.output]} (R5)")
    return Endpoint(
        e.id,
        e.output,
        e.unit,
        e.comparison,
        e.threshold,
        e.title,
        e.harmful,
        e.relative_to_baseline,
        e.grade,
        e.serious if e.serious is not None else e.grade == 0 or e.grade >= SERIOUS_GRADE,
    )
