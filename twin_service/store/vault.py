"""Signs what is stored and seals what a patient said, each with keys the database does not hold.

    signature  = key id "." base64url(HMAC-SHA256(signing key, digest))        60 letters at most
    sealed     = nonce (12 bytes) AES-256-GCM(data key of the owner, plain text; bound to owner and column)
    data key   = 32 random bytes for each owner, kept wrapped in `data_keys`; erasing the owner deletes that row

An owner is a patient, or one stored question that belongs to no patient. Without keys (development) digests stay bare
SHA-256 and nothing is sealed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, Table, delete, insert, select, update

from twin_service.outcome import Refusal, RefusalCode
from twin_service.store.keys import KEY_BYTES, KeyProvider, provider_of
from twin_service.store.tables import DataKeyTable

DATA_KEYS: Table = DataKeyTable.__table__  # type: ignore[attr-defined]
REMEMBERED_MAX = 20_000
PATIENT = "patient"


class Owner(NamedTuple):
    """Whose key seals: a patient (`kind` "patient"), or one row of the named table."""

    tenant: str
    kind: str
    name: str

    @property
    def about(self) -> bytes:
        return "\0".join(self).encode()


class DataKey(NamedTuple):
    """The key of one owner: to seal with, and to make names unreadable that must be looked up."""

    cipher: AESGCM
    blinding: bytes


class Altered(Exception):
    """A sealed value that is not what was sealed."""


class Vault:
    """The keys of one open database. `seals`: contents are encrypted; `signs`: digests are keyed."""

    def __init__(self, provider: KeyProvider | None, *, seals: bool = True) -> None:
        self._provider = provider
        self.signs = provider is not None
        self.seals = seals and provider is not None
        self._state = threading.Lock()
        self._remembered: OrderedDict[Owner, DataKey] = OrderedDict()

    @property
    def key_id(self) -> str:
        """The signing key in use; "": none."""
        return self._provider.signing_id if self._provider is not None else ""

    def sign(self, digest: str) -> str:
        return self._signed(digest, self.key_id) if self._provider is not None else digest

    def holds(self, digest: str, stored: str) -> bool:
        """Whether `stored` is the signature of `digest`, by any key held."""
        if self._provider is None:
            return hmac.compare_digest(digest, stored)
        key_id = stored.partition(".")[0]
        return key_id in self._provider.signing and hmac.compare_digest(self._signed(digest, key_id), stored)

    def candidates(self, digest: str) -> list[str]:
        """What may be stored for `digest`: its signature by each key held, the present one first."""
        if self._provider is None:
            return [digest]
        return [self._signed(digest, i) for i in sorted(self._provider.signing, key=lambda i: i != self.key_id)]

    def number(self, key_id: str, text: str) -> int:
        """A number that only a holder of the key can tell; `key_id` "" without keys."""
        if not key_id:
            return int.from_bytes(hashlib.sha256(text.encode()).digest())
        if self._provider is None or key_id not in self._provider.signing:
            return 0
        return int.from_bytes(hmac.digest(self._provider.signing[key_id], f"tally:{text}".encode(), "sha256"))

    def create(self, connection: Connection, owner: Owner) -> None:
        """A data key for a new owner, known to this transaction only until it is committed."""
        if self._provider is None or not self.seals:
            return
        raw = secrets.token_bytes(2 * KEY_BYTES)
        key_id, wrapped = self._provider.wrap(raw, owner.about)
        connection.execute(insert(DATA_KEYS).values(**owner._asdict(), key_id=key_id, wrapped=wrapped))
        fresh(connection)[owner] = _data_key(raw)

    def destroy(self, connection: Connection, owners: Iterable[Owner]) -> None:
        """Delete data keys: what they sealed cannot be read any more, wherever copies of it are."""
        c = DATA_KEYS.c
        for owner in owners:
            connection.execute(
                delete(DATA_KEYS).where(c.tenant == owner.tenant, c.kind == owner.kind, c.name == owner.name)
            )
            fresh(connection).pop(owner, None)
            self.forget(owner)

    def forget(self, owner: Owner) -> None:
        with self._state:
            self._remembered.pop(owner, None)

    def key(self, connection: Connection, owner: Owner) -> DataKey | None:
        """The data key of `owner`; None: it has none (erased, or nothing was sealed for it yet)."""
        found = fresh(connection).get(owner)
        if found is None:
            with self._state:
                found = self._remembered.get(owner)
        return found or self._fetched(connection, owner)

    def rewrap(self, connection: Connection) -> int:
        """Wrap every data key anew with the present wrapping key; how many."""
        assert self._provider is not None
        rows = connection.execute(select(DATA_KEYS)).all()
        for row in rows:
            owner = Owner(row.tenant, row.kind, row.name)
            key_id, wrapped = self._provider.wrap(
                self._provider.unwrap(row.key_id, bytes(row.wrapped), owner.about), owner.about
            )
            c = DATA_KEYS.c
            connection.execute(
                update(DATA_KEYS)
                .where(c.tenant == row.tenant, c.kind == row.kind, c.name == row.name)
                .values(key_id=key_id, wrapped=wrapped)
            )
        return len(rows)

    def _fetched(self, connection: Connection, owner: Owner) -> DataKey | None:
        c = DATA_KEYS.c
        row = connection.execute(
            select(c.key_id, c.wrapped).where(c.tenant == owner.tenant, c.kind == owner.kind, c.name == owner.name)
        ).first()
        if row is None or self._provider is None:
            return None
        found = _data_key(self._provider.unwrap(row[0], bytes(row[1]), owner.about))
        with self._state:
            self._remembered[owner] = found
            while len(self._remembered) > REMEMBERED_MAX:
                self._remembered.popitem(last=False)
        return found

    def _signed(self, digest: str, key_id: str) -> str:
        assert self._provider is not None
        mac = hmac.digest(self._provider.signing[key_id], digest.encode(), "sha256")
        return f"{key_id}.{base64.urlsafe_b64encode(mac).decode().rstrip('=')}"


def vault_at(place: str, *, seals: bool = True) -> Vault:
    """The vault of the keys a setting names."""
    return Vault(provider_of(place), seals=seals)


def vault_of(connection: Connection) -> Vault:
    """The vault this connection was opened with; none: nothing is signed or sealed."""
    found = connection.get_execution_options().get("vault")
    return found if isinstance(found, Vault) else Vault(None)


def fresh(connection: Connection) -> dict[Owner, DataKey]:
    """Data keys made in the running transaction, which may yet be rolled back."""
    keys: dict[Owner, DataKey] = connection.info.setdefault("twin_fresh_keys", {})
    return keys


def seal(key: DataKey, place: bytes, data: bytes) -> bytes:
    nonce = secrets.token_bytes(12)
    return nonce + key.cipher.encrypt(nonce, data, place)


def unseal(key: DataKey, place: bytes, data: bytes) -> bytes:
    """Raises Altered."""
    try:
        return key.cipher.decrypt(data[:12], data[12:], place)
    except (InvalidTag, ValueError):
        raise Altered from None


def blind(key: DataKey, text: str) -> str:
    """A name that can be compared and not read."""
    return hmac.digest(key.blinding, text.encode(), "sha256").hex()


def altered() -> Refusal:
    return Refusal(
        RefusalCode.PRECONDITION, "a stored value was altered; run `twin verify`", field="store", reason="STORE_ALTERED"
    )


def _data_key(raw: bytes) -> DataKey:
    return DataKey(AESGCM(raw[:KEY_BYTES]), raw[KEY_BYTES:])
