"""Keys that live outside the database: one set signs what is stored, the other wraps the data key of each patient.

A provider holds them: a file or an environment variable (`LocalKeys`), or a key management service behind the same
protocol. Every signature and every wrapped key names its key, so that keys rotate: the newest is used, older ones
still verify and unwrap until they are taken out.

    [signing]                      [wrapping]
    current = "s1"                 current = "w1"
    keys.s1 = "base64, 32 bytes"   keys.w1 = "base64, 32 bytes"
"""

from __future__ import annotations

import base64
import importlib
import os
import re
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from twin_service.library.files import parse_text
from twin_service.outcome import Refusal, RefusalCode

KEY_BYTES = 32
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,15}\Z")  # with 43 letters of a signature it fits a column of 64


class KeyProvider(Protocol):
    """Where keys are. A key management service wraps and unwraps without showing its keys; the signing keys it hands
    out, because every stored row is signed."""

    @property
    def signing(self) -> Mapping[str, bytes]:
        """Signing keys by id."""
        ...

    @property
    def signing_id(self) -> str:
        """The one to sign with."""
        ...

    def wrap(self, data_key: bytes, about: bytes) -> tuple[str, bytes]:
        """(id of the wrapping key, wrapped key); `about` is bound to it."""
        ...

    def unwrap(self, key_id: str, wrapped: bytes, about: bytes) -> bytes:
        """Raises Refusal for a key that is not held, or bytes that were altered."""
        ...


@dataclass(frozen=True)
class LocalKeys:
    """Keys that this process holds."""

    signing: Mapping[str, bytes]
    signing_id: str
    wrapping: Mapping[str, bytes]
    wrapping_id: str

    def wrap(self, data_key: bytes, about: bytes) -> tuple[str, bytes]:
        nonce = secrets.token_bytes(12)
        sealed = AESGCM(self.wrapping[self.wrapping_id]).encrypt(nonce, data_key, about)
        return self.wrapping_id, nonce + sealed

    def unwrap(self, key_id: str, wrapped: bytes, about: bytes) -> bytes:
        if key_id not in self.wrapping:
            raise _wrong(f"the wrapping key {key_id} is not among the keys given; add it", "NO_WRAPPING_KEY")
        try:
            return AESGCM(self.wrapping[key_id]).decrypt(wrapped[:12], wrapped[12:], about)
        except InvalidTag:
            raise _wrong("a stored data key was altered, or its wrapping key is another one", "DATA_KEY") from None


def new_keys() -> LocalKeys:
    return LocalKeys({"s1": secrets.token_bytes(KEY_BYTES)}, "s1", {"w1": secrets.token_bytes(KEY_BYTES)}, "w1")


def rotated(keys: LocalKeys, *, signing: bool = True, wrapping: bool = True) -> LocalKeys:
    """A fresh key in front of each set; the older ones stay, until `twin keys apply` has replaced them everywhere."""
    if signing:
        name = _next(keys.signing, "s")
        keys = replace(keys, signing={**keys.signing, name: secrets.token_bytes(KEY_BYTES)}, signing_id=name)
    if wrapping:
        name = _next(keys.wrapping, "w")
        keys = replace(keys, wrapping={**keys.wrapping, name: secrets.token_bytes(KEY_BYTES)}, wrapping_id=name)
    return keys


def only_current(keys: LocalKeys) -> LocalKeys:
    """The keys in use alone: what older ones signed or wrapped, old backups of wrapped keys too, opens no more."""
    return LocalKeys(
        {keys.signing_id: keys.signing[keys.signing_id]},
        keys.signing_id,
        {keys.wrapping_id: keys.wrapping[keys.wrapping_id]},
        keys.wrapping_id,
    )


def provider_of(place: str) -> KeyProvider | None:
    """The provider a setting names: `file:PATH`, `env:NAME`, `python:MODULE:FACTORY`; none for an empty one.

    Raises Refusal that says what is wrong, without a key in it.
    """
    kind, _, rest = place.partition(":")
    if not place:
        return None
    if kind == "file" and rest:
        return read_key_file(Path(rest))
    if kind == "env" and rest:
        text = os.environ.get(rest)
        if text is None:
            raise _wrong(f"the environment variable {rest} with the keys is not set")
        return keys_of(text)
    module, _, factory = rest.partition(":")
    if kind == "python" and module and factory:
        try:
            return cast(KeyProvider, getattr(importlib.import_module(module), factory)())
        except (ImportError, AttributeError) as error:
            raise _wrong(f"no key provider {rest}: {type(error).__name__}") from None
    raise _wrong("expected file:PATH, env:NAME or python:MODULE:FACTORY")


def read_key_file(path: Path) -> LocalKeys:
    """Raises Refusal for a file that others can read."""
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            # a mounted secret is readable by its group; the world is too many
            if stat.S_IMODE(path.stat().st_mode) & 0o007:
                raise _wrong("everybody can read the key file; make it 0600 (or 0440 for a mounted secret)")
        return keys_of(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(f"the key file cannot be read: {type(error).__name__}") from None


def write_key_file(path: Path, keys: LocalKeys) -> None:
    """Replace the file at once, readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        out.write(text_of(keys))
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(path)


def text_of(keys: LocalKeys) -> str:
    lines = []
    for name, current, held in (
        ("signing", keys.signing_id, keys.signing),
        ("wrapping", keys.wrapping_id, keys.wrapping),
    ):
        lines += [f"[{name}]", f'current = "{current}"']
        lines += [f'keys.{i} = "{base64.b64encode(k).decode()}"' for i, k in held.items()]
    return "\n".join(lines) + "\n"


def keys_of(text: str) -> LocalKeys:
    """Keys as a key file says them; raises Refusal."""
    try:
        table = parse_text(text, "keys", "keys")
        sets = [_set(table[name]) for name in ("signing", "wrapping")]
    except (Refusal, KeyError, TypeError, ValueError, AttributeError):
        raise _wrong(
            "expected [signing] and [wrapping], each with `current` and `keys` (id = base64 of 32 bytes; ids of at "
            "most 16 lower-case letters, digits and hyphens); `twin keys new` writes such a file"
        ) from None
    (signing_id, signing), (wrapping_id, wrapping) = sets
    return LocalKeys(signing, signing_id, wrapping, wrapping_id)


def _set(table: Mapping[str, object]) -> tuple[str, dict[str, bytes]]:
    held = cast("Mapping[str, str]", table["keys"])
    keys = {i: base64.b64decode(k, validate=True) for i, k in held.items()}
    current = str(table["current"])
    if current not in keys or any(len(k) != KEY_BYTES for k in keys.values()) or not all(map(_ID.match, keys)):
        raise ValueError
    return current, keys


def _next(held: Mapping[str, bytes], letter: str) -> str:
    numbers = [int(i[1:]) for i in held if i[:1] == letter and i[1:].isdigit()]
    return f"{letter}{max(numbers, default=0) + 1}"


def _wrong(said: str, reason: str = "KEYS") -> Refusal:
    return Refusal(RefusalCode.PRECONDITION, said, field="keys", reason=reason)
