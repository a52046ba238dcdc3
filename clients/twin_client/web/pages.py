"""How a request becomes a page: its session, its patient, its form, and the words when something cannot be shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from functools import wraps

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response, StreamingResponse

from twin_client.errors import ClientError
from twin_client.web.plans import BadForm
from twin_client.web.sealing import NotSealedHere
from twin_client.web.sessions import SESSION_S, WebSession
from twin_client.web.ward import Ward

COOKIE = "twin_session"
FLUSH = "<!-- more -->"
STATUS = {
    "NOT_FOUND": 404,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 409,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
Form = dict[str, str]
Answering = Callable[["Asked"], Response]


def ward_of(request: Request) -> Ward:
    found: Ward = request.app.state.ward
    return found


class Asked:
    """One request of a visitor: who, of which patient, with which form."""

    def __init__(self, request: Request, session: WebSession, form: Form) -> None:
        self.request, self.session, self.form = request, session, form
        self.ward = ward_of(request)
        self.client, self.memory = self.ward.client(session)

    @property
    def hidden(self) -> str:
        return str(self.request.path_params["hidden"])

    @property
    def patient(self) -> str:
        """Raises NotSealedHere."""
        return self.ward.sealer.show(self.session.tenant, self.hidden)

    @property
    def twin(self) -> str:
        return self.client.name_of(self.patient)

    @property
    def fragment(self) -> bool:
        """Whether the page's own script asks, which needs the changed part only."""
        return self.request.headers.get("x-fragment") == "1"

    def page(self, template: str, *, status: int = 200, **words: object) -> Response:
        return page(self.request, template, status=status, session=self.session, **words)


def session_of(request: Request) -> WebSession | None:
    """The visitor's session; where the service asks for no identity, one of the open tenant."""
    ward: Ward = request.app.state.ward
    return ward.sessions.find(request.cookies.get(COOKIE, ""))


def leave_cookie(answer: Response, session: WebSession, secure: bool) -> None:
    answer.set_cookie(
        COOKIE, session.id, max_age=int(SESSION_S), path="/", httponly=True, samesite="lax", secure=secure
    )


def progressive(asked: Asked, template: str, **words: object) -> Response:
    """A page sent in parts: what stands before each mark is on its way while the rest is still being asked for."""
    given = {"session": asked.session, "notice": "", **words}
    return StreamingResponse(_parts(asked.ward, template, given), media_type="text/html")


def _parts(ward: Ward, template: str, given: dict[str, object]) -> Iterator[str]:
    ready: list[str] = []
    for piece in ward.pages.get_template(template).generate(given):
        ready.append(piece)
        if FLUSH in piece:
            yield "".join(ready)
            ready = []
    yield "".join(ready)


def said(error: ClientError) -> str:
    """A refusal in one sentence."""
    return error.message + "".join(
        f" [{f.path}] {f.description}" for f in error.faults if f.description not in error.message
    )


def page(request: Request, template: str, *, status: int = 200, **words: object) -> Response:
    ward: Ward = request.app.state.ward
    given = {"session": None, "notice": "", **words}
    return HTMLResponse(ward.pages.get_template(template).render(given), status)


def visited(view: Answering) -> Callable[[Request], Awaitable[Response]]:
    """A view for those with a session; every form must come from a page of that session."""

    @wraps(view)
    async def guarded(request: Request) -> Response:
        session = session_of(request)
        fresh = None
        if session is None:
            fresh = _opened(request)
            if fresh is None or request.method != "GET":
                return RedirectResponse("/sign-in", 303)
            session = fresh
        form: Form = {}
        if request.method == "POST":
            form = {k: v for k, v in (await request.form()).items() if isinstance(v, str)}
            if not session.wrote(form.get("csrf", "")):
                return _trouble(request, 403, "This form did not come from your page. Load the page again.", session)
        answer = await run_in_threadpool(_answered, view, request, session, form)
        if fresh is not None:
            leave_cookie(answer, fresh, request.app.state.ward.settings.secure)
        return answer

    return guarded


def _opened(request: Request) -> WebSession | None:
    ward: Ward = request.app.state.ward
    return ward.sessions.open(ward.settings.open_tenant, "") if ward.settings.open_tenant else None


def _answered(view: Answering, request: Request, session: WebSession, form: Form) -> Response:
    try:
        return view(Asked(request, session, form))
    except NotSealedHere:
        return _trouble(request, 404, "There is no such page here. Open the patient from the work list.", session)
    except BadForm as fault:
        return _trouble(request, 400, str(fault), session)
    except ClientError as error:
        return _trouble(request, STATUS.get(error.code, 500), said(error), session)


def _trouble(request: Request, status: int, said: str, session: WebSession) -> Response:
    part = request.headers.get("x-fragment") == "1"
    return page(
        request, "trouble_part.html.j2" if part else "trouble.html.j2", status=status, session=session, said=said
    )
