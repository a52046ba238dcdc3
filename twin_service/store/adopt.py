"""Brings a database to this version: its schema first, then the signatures and seals of its rows."""

from __future__ import annotations

from twin_service.outcome import Refusal, RefusalCode
from twin_service.settings import Settings
from twin_service.store.connect import lock_file, parse_url, writer_engine
from twin_service.store.migrate import migrate_url, take_turn
from twin_service.store.protect import bring, is_empty, mismatch, protection_of
from twin_service.store.vault import Vault, vault_at
from twin_service.store.verify import check_connection


def migrate(settings: Settings, *, adopt: bool = True, plain: bool = False) -> str:
    """Bring the database of `settings` to the newest schema and its keys; a sentence that says what was done.

    `adopt`: rows that are there and not signed are verified and signed; else they are refused, so that no start of a
    server makes altered rows good. `plain`: take signatures and seals off again (before a downgrade).
    Raises Refusal.
    """
    said = migrate_url(settings.database_url)
    given = vault_at(settings.keys, seals=settings.encrypt)
    url = parse_url(settings.database_url)
    lock, engine = lock_file(url), writer_engine(url)
    try:
        with engine.begin() as connection:
            take_turn(connection)
            found = protection_of(connection)
            wanted = Vault(None) if plain else given
            if found is not None and not mismatch(found, wanted) and wanted.key_id == found.key_id:
                return said
            rotated = found is not None and not mismatch(found, wanted)
            if not adopt and rotated:
                return said  # the older key is still held
            if not adopt and wanted.signs and not is_empty(connection):
                said = mismatch(found, wanted)
                raise Refusal(RefusalCode.PRECONDITION, said, field="keys", reason="PROTECTION")
            old = vault_at(settings.keys, seals=found.seals) if found is not None and found.key_id else Vault(None)
            connection.execution_options(vault=old)
            altered = check_connection(connection).findings
            if altered:
                said = (
                    f"{len(altered)} rows do not verify ({altered[0]}); nothing was changed: restore, or `twin verify`"
                )
                raise Refusal(RefusalCode.PRECONDITION, said, field="database_url", reason="STORE_ALTERED")
            bring(connection, old, wanted)
    finally:
        engine.dispose()
        if lock is not None:
            lock.close()
    return f"{said}; rows {_words(wanted)}"


def _words(vault: Vault) -> str:
    if not vault.signs:
        return "counted, not signed (no keys)"
    return f"signed with {vault.key_id}" + (", contents sealed" if vault.seals else ", contents not sealed")
