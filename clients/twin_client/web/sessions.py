"""Who looks at the page. The browser holds a random number in an HttpOnly cookie; the token stays in this process.

Sessions and sharing links end with the process, with their time, or when somebody ends them.
"""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

SESSION_S = 8 * 3600.0
KEPT_MAX = 10_000


@dataclass(frozen=True)
class WebSession:
    """One browser's sight of a tenant; `patient` names the only one a sharing link shows."""

    id: str
    tenant: str
    token: str = field(repr=False)
    csrf: str = field(repr=False)
    ends: float
    patient: str = ""

    @property
    def read_only(self) -> bool:
        return bool(self.patient)

    def wrote(self, given: str) -> bool:
        """Whether a form came from a page of this session."""
        return hmac.compare_digest(given.encode(), self.csrf.encode())


class Sessions:
    """What this process keeps of its visitors, at most `KEPT_MAX`, the oldest making room."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, WebSession] = {}

    def open(self, tenant: str, token: str, *, patient: str = "", seconds: float = SESSION_S) -> WebSession:
        made = WebSession(
            secrets.token_urlsafe(32), tenant, token, secrets.token_urlsafe(32), self._clock() + seconds, patient
        )
        with self._lock:
            self._drop_ended()
            while len(self._kept) >= KEPT_MAX:
                self._kept.pop(next(iter(self._kept)))
            self._kept[made.id] = made
        return made

    def find(self, id: str) -> WebSession | None:
        with self._lock:
            found = self._kept.get(id)
            return found if found is not None and found.ends > self._clock() else None

    def close(self, id: str) -> None:
        with self._lock:
            self._kept.pop(id, None)

    def share(self, session: WebSession, patient: str, seconds: float) -> WebSession:
        """A read-only sight of one patient with the rights of who shares it."""
        return self.open(session.tenant, session.token, patient=patient, seconds=seconds)

    def renewed(self, session: WebSession) -> WebSession:
        """The same session for eight more hours."""
        later = replace(session, ends=self._clock() + SESSION_S)
        with self._lock:
            if session.id in self._kept:
                self._kept[session.id] = later
        return later

    def _drop_ended(self) -> None:
        now = self._clock()
        for id in [k for k, s in self._kept.items() if s.ends <= now]:
            del self._kept[id]
