"""Who may speak for which tenant: bearer tokens, known by their SHA-256 only."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twin_service.outcome import Refusal, RefusalCode
from twin_service.service.door.status import Unauthenticated

_TENANT = re.compile(r"^tenants/([a-z0-9][a-z0-9-]{0,62})(/|$)")
_OPEN = ("/grpc.health.", "/grpc.reflection.")


class Tenancy:
    """Reads the tenant from the token of a call. Without a token file, any caller may speak for any tenant."""

    def __init__(self, tokens: Path | None) -> None:
        self._tenants: dict[str, str] | None = None
        if tokens is not None:
            table = tomllib.loads(tokens.read_text()).get("tokens", {})
            wrong = [k for k, v in table.items() if len(k) != 64 or not _TENANT.match(f"tenants/{v}")]
            if wrong or not table:
                raise Refusal(
                    RefusalCode.INVALID,
                    "the token file needs a table [tokens] of SHA-256 (64 hex digits) to tenant",
                    field="tenant_tokens",
                    reason="SETTINGS",
                )
            self._tenants = dict(table)

    def tenant(self, method: str, metadata: Sequence[tuple[str, Any]]) -> str | None:
        """The tenant a call speaks for; None: any. Raises Unauthenticated."""
        if self._tenants is None or method.startswith(_OPEN):
            return None
        given = next((str(v) for k, v in metadata if k == "authorization"), "")
        scheme, _, token = given.partition(" ")
        found = self._tenants.get(hashlib.sha256(token.encode()).hexdigest())
        if scheme.lower() != "bearer" or found is None:
            raise Unauthenticated("send 'authorization: Bearer <token>' with a token this server knows")
        return found
