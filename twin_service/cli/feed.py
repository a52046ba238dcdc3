"""Commands that bring records in: `twin ingest`, `twin check-site`, `twin hl7 listen`. They call the client."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twin_service.cli.figures import Json
from twin_service.outcome import Refusal, RefusalCode

if TYPE_CHECKING:
    from twin_client import TwinClient
    from twin_client.ehr.site import Site, TwinModel

hl7 = typer.Typer(no_args_is_help=True, help="HL7 v2 messages.")

Server = Annotated[str, typer.Option("--server", help="Address of the twin service.")]
Tenant = Annotated[str, typer.Option("--tenant", help="Whose patients these are.")]
Authority = Annotated[
    Path | None, typer.Option("--tls-ca", help="PEM authority of the server; without it the channel is plain.")
]
SiteFile = Annotated[Path | None, typer.Option("--site", help="Site map (TOML): the words of this hospital.")]
Drugs = Annotated[str, typer.Option("--drugs", help="Make missing twins of these PBPK drugs, separated by commas.")]
Poppk = Annotated[str, typer.Option("--poppk", help="Make missing twins of this population model.")]
Effects = Annotated[str, typer.Option("--effects", help="Effect models of the twins made, separated by commas.")]


def register(app: typer.Typer, bench: typer.Typer) -> None:
    """Add this module's commands."""
    bench.command("doors")(bench_doors)
    app.command()(ingest)
    app.command()(pull)
    app.command("check-site")(check_site)
    app.add_typer(hl7, name="hl7")


def ingest(
    source: Annotated[Path, typer.Argument(help="Folder, file, or - for standard input.")],
    server: Server = "127.0.0.1:50051",
    tenant: Tenant = "default",
    tls_ca: Authority = None,
    site: SiteFile = None,
    drugs: Drugs = "",
    poppk: Poppk = "",
    effects: Effects = "",
    trust_requests: Annotated[
        bool, typer.Option(help="Orders stand for doses where nothing says what was given.")
    ] = False,
    target_lesions: Annotated[str, typer.Option(help="Lesions chosen at baseline, separated by commas.")] = "",
    watch: Annotated[bool, typer.Option(help="Stay, and read files as they arrive.")] = False,
    json_file: Json = None,
) -> None:
    """Take FHIR files into twins: exactly once, resumable, nothing moved; what became of each entry is told.

    The bearer token, where the server asks for one, is read from TWIN_TOKEN. Exit code 1: a file was refused.
    """
    _needs("ijson", "fhir.resources")
    from twin_client.ehr.ingest import Options
    from twin_service.cli.ingesting import run

    words = _site(site)
    options = Options(words, trust_requests, _names(target_lesions))
    with _client(server, tenant, tls_ca) as client:
        report = run(source, client, _model(words, drugs, poppk, effects), options, watch=watch)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report.as_json, indent=1) + "\n")
    raise typer.Exit(1 if any(f.error for f in report.files) else 0)


def pull(
    base: Annotated[str, typer.Argument(help="Base address of the FHIR server, https://...")],
    mark: Annotated[Path, typer.Option(help="File that keeps up to when the server was read.")] = Path("fhir-mark"),
    client_id: Annotated[str, typer.Option(help="Client id (SMART Backend Services); none: no token.")] = "",
    key: Annotated[Path | None, typer.Option(help="PEM private key of the client.")] = None,
    key_id: Annotated[str, typer.Option(help="Id of that key in the client's key set.")] = "",
    algorithm: Annotated[str, typer.Option(help="ES384 or RS384.")] = "ES384",
    every: Annotated[float, typer.Option(help="Seconds between rounds; 0: one round.")] = 0.0,
    server: Server = "127.0.0.1:50051",
    tenant: Tenant = "default",
    tls_ca: Authority = None,
    site: SiteFile = None,
    drugs: Drugs = "",
    poppk: Poppk = "",
    effects: Effects = "",
) -> None:
    """Ask a FHIR server for what was updated since the last round, and take it into twins."""
    _needs("ijson", "fhir.resources")
    from twin_client.ehr.backend import Credentials, FhirServer
    from twin_client.ehr.ingest import Options
    from twin_service.cli.ingesting import run_pull

    if bool(client_id) != (key is not None):
        raise _refused("a client id and its key go together", "--key")
    who = Credentials(client_id, key.read_text(), key_id, algorithm) if key is not None else None
    words = _site(site)
    with _client(server, tenant, tls_ca) as client:
        source = FhirServer(base, who)
        run_pull(source, mark, every, client, _model(words, drugs, poppk, effects), Options(words))


@hl7.command("listen")
def listen(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 2575,
    server: Server = "127.0.0.1:50051",
    tenant: Tenant = "default",
    tls_ca: Authority = None,
    site: SiteFile = None,
    drugs: Drugs = "",
    poppk: Poppk = "",
    effects: Effects = "",
    trust_requests: Annotated[
        bool, typer.Option(help="Orders (RDE) stand for doses; administrations are held.")
    ] = False,
    held: Annotated[Path, typer.Option(help="File of what was held, a line each.")] = Path("hl7-held.ndjson"),
    certificate: Annotated[Path | None, typer.Option("--tls-certificate", help="PEM chain: listen with TLS.")] = None,
    key: Annotated[Path | None, typer.Option("--tls-key", help="PEM key of the listener.")] = None,
    client_ca: Annotated[Path | None, typer.Option("--tls-client-ca", help="Senders need a certificate of it.")] = None,
    accept_tests: Annotated[bool, typer.Option(help="Take messages marked as training or debugging too.")] = False,
    allow_plain: Annotated[bool, typer.Option(help="Listen beyond loopback without TLS.")] = False,
) -> None:
    """Listen for HL7 v2 over MLLP (ORU, RAS, RDE, ADT); a message is acknowledged when its events are durable."""
    _needs("hl7", "fhir.resources")
    from twin_client.ehr.feed import Sender
    from twin_client.ehr.hl7v2.listener import Desk, tls_context
    from twin_client.ehr.ingest import Options
    from twin_service.cli.listening import run

    if (certificate is None) != (key is None):
        raise _refused("a certificate and its key go together", "--tls-key")
    if certificate is None and host not in ("127.0.0.1", "::1", "localhost") and not allow_plain:
        raise _refused(f"{host} lies beyond loopback: give --tls-certificate and --tls-key, or --allow-plain", "--host")
    words = _site(site)
    tls = tls_context(certificate, key, client_ca) if certificate is not None and key is not None else None
    with _client(server, tenant, tls_ca, timeout_s=15.0) as client:
        sender = Sender(client, _model(words, drugs, poppk, effects))
        run(Desk(sender, Options(words, trust_requests), held, accept_tests), host, port, tls)


@hl7.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(help="Messages, one a file.", exists=True, dir_okay=False)],
    site: SiteFile = None,
    accept_tests: Annotated[bool, typer.Option(help="Take messages marked as training or debugging too.")] = False,
) -> None:
    """Say what messages would give, and what would be held and why, without sending anything; 1: one is refused."""
    _needs("hl7", "fhir.resources")
    from twin_client.ehr.hl7v2.message import RejectedError, parse
    from twin_client.ehr.hl7v2.read import check_header, read_message
    from twin_client.ehr.ingest import Options

    words, refused = _site(site), 0
    for path in files:
        try:
            message = parse(path.read_bytes(), words.character_set)
            check_header(message, accept_tests=accept_tests)
            letter = read_message(message, Options(words))
        except RejectedError as error:
            refused += 1
            typer.echo(f"{path.name}: refused (AR {error.code[0]}, {error.place}): {error.message}")
            continue
        typer.echo(f"{path.name}: {len(letter.events)} events, {len(letter.held)} held")
        for one in letter.held:
            typer.echo(f"  {one.resource}: {one.reason}; {one.remedy}")
        for note in letter.notes:
            typer.echo(f"  {note.resource}: {note.said}")
    raise typer.Exit(1 if refused else 0)


def check_site(path: Annotated[Path, typer.Argument(help="Site map (TOML).", exists=True, dir_okay=False)]) -> None:
    """Explain every mistake in a site map; exit code 1 when there is one."""
    from twin_client.ehr.site import SiteMapError, read_site

    try:
        found = read_site(path)
    except SiteMapError as error:
        for fault in error.faults:
            typer.echo(fault, err=True)
        typer.echo(f"{len(error.faults)} errors")
        raise typer.Exit(1) from None
    words = len(found.codes) + len(found.units) + len(found.routes) + len(found.drugs)
    typer.echo(f"0 errors; {found.id}: {words} words mapped")


def bench_doors(
    json_file: Json = None,
    part: Annotated[list[str] | None, typer.Option("--part", help="Only this door; may be said again.")] = None,
    bundles: Annotated[Path | None, typer.Option("--bundles", help="A folder of further FHIR bundles.")] = None,
) -> None:
    """FHIR, HL7 v2 and the other doors of the ward: accounted for, resolved, lost, doubled, a second."""
    from twin_service.cli.figures import write_figures
    from twin_service.demo.doors.run import Where, run
    from twin_service.qualification.reference import reference_folder

    write_figures(
        run(lambda line: typer.echo(line, err=True), Where(reference_folder(), bundles), part or ()), json_file
    )


def _needs(*modules: str) -> None:
    """Raises Refusal when an optional package is absent."""
    missing = [m for m in modules if find_spec(m) is None]
    if missing:
        said = f"{', '.join(missing)} is not installed; pip install 'twin-service[ehr]'"
        raise Refusal(RefusalCode.UNSUPPORTED, said)


def _site(path: Path | None) -> Site:
    from twin_client.ehr.site import Site, SiteMapError, read_site

    try:
        return read_site(path) if path is not None else Site()
    except OSError as error:
        raise _refused(f"the site map cannot be read: {error.strerror}", "--site") from None
    except SiteMapError as error:
        raise _refused("; ".join(error.faults), "--site") from None


def _model(site: Site, drugs: str, poppk: str, effects: str) -> TwinModel:
    from twin_client.ehr.site import TwinModel

    said = TwinModel(tuple(_names(drugs)), poppk, tuple(_names(effects)))
    return said or site.twin


def _client(server: str, tenant: str, authority: Path | None, *, timeout_s: float = 120.0) -> TwinClient:
    import grpc

    from twin_client import TwinClient

    tls = grpc.ssl_channel_credentials(authority.read_bytes()) if authority is not None else None
    return TwinClient(server, tenant, token=os.environ.get("TWIN_TOKEN", ""), tls=tls, timeout_s=timeout_s)


def _names(text: str) -> list[str]:
    return [n.strip() for n in text.split(",") if n.strip()]


def _refused(message: str, field: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, message, field=field)
