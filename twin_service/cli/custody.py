"""`twin verify`, `anchor`, `keys`, `migrate`: what keeps stored rows whole, and unreadable to those without keys."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings; TWIN_* variables win.")]
KeyFile = Annotated[Path, typer.Option("--file", help="Key file; readable by its owner only.")]
keys = typer.Typer(no_args_is_help=True, help="Keys that sign and seal what is stored; they live outside the database.")

audit = typer.Typer(no_args_is_help=True, help="Who read and changed whose data, when and why.")


def register(app: typer.Typer) -> None:
    """Add these commands to `twin`."""
    for command in (migrate, verify, anchor):
        app.command()(command)
    app.add_typer(keys, name="keys")
    app.add_typer(audit, name="audit")


def migrate(
    config: Config = None,
    *,
    plain: Annotated[bool, typer.Option("--plain", help="Take signatures and seals off all rows.")] = False,
) -> None:
    """Bring the database to the schema of this version, and its rows to the keys in use (verified first)."""
    from twin_service.settings import load
    from twin_service.store.adopt import migrate as run

    typer.echo(run(load(config), plain=plain))


def verify(
    config: Config = None,
    *,
    anchor: Annotated[Path | None, typer.Option("--anchor", help="Signed heads written by `twin anchor`.")] = None,
) -> None:
    """Check every stored row against signatures, chains and tallies, and say how much was checked.

    Exit code 0: whole; 1: altered, missing or put back; 2: refused (keys, settings); 3: the file is damaged;
    4: there is no database.
    """
    from twin_service.settings import load
    from twin_service.store.anchor import against_anchor
    from twin_service.store.verify import Integrity, check

    settings = load(config)
    found = check(settings)
    findings = list(found.findings)
    readable = found.integrity in (Integrity.INTACT, Integrity.TAMPERED)
    if anchor is not None and readable:
        findings += against_anchor(settings, anchor)
    for finding in findings:
        typer.echo(finding, err=True)
    how = f"signed with {found.key_id}" if found.key_id else "no keys: edits with recomputed digests are not seen"
    if readable:
        counted = ", ".join(f"{n} {table}" for table, n in found.counts.items()) or "no rows"
        typer.echo(f"checked {counted} ({how}{', sealed' if found.seals else ''})")
    result = found.integrity if not findings or not readable else Integrity.TAMPERED
    typer.echo(f"{len(findings)} findings: {result.name.lower()}")
    raise typer.Exit(result.value)


def anchor(
    out: Annotated[Path, typer.Option("--out", help="File to write; keep it where the database's owner cannot.")],
    config: Config = None,
) -> None:
    """Write the signed heads of every chain, by which `twin verify --anchor` finds what was cut off later."""
    import time

    from twin_service.settings import load
    from twin_service.store.anchor import export_anchor

    typer.echo(f"{export_anchor(load(config), out, time.time_ns() // 1000)} heads written to {out}")


@audit.command("export")
def export_audit(
    tenant: Annotated[str, typer.Option(help="Whose trail.")],
    *,
    out: Annotated[Path, typer.Option("--out", help="File of FHIR R4 AuditEvent resources, one a line.")],
    patient: Annotated[str, typer.Option(help="One patient's entries only.")] = "",
    since: Annotated[datetime | None, typer.Option(help="From this time on (UTC).")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this time (UTC).")] = None,
    config: Config = None,
) -> None:
    """Write a tenant's trail as FHIR AuditEvent resources (NDJSON)."""
    import os

    from twin_service.service.audit_event import export
    from twin_service.settings import load

    low = _microseconds(since) or 0
    written = 0
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        for line in export(load(config), tenant, patient, from_us=low, until_us=_microseconds(until)):
            file.write(f"{line}\n")
            written += 1
    typer.echo(f"{written} entries written to {out}")


def _microseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.replace(tzinfo=UTC).timestamp() * 1e6)


@keys.command("new")
def new(file: KeyFile) -> None:
    """Write fresh keys to a file that does not exist yet."""
    from twin_service.outcome import Refusal, RefusalCode
    from twin_service.store.keys import new_keys, write_key_file

    if file.exists():
        raise Refusal(RefusalCode.EXISTS, "the file exists; `twin keys rotate` adds keys to it", field=str(file))
    write_key_file(file, new_keys())
    typer.echo(f"keys written to {file}; set TWIN_KEYS=file:{file} and keep a copy apart from the backups of the data")


@keys.command("rotate")
def rotate(file: KeyFile) -> None:
    """Put fresh keys in front; then `twin keys apply` uses them everywhere, and `twin keys prune` drops the old."""
    from twin_service.store.keys import read_key_file, rotated, write_key_file

    fresh = rotated(read_key_file(file))
    write_key_file(file, fresh)
    typer.echo(f"now signing with {fresh.signing_id}, wrapping with {fresh.wrapping_id}")


@keys.command("apply")
def apply(config: Config = None) -> None:
    """Sign every row and wrap every data key with the keys in use (servers stopped); rows are verified first."""
    migrate(config)


@keys.command("prune")
def prune(file: KeyFile) -> None:
    """Drop all keys but those in use: what only older ones open (old copies of data keys, too) is unreadable then."""
    from twin_service.store.keys import only_current, read_key_file, write_key_file

    kept = only_current(read_key_file(file))
    write_key_file(file, kept)
    typer.echo(f"kept {kept.signing_id} and {kept.wrapping_id}")


__all__ = ["register"]
