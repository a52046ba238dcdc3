"""Coming and going: sign in with a token, come by a link that works once, sign out.

The token is sent to this process once and kept there; the browser keeps a random number it cannot read by script.
"""

from __future__ import annotations

import json
import re

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from twin_client.errors import ClientError
from twin_client.web.pages import COOKIE, leave_cookie, page, session_of
from twin_client.web.sealing import NotSealedHere
from twin_client.web.sessions import WebSession
from twin_client.web.ward import Ward

TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
PATIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
TICKET_S = 120.0
TICKET_BODY_MAX = 4096


async def sign_in(request: Request) -> Response:
    ward: Ward = request.app.state.ward
    if request.method == "GET":
        return page(request, "sign_in.html.j2", said="")
    if not _same_site(request):
        return page(request, "sign_in.html.j2", status=403, said="Sign in from this page.")
    form = await request.form()
    tenant, token = str(form.get("tenant", "")).strip(), str(form.get("token", "")).strip()
    said = await run_in_threadpool(_refused, ward, tenant, token)
    if said:
        return page(request, "sign_in.html.j2", status=401, said=said)
    return entered(request, ward.sessions.open(tenant, token), "/")


def _refused(ward: Ward, tenant: str, token: str) -> str:
    """Why this token may not see this tenant; "" when it may. The service decides."""
    if not TENANT.fullmatch(tenant):
        return "The tenant is written in small letters, digits and hyphens."
    try:
        with ward.new_client(tenant, token) as client:
            next(client.twins(), None)
    except (ClientError, ValueError) as error:
        return error.message if isinstance(error, ClientError) else "The token holds letters no token has."
    return ""


async def sign_out(request: Request) -> Response:
    ward: Ward = request.app.state.ward
    session = session_of(request)
    form = await request.form()
    if session is not None and session.wrote(str(form.get("csrf", ""))):
        ward.sessions.close(session.id)
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax", secure=ward.settings.secure)
    return answer


async def ticket(request: Request) -> Response:
    """`POST /tickets` with a bearer token and `{"tenant", "patient"}`: a link for a browser, good once, two minutes."""
    ward: Ward = request.app.state.ward
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    body = await request.body() if int(request.headers.get("content-length") or 0) <= TICKET_BODY_MAX else b""
    try:
        asked = json.loads(body)
        tenant, patient = str(asked["tenant"]), str(asked.get("patient", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return JSONResponse({"code": "invalid_argument", "message": 'send {"tenant": ..., "patient": ...}'}, 400)
    if scheme.lower() != "bearer" or not token:
        return JSONResponse({"code": "unauthenticated", "message": "send authorization: Bearer <token>"}, 401)
    if patient and not PATIENT.fullmatch(patient):
        return JSONResponse({"code": "invalid_argument", "message": "patient: not a patient id"}, 400)
    said = await run_in_threadpool(_refused, ward, tenant, token)
    if said:
        return JSONResponse({"code": "unauthenticated", "message": said}, 401)
    made = ward.tickets.open(tenant, token, patient=patient, seconds=TICKET_S)
    return JSONResponse({"path": f"/enter/{made.id}", "seconds": TICKET_S})


async def enter(request: Request) -> Response:
    """A ticket becomes a session; it works once."""
    ward: Ward = request.app.state.ward
    id = str(request.path_params["ticket"])
    found = ward.tickets.find(id)
    ward.tickets.close(id)
    if found is None:
        return page(request, "sign_in.html.j2", status=401, said="This link was used or has ended; ask for a new one.")
    to = f"/p/{ward.sealer.hide(found.tenant, found.patient)}" if found.patient else "/"
    return entered(request, ward.sessions.open(found.tenant, found.token), to)


async def shared(request: Request) -> Response:
    """A sharing link: one patient, read only, until it ends. Who is signed in already sees the page as usual."""
    ward: Ward = request.app.state.ward
    try:
        id = ward.sealer.signed(str(request.path_params["link"])).partition(".")[0]
    except NotSealedHere:
        id = ""
    found = ward.sessions.find(id)
    if found is None or not found.read_only:
        return page(request, "sign_in.html.j2", status=401, said="This link has ended; ask for a new one.")
    to = f"/p/{ward.sealer.hide(found.tenant, found.patient)}"
    mine = session_of(request)
    if mine is not None and not mine.read_only and mine.tenant == found.tenant:
        return RedirectResponse(to, 303)
    return entered(request, found, to)


def entered(request: Request, session: WebSession, to: str) -> Response:
    """A redirect that leaves the cookie."""
    ward: Ward = request.app.state.ward
    answer = RedirectResponse(to, 303)
    leave_cookie(answer, session, ward.settings.secure)
    return answer


def _same_site(request: Request) -> bool:
    """A form of another site may not sign a browser in as somebody else."""
    return request.headers.get("sec-fetch-site", "same-origin") in ("same-origin", "none")
