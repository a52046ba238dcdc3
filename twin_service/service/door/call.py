"""What every handler knows of the call it answers: its deadline, its moment, its caller."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace

import grpc

from twin_service.outcome import Refusal, RefusalCode
from twin_service.settings import Settings
from twin_service.solver.tolerances import Deadline

Clock = Callable[[], int]


def wall_clock_us() -> int:
    """Microseconds since 1970-01-01T00:00Z: the only reading of the wall clock in the service."""
    return time.time_ns() // 1000


@dataclass(frozen=True)
class Call:
    """One call. `tenant` None: the caller may speak for any tenant (no authentication configured).

    `purpose` is why it was made, as its caller said; `touched` are the patients it was about so far.
    """

    method: str
    deadline: Deadline
    now_us: int
    actor: str
    tenant: str | None = None
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    purpose: str = ""
    touched: set[tuple[str, str]] = field(default_factory=set)

    def about(self, tenant: str, patient: str = "") -> None:
        """Note whose data this call works with, for the access trail. Raises Refusal as `allow`."""
        self.allow(tenant)
        self.touched.add((tenant, patient))

    def allow(self, tenant: str) -> None:
        """Raises Refusal (NOT_FOUND, so that names cannot be probed) for another tenant's resources."""
        if self.tenant is not None and tenant != self.tenant:
            raise Refusal(RefusalCode.NOT_FOUND, "no such twin; create it first", field="name", reason="NO_SUCH_TWIN")


_CURRENT: ContextVar[Call] = ContextVar("call")


def current() -> Call:
    """The call being answered by this thread."""
    return _CURRENT.get()


def enter(call: Call) -> None:
    _CURRENT.set(call)


def deadline_of(context: grpc.ServicerContext, settings: Settings, *, endless: bool) -> Deadline:
    """The caller's deadline within the service's limits; work stops when the caller goes away.

    `endless`: a stream that lasts as long as its caller wants.
    """
    remaining = context.time_remaining()
    if endless:
        deadline = Deadline(remaining)
    else:
        limit = settings.deadline_default_s if remaining is None else min(remaining, settings.deadline_max_s)
        deadline = Deadline(limit)
    context.add_callback(deadline.cancel)
    return deadline


@contextmanager
def as_method(method: str) -> Iterator[None]:
    """Answer the rest as another method would: a streamed answer is kept as its unary twin."""
    call = current()
    _CURRENT.set(replace(call, method=method))
    try:
        yield
    finally:
        _CURRENT.set(call)
