"""What an answer rests on: enough to judge it today and to reproduce it later."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version

from twin_service.model.dialysis import dialysis_covariate, dialyzable
from twin_service.twin.fold import Folded
from twin_service.twin.unknown import not_recorded

LIBRARIES = ("numpy", "scipy", "filterpy", "numba", "llvmlite")


@dataclass(frozen=True)
class Basis:
    """model_digest      SHA-256 of the equations, priors and error laws
    blocks           library id -> version of every part
    timeline_digest  SHA-256 of every recorded event
    state_digest     SHA-256 of the belief the answer was drawn from
    libraries        versions of what computed it, and the processor family
    measurements     how many were assimilated, how many kept unused
    assumptions      what the answer takes for granted, in words
    warnings         where the answer leaves the ground the model was built on
    """

    model_id: str
    model_digest: str
    blocks: dict[str, str]
    timeline_digest: str
    state_digest: str
    libraries: dict[str, str]
    measurements: int
    unused: int
    estimator: str
    assumptions: tuple[str, ...]
    warnings: tuple[str, ...]


def basis_of(folded: Folded, *assumptions: str) -> Basis:
    """The basis of any answer computed from `folded`."""
    usual = [
        "recorded doses were taken as recorded",
        "characteristics hold from one measurement to the next; the first one also before",
        *_dialysis_told(folded),
        *(f"{c.words} is not recorded: that of a usual person is assumed" for c in not_recorded(folded)),
    ]
    return Basis(
        model_id=folded.model.id,
        model_digest=folded.model.digest,
        blocks=dict(folded.model.block_versions),
        timeline_digest=folded.timeline_digest,
        state_digest=folded.state_digest,
        libraries=library_versions(),
        measurements=len(folded.course.samples),
        unused=len(folded.course.unused),
        estimator=folded.person.estimator,
        assumptions=(*usual, *assumptions),
        warnings=folded.warnings,
    )


def _dialysis_told(folded: Folded) -> list[str]:
    """What sessions are taken to clear, and that their spread is left out."""
    found = []
    for drug in dialyzable(folded.model):
        rates = {row.get(dialysis_covariate(drug), 0.0) for row in folded.course.covariates} - {0.0}
        if rates:
            told = ", ".join(f"{k:.3g}" for k in sorted(rates))
            found.append(
                f"dialysis clears {told} L/h of {drug} from plasma while it lasts, in every member alike; recorded "
                "sessions still to come are counted, others are not"
            )
    return found


@lru_cache(maxsize=1)
def library_versions() -> dict[str, str]:
    """Versions of the numerical libraries and the machine they run on: both decide the last bits of an answer."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found
