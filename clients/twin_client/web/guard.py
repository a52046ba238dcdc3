"""What every answer carries, and what is turned away before anything is asked.

No inline script or style, nothing from elsewhere, no framing except by hosts the operator names, no referrer, no cache.
Hosts are a list, so that a name that is made to point here (DNS rebinding) gets nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def content_policy(frame_hosts: Sequence[str] = ()) -> str:
    framed = " ".join(frame_hosts) or "'none'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        f"form-action 'self'; base-uri 'none'; frame-ancestors {framed}"
    )


class Guard:
    """ASGI middleware: known hosts in, safe headers out."""

    def __init__(self, app: ASGIApp, *, hosts: Sequence[str], frame_hosts: Sequence[str] = ()) -> None:
        self._app, self._hosts = app, frozenset(h.lower() for h in hosts)
        self._headers = {
            "content-security-policy": content_policy(frame_hosts),
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": "camera=(), microphone=(), geolocation=()",
        }
        if not frame_hosts:
            self._headers["x-frame-options"] = "DENY"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers[name] = value
                if "cache-control" not in headers:
                    headers["cache-control"] = "no-store"
            await send(message)

        if _host(Headers(scope=scope).get("host", "")) not in self._hosts:
            refusal = PlainTextResponse("this host name is not served here; see `twin web serve --host`", 421)
            await refusal(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)


def _host(given: str) -> str:
    """The name in a Host header, without its port."""
    if given.startswith("["):
        return given.partition("]")[0].lower() + "]"
    return given.partition(":")[0].lower()
