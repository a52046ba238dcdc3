"""Names that say nothing: a patient's name in a URL is sealed, so that no log, history or title shows it.

AES-SIV (RFC 5297): deterministic, so a link can be kept; authenticated, so a changed one is no link at all.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

KEY_BYTES = 64


class NotSealedHere(Exception):
    """The text was not made by this key, or was changed."""


class Sealer:
    """Seals names under one key of 64 bytes; another key makes other links."""

    def __init__(self, key: bytes) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the key has {len(key)} bytes, expected {KEY_BYTES} (head -c {KEY_BYTES} /dev/urandom)")
        self._siv = AESSIV(key)
        self._mac = hashlib.sha256(b"twin links" + key).digest()

    def hide(self, tenant: str, patient: str) -> str:
        """The patient as a URL may show it: letters that only this service can read."""
        return _text(self._siv.encrypt(patient.encode(), [tenant.encode()]))

    def show(self, tenant: str, hidden: str) -> str:
        """The patient of `hide`; raises NotSealedHere."""
        try:
            return self._siv.decrypt(_bytes(hidden), [tenant.encode()]).decode()
        except (InvalidTag, ValueError) as error:
            raise NotSealedHere from error

    def sign(self, text: str) -> str:
        """`text` with a signature after its last dot."""
        return f"{text}.{self._signature(text)}"

    def signed(self, given: str) -> str:
        """The text of `sign`; raises NotSealedHere."""
        text, _, signature = given.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature(text).encode()):
            raise NotSealedHere
        return text

    def _signature(self, text: str) -> str:
        return _text(hmac.new(self._mac, text.encode(), hashlib.sha256).digest())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text.encode("ascii", "strict") + b"=" * (-len(text) % 4))
