"""Copies of a database, taken while it serves, and their return.

The wrapped data keys are no part of the copy: they go to a small file of their own (`NAME.keys`), which each backup
writes anew. Who is erased loses his key in the next one, and every older copy of the data is noise about him.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

from sqlalchemy.engine import URL

from twin_service.outcome import Refusal, RefusalCode
from twin_service.store.connect import is_sqlite, parse_url

KEYS = ".keys"
TABLE = "data_keys"


def keys_beside(copy: Path) -> Path:
    """Where the data keys of a copy are."""
    return copy.with_name(copy.name + KEYS)


def backup(url_text: str, out: Path) -> tuple[Path, Path]:
    """The copy and its keys. Raises Refusal when there is a file already, no database, or no `pg_dump`."""
    url, keys = parse_url(url_text), keys_beside(out)
    if out.exists():
        raise Refusal(RefusalCode.EXISTS, f"{out} exists; give a new name", field="out", reason="FILE_EXISTS")
    out.parent.mkdir(parents=True, exist_ok=True)
    if is_sqlite(url):
        _copy_file(Path(str(url.database)), out, keys)
    else:
        _run("pg_dump", url, "--format=custom", f"--exclude-table-data={TABLE}", f"--file={out}")
        keys.unlink(missing_ok=True)
        _run("pg_dump", url, "--format=custom", "--data-only", f"--table={TABLE}", f"--file={keys}")
    for path in (out, keys):
        os.chmod(path, 0o600)
    return out, keys


def restore(url_text: str, copy: Path, keys: Path | None = None) -> None:
    """Put a copy where `url_text` says; raises Refusal when something is there, or the copy cannot be read."""
    url, keys = parse_url(url_text), keys or keys_beside(copy)
    for path in (copy, keys):
        if not path.exists():
            raise Refusal(RefusalCode.NOT_FOUND, f"{path}: no such file", field="copy", reason="NO_FILE")
    if is_sqlite(url):
        _return_file(Path(str(url.database)), copy, keys)
    else:
        _refuse_used(url)
        _run(
            "pg_restore", url, "--exit-on-error", "--no-owner", "--single-transaction", "--dbname", dsn(url), str(copy)
        )
        _run(
            "pg_restore", url, "--exit-on-error", "--data-only", "--single-transaction", "--dbname", dsn(url), str(keys)
        )


def dsn(url: URL) -> str:
    """As PostgreSQL's own programs take it; the password goes by PGPASSWORD."""
    return url.set(drivername="postgresql", password=None).render_as_string()


def _copy_file(source: Path, out: Path, keys: Path) -> None:
    if not source.exists():
        raise Refusal(RefusalCode.NOT_FOUND, f"{source}: no such database", field="database_url", reason="NO_STORE")
    part = out.with_name(out.name + ".part")
    part.unlink(missing_ok=True)
    # read only: it neither writes nor checkpoints, so that a server may go on (see connect.py)
    with sqlite3.connect(f"file:{source}?mode=ro", uri=True) as live, sqlite3.connect(part) as made:
        live.backup(made)
    fresh = keys.with_name(keys.name + ".part")
    shutil.copyfile(part, fresh)
    _only(fresh, keep=True)
    _only(part, keep=False)
    os.replace(fresh, keys)
    os.replace(part, out)


def _only(path: Path, *, keep: bool) -> None:
    """Leave the data keys alone in the file, or take them out of it; what is deleted is overwritten."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA secure_delete=ON")
        names = [r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for name in names:
            if (name == TABLE) is not keep and not name.startswith("sqlite_"):
                connection.execute(f"DROP TABLE {name}" if keep else f"DELETE FROM {name}")
        connection.execute("VACUUM")
    finally:
        connection.close()


def _return_file(target: Path, copy: Path, keys: Path) -> None:
    if target.exists():
        said = f"{target} exists; move it away first: nothing is overwritten"
        raise Refusal(RefusalCode.EXISTS, said, field="database_url", reason="STORE_EXISTS")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    shutil.copyfile(copy, part)
    connection = sqlite3.connect(part, isolation_level=None)
    try:
        connection.execute("ATTACH DATABASE ? AS k", (str(keys),))
        connection.execute(f"INSERT INTO main.{TABLE} SELECT * FROM k.{TABLE}")
    except sqlite3.DatabaseError as error:
        raise Refusal(RefusalCode.INVALID, f"not a copy of ours: {error}", field="copy", reason="BAD_COPY") from None
    finally:
        connection.close()
    os.chmod(part, 0o600)
    os.replace(part, target)


def _refuse_used(url: URL) -> None:
    from sqlalchemy import create_engine, inspect

    engine = create_engine(url)
    try:
        used = inspect(engine).get_table_names()
    finally:
        engine.dispose()
    if used:
        said = f"the database has {len(used)} tables; restore into an empty one: nothing is overwritten"
        raise Refusal(RefusalCode.EXISTS, said, field="database_url", reason="STORE_EXISTS")


def _run(program: str, url: URL, *arguments: str) -> None:
    """One of PostgreSQL's programs; raises Refusal with what it said."""
    found = shutil.which(program)
    if found is None:
        said = f"{program} is not on the path: install PostgreSQL's client programs"
        raise Refusal(RefusalCode.PRECONDITION, said, field="database_url", reason="NO_PROGRAM")
    target = () if "--dbname" in arguments else (f"--dbname={dsn(url)}",)
    password = {"PGPASSWORD": str(url.password)} if url.password else {}
    done = subprocess.run([found, *arguments, *target], env={**os.environ, **password}, capture_output=True, text=True)
    if done.returncode:
        told = done.stderr.strip().splitlines()
        raise Refusal(RefusalCode.PRECONDITION, f"{program}: {told[-1] if told else 'failed'}", field="database_url")
