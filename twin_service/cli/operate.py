"""`twin backup`, `restore`, `config`, `doctor`: what an operator runs beside the server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings; TWIN_* variables win.")]


def register(app: typer.Typer) -> None:
    """Add these commands to `twin`."""
    for command in (backup, restore, config, doctor):
        app.command()(command)


def backup(
    out: Annotated[Path, typer.Argument(help="File to write; its data keys go beside it, NAME.keys.")],
    config: Config = None,
) -> None:
    """Copy the database while it serves. Keep NAME.keys apart and only the newest of it: who is erased is gone then."""
    from twin_service.settings import load
    from twin_service.store.backup import backup as run

    copy, keys = run(load(config).database_url, out)
    typer.echo(f"{copy} ({copy.stat().st_size} bytes), keys {keys} ({keys.stat().st_size} bytes)")


def restore(
    copy: Annotated[Path, typer.Argument(help="A file that `twin backup` wrote.")],
    *,
    keys: Annotated[Path | None, typer.Option("--keys", help="Its data keys; none: NAME.keys beside it.")] = None,
    config: Config = None,
) -> None:
    """Put a copy where the settings say the database is (nothing may be there), then verify every row."""
    from twin_service.settings import load
    from twin_service.store.backup import restore as run
    from twin_service.store.verify import check

    settings = load(config)
    run(settings.database_url, copy, keys)
    found = check(settings)
    for finding in found.findings:
        typer.echo(finding, err=True)
    counted = ", ".join(f"{n} {table}" for table, n in found.counts.items()) or "no rows"
    typer.echo(f"restored and checked {counted}: {found.integrity.name.lower()}")
    raise typer.Exit(found.integrity.value)


def config(config: Config = None) -> None:
    """Every setting in force, and where it comes from; an unknown TWIN_ variable or key is refused."""
    from rich.console import Console
    from rich.table import Table

    from twin_service.settings import effective

    table = Table("setting", "value", "from", box=None)
    for setting in effective(config):
        table.add_row(setting.name, setting.value, setting.source)
    Console().print(table)


def doctor(config: Config = None) -> None:
    """Look at what a server needs before it starts: settings, identity, keys, database, space, extras."""
    from twin_service.service.doctor import examine
    from twin_service.settings import load

    failed = 0
    for finding in examine(load(config)):
        failed += finding.is_fault
        mark = "fault" if finding.is_fault else "ok" if finding.is_good else "note"
        typer.echo(f"{mark:6}{finding.about}: {finding.text}", err=finding.is_fault)
    raise typer.Exit(1 if failed else 0)
