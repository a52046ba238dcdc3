"""Resource names: `tenants/{tenant}/...`."""

from __future__ import annotations

import re

from twin_service.outcome import Refusal, RefusalCode

_TENANT = re.compile(r"^tenants/([a-z0-9][a-z0-9-]{0,62})(/|$)")


def tenant_of(parent: str) -> str:
    """The tenant in `tenants/{tenant}` or below it; raises Refusal."""
    match = _TENANT.match(parent)
    if match is None:
        raise Refusal(RefusalCode.INVALID, "expected tenants/{tenant}", field="parent", reason="BAD_NAME")
    return match[1]


def is_tenant(name: str) -> bool:
    """Whether a tenant may have this name."""
    match = _TENANT.match(f"tenants/{name}")
    return match is not None and match[1] == name
