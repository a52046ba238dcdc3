"""Resource names: `tenants/{tenant}/...`."""

from __future__ import annotations

import re

from twin_service.service.wire.path import invalid

_TENANT = re.compile(r"^tenants/([a-z0-9][a-z0-9-]{0,62})(/|$)")


def tenant_of(parent: str) -> str:
    """The tenant in `tenants/{tenant}` or below it; raises Refusal."""
    match = _TENANT.match(parent)
    if match is None:
        raise invalid("expected tenants/{tenant}", "parent", "BAD_NAME")
    return match[1]
