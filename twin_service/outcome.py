"""How a computation ended, said in a sentence a person can read; and the refusals that a caller can act on."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class Verdict(enum.Enum):
    """Numerics and statistics can fail honestly. The value is the sentence shown to a person."""

    OK = "completed"
    RETRIED = "completed after a retry with a more robust method"
    NOT_FINITE = "a state or output became infinite or undefined"
    STEP_TOO_SMALL = "the step size fell below its floor: the model is singular here"
    TOO_MANY_STEPS = "the step limit was reached before the end"
    NO_STEADY_STATE = "no steady state was reached within the limit"
    NOT_CONVERGED = "the iteration did not converge within its limit"
    CANCELLED = "stopped because the caller cancelled or the deadline passed"
    NOT_POSITIVE_DEFINITE = "a covariance lost positive definiteness"
    SURPRISING = "the observation lies far outside what was forecast"


@dataclass(frozen=True)
class Outcome:
    """One verdict with its circumstances: the model, the time and the state concerned."""

    verdict: Verdict = Verdict.OK
    detail: str = ""

    @property
    def ok(self) -> bool:
        return self.verdict in (Verdict.OK, Verdict.RETRIED)

    def __str__(self) -> str:
        return f"{self.verdict.value}: {self.detail}" if self.detail else self.verdict.value


OK = Outcome()


class RefusalCode(enum.Enum):
    """Why a request is refused; one gRPC status each (the table lives in service/errors.py)."""

    INVALID = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    EXISTS = "ALREADY_EXISTS"
    PRECONDITION = "FAILED_PRECONDITION"
    CONFLICT = "ABORTED"
    TOO_MUCH = "RESOURCE_EXHAUSTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    CANCELLED = "CANCELLED"
    DENIED = "PERMISSION_DENIED"
    UNSUPPORTED = "UNIMPLEMENTED"


class Refusal(Exception):
    """The caller can act: `message` says where, what it is, what was expected and what to do.

    `field` is the path of the offending field in the request ("events[3].dose.amount"); `reason` is a stable
    UPPER_SNAKE identifier for programs; `details` hold further machine-readable pairs. Never a patient identifier.
    """

    def __init__(
        self,
        code: RefusalCode,
        message: str,
        *,
        field: str = "",
        reason: str = "",
        details: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.reason = reason or code.name
        self.details = dict(details or {})

    def at(self, prefix: str) -> Refusal:
        """The same refusal seen from one level up: `prefix` is put before the field path."""
        path = f"{prefix}.{self.field}" if self.field else prefix
        return Refusal(self.code, self.message, field=path, reason=self.reason, details=self.details)

    @property
    def faults(self) -> tuple[Refusal, ...]:
        """Each field to blame, one refusal each."""
        return (self,)


class Refusals(Refusal):
    """Several fields to blame at once; the first says the code, the sentence and the reason."""

    def __init__(self, faults: Sequence[Refusal]) -> None:
        first = faults[0]
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(
            first.code, first.message + more, field=first.field, reason=first.reason, details=first.details
        )
        self._faults = tuple(faults)

    @property
    def faults(self) -> tuple[Refusal, ...]:
        return self._faults


# What each optional module belongs to: pip install 'twin-service[EXTRA]'.
EXTRA_OF: Mapping[str, str] = {
    "fhir": "ehr",
    "hl7": "ehr",
    "ijson": "ehr",
    "lightgbm": "molecule",
    "odmlib": "trial",
    "pandas": "trial",
    "pyarrow": "trial",
    "pyreadstat": "trial",
    "ray": "ray",
    "rdkit": "molecule",
    "sklearn": "trial",
    "starlette": "web",
    "uvicorn": "web",
}


def missing_extra(error: Exception) -> Refusal | None:
    """A library of an extra that is not installed, as a refusal that says how; None for any other error."""
    name = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if name not in EXTRA_OF:
        return None
    said = f"this needs {name}, which is not installed here: pip install 'twin-service[{EXTRA_OF[name]}]'"
    return Refusal(RefusalCode.UNSUPPORTED, said, reason="EXTRA_NOT_INSTALLED", details={"extra": EXTRA_OF[name]})
