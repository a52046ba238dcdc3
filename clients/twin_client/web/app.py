"""The ASGI application: the page, its writes, and JSON over HTTP beside it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from twin_client.web import desk, visits, writes
from twin_client.web.connect import BODY_BYTES_MAX, HttpAnswer, too_large
from twin_client.web.guard import Guard
from twin_client.web.ward import HERE, Ward, WebSettings


def create_app(settings: WebSettings) -> Starlette:
    """The application over one service; close it by its lifespan."""
    ward = Ward(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        yield
        ward.close()

    routes = [
        Route("/", desk.work_list),
        Route("/p/{hidden}", desk.patient),
        Route("/s/{link}", visits.shared),
        Route("/p/{hidden}/what-if", desk.what_if, methods=["POST"]),
        Route("/p/{hidden}/ranking", desk.ranked, methods=["POST"]),
        Route("/p/{hidden}/harms", desk.harms, methods=["POST"]),
        Route("/p/{hidden}/without", desk.without, methods=["POST"]),
        Route("/p/{hidden}/again", desk.again, methods=["POST"]),
        Route("/p/{hidden}/record", writes.record, methods=["POST"]),
        Route("/p/{hidden}/confirm", writes.confirm, methods=["POST"]),
        Route("/p/{hidden}/share", writes.share, methods=["POST"]),
        Route("/sign-in", visits.sign_in, methods=["GET", "POST"]),
        Route("/sign-out", visits.sign_out, methods=["POST"]),
        Route("/tickets", visits.ticket, methods=["POST"]),
        Route("/enter/{ticket}", visits.enter),
        Mount("/static", StaticFiles(directory=HERE / "static")),
        *(Route(path, _remote, methods=["POST"]) for path in ward.gateway.paths),
        Route("/{service}/{method}", _remote, methods=["POST"]),
    ]
    guard = Middleware(Guard, hosts=settings.hosts, frame_hosts=settings.frame_hosts)
    app = Starlette(routes=routes, lifespan=lifespan, middleware=[guard])
    app.state.ward = ward
    return app


async def _remote(request: Request) -> Response:
    """One call of the contract as JSON; cookies are not looked at, so no other site can make a browser ask."""
    ward: Ward = request.app.state.ward
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            return _response(too_large())
    headers = {k.lower(): v for k, v in request.headers.items()}
    return _response(await run_in_threadpool(ward.gateway.answer, request.url.path, headers, bytes(body)))


def _response(answer: HttpAnswer) -> Response:
    return Response(answer.body, answer.status, answer.headers)
