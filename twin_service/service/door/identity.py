"""Who calls: a token of an identity provider (JWT), a client certificate, or a static token for development.

A server that listens beyond loopback must choose one of them. Every identity speaks for one tenant and holds scopes,
from its roles or from SMART-style scopes (`system/*.read`). Tokens are verified once and remembered until they end.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import grpc
import jwt

from twin_service.library.files import parse_toml
from twin_service.outcome import Refusal, RefusalCode
from twin_service.service.door.lane import CallerScope
from twin_service.service.door.name import is_tenant
from twin_service.service.door.status import Unauthenticated
from twin_service.settings import Settings
from twin_service.store.errors import StoreUnavailable

ALGORITHMS = ("RS384", "ES384")
REMEMBERED_MAX = 10_000
REFRESH_S = 2.0
LEEWAY_S = 30.0
BREAK_GLASS = "twin-break-glass"
_R, _W = CallerScope.PATIENT_READ, CallerScope.PATIENT_WRITE
ROLES: Mapping[str, frozenset[CallerScope]] = {
    "clinician": frozenset({_R, _W, CallerScope.LIBRARY}),
    "integrator": frozenset({_R, _W, CallerScope.PATIENT_ERASE, CallerScope.LIBRARY}),
    "statistician": frozenset({CallerScope.TRIAL, CallerScope.OPERATION, CallerScope.LIBRARY}),
    "operator": frozenset({CallerScope.LIBRARY, CallerScope.OPERATION}),
    "auditor": frozenset({CallerScope.AUDIT, CallerScope.LIBRARY}),
}
SMART: Mapping[str, frozenset[CallerScope]] = {
    "read": frozenset({_R, CallerScope.LIBRARY}),
    "rs": frozenset({_R, CallerScope.LIBRARY}),
    "write": frozenset({_W}),
    "cud": frozenset({_W}),
    "*": frozenset({_R, _W, CallerScope.LIBRARY}),
}
EVERYTHING = frozenset(CallerScope)


@dataclass(frozen=True)
class Who:
    """A caller. `tenant` None: any tenant (no identity is configured, on loopback only)."""

    actor: str
    tenant: str | None
    scopes: frozenset[CallerScope]
    breaks_glass: bool = False

    def check(self, scope: CallerScope) -> None:
        """Raises Refusal (DENIED) for a scope the caller does not hold."""
        if scope not in self.scopes:
            said = f"this needs the scope {scope.value}, which this caller does not hold"
            raise Refusal(RefusalCode.DENIED, said, reason="SCOPE", details={"scope": scope.value})


ANYONE = Who("anonymous", None, EVERYTHING)


class IdentitySource(Protocol):
    """One way to tell who calls; None: the call carries nothing of this kind."""

    def who(self, context: grpc.ServicerContext) -> Who | None: ...


class Identities:
    """The sources of one server, asked in order."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.time) -> None:
        self._sources: list[IdentitySource] = []
        if settings.oidc_issuer:
            self._sources.append(Tokens(settings, clock))
        if settings.tls_client_names is not None:
            self._sources.append(Certificates(settings.tls_client_names))
        if settings.tenant_tokens is not None:
            self._sources.append(StaticTokens(settings.tenant_tokens))

    @property
    def configured(self) -> bool:
        return bool(self._sources)

    def identify(self, context: grpc.ServicerContext) -> Who:
        """Raises Unauthenticated for a caller no source knows."""
        if not self._sources:
            return ANYONE
        for source in self._sources:
            found = source.who(context)
            if found is not None:
                return _glass_broken(found, context)
        raise Unauthenticated("send 'authorization: Bearer <token>' with a token this server knows")


def _glass_broken(who: Who, context: grpc.ServicerContext) -> Who:
    """Emergency access to one's own tenant's patients, with a reason that goes into the audit."""
    reason = str(dict(context.invocation_metadata()).get(BREAK_GLASS, ""))[:64]
    if not reason or not who.breaks_glass:
        return who
    return Who(f"{who.actor} break-glass", who.tenant, who.scopes | {_R, _W})


def bearer(context: grpc.ServicerContext) -> str:
    """The bearer token of a call, or nothing."""
    given = next((str(v) for k, v in context.invocation_metadata() if k == "authorization"), "")
    scheme, _, token = given.partition(" ")
    return token if scheme.lower() == "bearer" else ""


class StaticTokens:
    """Tokens for development, known by their SHA-256 only: `[tokens]` digest = tenant or {tenant, roles, subject}."""

    def __init__(self, path: Path) -> None:
        self._known = _table(path, "tokens", "tenant_tokens")
        if any(len(k) != 64 for k in self._known):
            raise _wrong("tenant_tokens", "the token file needs a table [tokens] of SHA-256 (64 hex digits) to tenant")

    def who(self, context: grpc.ServicerContext) -> Who | None:
        token = bearer(context)
        return self._known.get(hashlib.sha256(token.encode()).hexdigest()) if token else None


class Certificates:
    """Client certificates by common name: `[names]` name = tenant or {tenant, roles, subject}."""

    def __init__(self, path: Path) -> None:
        self._known = _table(path, "names", "tls_client_names")

    def who(self, context: grpc.ServicerContext) -> Who | None:
        names = [bytes(b).decode(errors="replace") for b in context.auth_context().get("x509_common_name", ())]
        return next((self._known[n] for n in names if n in self._known), None)


class Tokens:
    """JSON web tokens of one issuer, signed with RS384 or ES384 by a key of its set (JWKS), which may rotate."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self._issuer, self._audience = settings.oidc_issuer, settings.oidc_audience
        self._tenant_claim, self._roles_claim = settings.oidc_tenant_claim, settings.oidc_roles_claim
        self._clock = clock
        if not settings.oidc_jwks:
            raise _wrong("oidc_jwks", "say where the issuer's keys are (https://.../jwks)")
        self._keys = jwt.PyJWKClient(settings.oidc_jwks, cache_jwk_set=True, lifespan=300, timeout=5)
        self._looked = float("-inf")
        self._state = threading.Lock()
        self._remembered: OrderedDict[str, tuple[float, Who]] = OrderedDict()

    def who(self, context: grpc.ServicerContext) -> Who | None:
        token = bearer(context)
        if token.count(".") != 2:
            return None
        digest = hashlib.sha256(token.encode()).hexdigest()
        with self._state:
            ends, known = self._remembered.get(digest, (0.0, ANYONE))
        if ends > self._clock():
            return known
        claims = self._verified(token)
        found = self._of(claims)
        with self._state:
            self._remembered[digest] = (float(str(claims["exp"])), found)
            while len(self._remembered) > REMEMBERED_MAX:
                self._remembered.popitem(last=False)
        return found

    def _verified(self, token: str) -> Mapping[str, object]:
        try:
            claims: dict[str, object] = jwt.decode(
                token,
                self._key(token),
                algorithms=list(ALGORITHMS),
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWKClientConnectionError:
            said = "the keys of the identity provider cannot be read; try again"
            raise StoreUnavailable("IDENTITY_UNREACHABLE", said) from None
        except jwt.PyJWTError as error:
            raise Unauthenticated(f"the token is not valid here: {type(error).__name__}") from None
        return claims

    def _key(self, token: str) -> jwt.PyJWK:
        """The key the token names. An unknown name looks the set up again, at most every `REFRESH_S` seconds."""
        kid = jwt.get_unverified_header(token).get("kid")
        keys = {k.key_id: k for k in self._keys.get_signing_keys()}
        if kid and kid not in keys and time.monotonic() - self._looked > REFRESH_S:
            self._looked = time.monotonic()
            keys = {k.key_id: k for k in self._keys.get_signing_keys(refresh=True)}
        if kid not in keys:
            raise jwt.InvalidKeyError("no such key")
        return keys[kid]

    def _of(self, claims: Mapping[str, object]) -> Who:
        tenant = claims.get(self._tenant_claim)
        if not isinstance(tenant, str) or not is_tenant(tenant):
            raise Unauthenticated(f"the token names no tenant in its claim {self._tenant_claim}")
        roles = _words(claims.get(self._roles_claim))
        granted = _scopes(roles) | _smart(_words(claims.get("scope")))
        return Who(f"user:{claims['sub']}"[:120], tenant, granted, "break-glass" in roles)


def _words(value: object) -> list[str]:
    if isinstance(value, str):
        return value.split()
    return [str(v) for v in value] if isinstance(value, list | tuple) else []


def _scopes(roles: list[str]) -> frozenset[CallerScope]:
    return frozenset().union(*(ROLES.get(r, frozenset()) for r in roles))


def _smart(scopes: list[str]) -> frozenset[CallerScope]:
    """`system/*.read`, `user/Observation.rs` and the service's own names; anything else grants nothing."""
    own = {s.value: s for s in CallerScope}
    found: set[CallerScope] = {own[s] for s in scopes if s in own}
    for scope in scopes:
        context, _, right = scope.partition("/")
        if context in ("system", "user"):
            found |= SMART.get(right.partition("?")[0].rpartition(".")[2], frozenset())
    return frozenset(found)


def _table(path: Path, name: str, field: str) -> dict[str, Who]:
    """Identities of a TOML file; raises Refusal that names the setting."""
    table = parse_toml(path, field).get(name, {})
    if not isinstance(table, dict) or not table:
        raise _wrong(field, f"the file needs a table [{name}] with at least one entry")
    return {key: _entry(key, value, field) for key, value in table.items()}


def _entry(key: str, value: object, field: str) -> Who:
    given = value if isinstance(value, dict) else {"tenant": value}
    tenant, roles = given.get("tenant"), given.get("roles")
    unknown = [r for r in _words(roles) if r not in ROLES and r != "break-glass"]
    if not isinstance(tenant, str) or not is_tenant(tenant) or unknown:
        raise _wrong(field, f"expected a tenant, or tenant and roles among {', '.join(ROLES)}")
    granted = EVERYTHING if roles is None else _scopes(_words(roles))
    actor = str(given.get("subject", f"tenant:{tenant}"))[:120]
    return Who(actor, tenant, granted, "break-glass" in _words(roles))


def _wrong(field: str, said: str) -> Refusal:
    return Refusal(RefusalCode.INVALID, said, field=field, reason="SETTINGS")
