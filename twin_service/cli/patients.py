"""`twin patients`, `show`, `what-if`, `recommend` and `twin web serve`: what a ward asks. They call the client."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twin_service.outcome import Refusal, RefusalCode

if TYPE_CHECKING:
    import grpc
    from rich.console import Console

    from twin_client import TwinClient

web = typer.Typer(no_args_is_help=True, help="The page for a ward, and JSON over HTTP.")

Server = Annotated[str, typer.Option("--server", help="Address of the twin service.")]
Tenant = Annotated[str, typer.Option("--tenant", help="Whose patients these are.")]
Authority = Annotated[
    Path | None, typer.Option("--tls-ca", help="PEM authority of the service; without it the channel is plain.")
]
AsJson = Annotated[bool, typer.Option("--json", help="The service's answer as JSON instead of text.")]
Who = Annotated[str, typer.Argument(help="Patient id.")]
ADDRESS = "127.0.0.1:50051"


def register(app: typer.Typer) -> None:
    """Add these commands to `twin`."""
    app.command()(patients)
    app.command()(show)
    app.command("what-if")(what_if)
    app.command()(recommend)
    web.command("serve")(web_serve)
    app.add_typer(web, name="web")


def patients(
    server: Server = ADDRESS, tenant: Tenant = "default", tls_ca: Authority = None, as_json: AsJson = False
) -> None:
    """The work list: who needs a look, and why. The bearer token, where one is asked for, is read from TWIN_TOKEN."""
    from twin_client.web import terminal

    _asked(server, tenant, tls_ca, as_json, terminal.patients)


def show(
    patient: Who,
    server: Server = ADDRESS,
    tenant: Tenant = "default",
    tls_ca: Authority = None,
    as_json: AsJson = False,
) -> None:
    """One patient: what is given, measured against expected, and what was learned."""
    from twin_client.web import terminal

    _asked(server, tenant, tls_ca, as_json, lambda client, console: terminal.show(client, patient, console))


def what_if(
    patient: Who,
    dose: Annotated[float | None, typer.Option(help="Each dose, mg; without it: as now.", min=0.0)] = None,
    every: Annotated[float, typer.Option(help="Interval, h.", min=0.5)] = 24.0,
    over: Annotated[float, typer.Option(help="Length of each infusion, h.", min=0.0)] = 0.0,
    after: Annotated[float, typer.Option(help="First dose after, h.", min=0.0)] = 0.0,
    drug: Annotated[str, typer.Option(help="Drug; empty: what was last given.")] = "",
    route: Annotated[str, typer.Option(help="Route; empty: as last given.")] = "",
    server: Server = ADDRESS,
    tenant: Tenant = "default",
    tls_ca: Authority = None,
    as_json: AsJson = False,
) -> None:
    """A plan beside what is given now and beside nothing."""
    from twin_client.web import terminal

    def ask(client: TwinClient, console: Console) -> dict[str, object]:
        if dose is None:
            return terminal.what_if(client, patient, None, console)
        usual = terminal.default_route(client, patient)
        plan = terminal.plan_of((dose, every, over, after), drug or usual[0], route or usual[1])
        return terminal.what_if(client, patient, plan, console)

    _asked(server, tenant, tls_ca, as_json, ask)


def recommend(
    patient: Who,
    amounts: Annotated[str, typer.Option(help="Doses that can be dispensed, mg, separated by commas.")] = "",
    intervals: Annotated[str, typer.Option(help="Intervals, h, separated by commas.")] = "",
    low: Annotated[str, typer.Option(help="Lowest wanted trough; empty: as the model says.")] = "",
    high: Annotated[str, typer.Option(help="Highest wanted trough; empty: as the model says.")] = "",
    server: Server = ADDRESS,
    tenant: Tenant = "default",
    tls_ca: Authority = None,
    as_json: AsJson = False,
) -> None:
    """The regimens that can be dispensed, best first, with benefit, harm, utility and ties."""
    from twin_client.web import terminal

    given = {"amounts": amounts, "intervals": intervals, "low": low, "high": high}
    form = {k: v for k, v in given.items() if v}
    _asked(server, tenant, tls_ca, as_json, lambda client, console: terminal.recommend(client, patient, form, console))


def web_serve(
    server: Server = ADDRESS,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the page.")] = 8080,
    names: Annotated[list[str] | None, typer.Option("--name", help="Host names under which it is reached.")] = None,
    tenant: Annotated[str, typer.Option(help="Show this tenant without signing in (loopback only).")] = "",
    key: Annotated[
        Path | None, typer.Option(help="File of 64 random bytes that seal links; none: new at start.")
    ] = None,
    frame: Annotated[list[str] | None, typer.Option(help="Sites that may frame the page (an EHR).")] = None,
    https: Annotated[bool, typer.Option(help="A proxy encrypts: cookies only over HTTPS.")] = False,
    tls_ca: Authority = None,
) -> None:
    """Serve the work list, the patient pages, and every method as JSON over HTTP."""
    _needs("starlette", "uvicorn", "python_multipart")
    from twin_client.web.guard import LOOPBACK
    from twin_client.web.serve import key_of, serve
    from twin_client.web.ward import WebSettings

    beyond = host not in ("127.0.0.1", "::1", "localhost")
    if tenant and beyond:
        said = "a page without signing in would be open to the network; leave --tenant out, or listen on 127.0.0.1"
        raise Refusal(RefusalCode.INVALID, said, field="tenant")
    if beyond and not https:
        said = "tokens would cross the network unencrypted; put a proxy that encrypts before it and say --https"
        raise Refusal(RefusalCode.INVALID, said, field="https")
    hosts = (*LOOPBACK, host, *(names or ()))
    settings = WebSettings(server, key_of(key), tenant, hosts, tuple(frame or ()), https, _tls(tls_ca))
    serve(settings, host, port, typer.echo)


def _asked(
    server: str,
    tenant: str,
    tls_ca: Path | None,
    as_json: bool,
    ask: Callable[[TwinClient, Console], dict[str, object]],
) -> None:
    """Ask, print text or JSON; a refusal of the service or of what was typed is one line and exit code 2."""
    from rich.console import Console

    from twin_client import TwinClient
    from twin_client.errors import ClientError
    from twin_client.web.plans import BadForm

    console = Console(quiet=as_json)
    token = os.environ.get("TWIN_TOKEN", "")
    try:
        with TwinClient(server, tenant, token=token, tls=_tls(tls_ca), timeout_s=60.0) as client:
            found = ask(client, console)
    except (ClientError, BadForm) as error:
        typer.echo(f"refused: {error}", err=True)
        sys.exit(2)
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))


def _tls(ca: Path | None) -> grpc.ChannelCredentials | None:
    import grpc

    return None if ca is None else grpc.ssl_channel_credentials(ca.read_bytes())


def _needs(*packages: str) -> None:
    missing = [p for p in packages if find_spec(p) is None]
    if missing:
        said = f"{', '.join(missing)} not installed: pip install 'twin-service[web]'"
        raise Refusal(RefusalCode.UNSUPPORTED, said, field="web")
