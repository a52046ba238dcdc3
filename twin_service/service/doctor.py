"""What a server needs before it starts, looked at one by one: `twin doctor`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from twin_service.outcome import EXTRA_OF, Refusal
from twin_service.service.door.identity import Identities
from twin_service.service.server import check_identity
from twin_service.settings import Settings
from twin_service.store.connect import is_sqlite, parse_url
from twin_service.store.verify import Integrity, check


class Examined(NamedTuple):
    """One thing that was looked at. A fault keeps a server from starting or from being trusted."""

    about: str
    text: str
    is_fault: bool = False
    is_good: bool = True


def examine(settings: Settings) -> Iterator[Examined]:
    """Nothing is changed and nothing is started."""
    yield _identity(settings)
    yield _encryption(settings)
    yield from _store(settings)
    yield from _space(settings)
    yield from _extras()


def _identity(settings: Settings) -> Examined:
    try:
        identities = Identities(settings)
        check_identity(settings, identities)
    except (Refusal, OSError) as error:
        return Examined("identity", str(error), is_fault=True)
    if identities.configured:
        return Examined("identity", "callers are known")
    said = f"none: whoever reaches {settings.listen} may do anything"
    return Examined("identity", said, is_good=False)


def _encryption(settings: Settings) -> Examined:
    if not settings.keys:
        return Examined("keys", "none: rows are neither signed nor sealed; `twin keys new`", is_good=False)
    return Examined("keys", "rows are signed" + (" and sealed" if settings.encrypt else ", not sealed"))


def _store(settings: Settings) -> Iterator[Examined]:
    try:
        found = check(settings)
    except Refusal as refusal:
        yield Examined("store", refusal.message, is_fault=True)
        return
    if found.integrity is Integrity.ABSENT:
        said = found.findings[0] + ("; the server makes it" if settings.migrate_on_start else "; `twin migrate`")
        yield Examined("store", said, is_fault=not settings.migrate_on_start, is_good=False)
        return
    rows = sum(found.counts.values())
    whole = found.integrity is Integrity.INTACT
    said = f"{rows} rows checked: {found.integrity.name.lower()}"
    yield Examined("store", said if whole else f"{said}: {found.findings[0]}", is_fault=not whole)


def _space(settings: Settings) -> Iterator[Examined]:
    url = parse_url(settings.database_url)
    if not is_sqlite(url):
        return
    folder = Path(str(url.database)).parent
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    low = free < settings.disk_free_min_bytes
    yield Examined("space", f"{free / 1e9:.1f} GB free where the database is", is_fault=low)


def _extras() -> Iterator[Examined]:
    for extra in sorted(set(EXTRA_OF.values())):
        missing = [m for m, e in EXTRA_OF.items() if e == extra and find_spec(m) is None]
        if missing:
            said = f"{', '.join(missing)} not installed: pip install 'twin-service[{extra}]' if it is wanted"
            yield Examined(f"extra {extra}", said, is_good=False)
        else:
            yield Examined(f"extra {extra}", "installed")
