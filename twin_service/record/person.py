"""Who a twin is of: an opaque name within a tenant, and what the model needs to know before the first event."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NAME = re.compile(r"^tenants/([a-z0-9][a-z0-9-]{0,62})/patients/([A-Za-z0-9][A-Za-z0-9._-]{0,62})/twin$")


@dataclass(frozen=True)
class TwinName:
    """`tenants/{tenant}/patients/{patient}/twin`."""

    tenant: str
    patient: str

    @classmethod
    def parse(cls, text: str) -> TwinName:
        """Raises ValueError for anything that is not a twin's resource name."""
        match = _NAME.match(text)
        if match is None:
            raise ValueError(
                "expected tenants/{tenant}/patients/{patient}/twin, lower-case tenant, at most 63 "
                "letters, digits, '.', '_' or '-' each"
            )
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"tenants/{self.tenant}/patients/{self.patient}/twin"


@dataclass(frozen=True)
class ModelChoice:
    """Which models a twin is made of, by library id: one of `pbpk` drugs or a `poppk` model, plus QSP blocks.

    drugs     drug ids simulated by whole-body PBPK
    poppk     id of a population PK model ("" when PBPK carries the drugs)
    effects   QSP block ids
    """

    drugs: tuple[str, ...] = ()
    poppk: str = ""
    effects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Person:
    """A twin's identity: its name, its models and its epoch (clinical time from which hours are counted)."""

    name: TwinName
    model: ModelChoice
    epoch_us: int
    estimator: str = "auto"
    covariates: dict[str, float] = field(default_factory=dict)
