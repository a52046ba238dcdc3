"""SMART Backend Services: a FHIR server asked over HTTPS with a signed assertion, page by page.

SMART App Launch 2.2, "Backend Services": discovery (.well-known/smart-configuration), JWT assertion (RS384 or ES384,
at most 5 minutes, one jti each), client_credentials, bearer token. FHIR R4 search: _lastUpdated, _count, link "next".
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

import jwt

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE_S = 240
EARLY_S = 30.0
ATTEMPTS, WAIT_MAX_S = 5, 60.0
PAGE_BYTES_MAX = 64 << 20


class PullError(Exception):
    """The FHIR server did not answer as it must; the sentence says what was asked and what to do."""


@dataclass(frozen=True)
class Credentials:
    """Who asks: client id, private key (PEM) with its algorithm and key id, and the scopes wanted."""

    client_id: str
    private_key: str
    key_id: str
    algorithm: str = "ES384"
    scopes: str = "system/*.rs"


@dataclass
class _Token:
    value: str = ""
    until: float = 0.0


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would carry the token to whoever it names."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


@dataclass(frozen=True)
class FhirServer:
    """One FHIR server, asked with `credentials`; None: without a token (an open server on a test bench)."""

    base: str
    credentials: Credentials | None = None
    timeout_s: float = 60.0
    _token: _Token = field(default_factory=_Token)

    def pages(self, kind: str, query: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Every page (a searchset Bundle) of a search. Raises PullError."""
        url = f"{self.base.rstrip('/')}/{kind}?{urlencode(query)}"
        seen: set[str] = set()
        while url:
            if url in seen:
                raise PullError(f"the pages of {kind} go in a circle; ask the server's operator")
            seen.add(url)
            page = self._get(url)
            if page.get("resourceType") != "Bundle":
                raise PullError(f"the search for {kind} was answered with a {page.get('resourceType')}")
            yield page
            links = [str(link.get("url")) for link in page.get("link") or () if link.get("relation") == "next"]
            url = urljoin(url, links[0]) if links else ""
            if url and urlsplit(url)[:2] != urlsplit(self.base)[:2]:
                raise PullError(f"the next page of {kind} lies on another server; the token is not sent there")

    def _get(self, url: str) -> dict[str, Any]:
        """A page, tried again while the server is busy; a token it no longer takes is renewed once."""
        renewed = False
        for attempt in range(ATTEMPTS):
            headers = {"Accept": "application/fhir+json", **self._authorization()}
            try:
                return self._answer(Request(url, headers=headers))
            except HTTPError as error:
                if error.code == 401 and not renewed and self.credentials is not None:
                    renewed, self._token.until = True, 0.0
                elif error.code in (429, 502, 503, 504) and attempt + 1 < ATTEMPTS:
                    time.sleep(_asked_wait(error, attempt))
                else:
                    raise PullError(f"HTTP {error.code} for {urlsplit(url).path}") from None
            except (URLError, TimeoutError, ConnectionError):
                if attempt + 1 == ATTEMPTS:
                    raise PullError(f"{urlsplit(self.base).netloc} does not answer") from None
                time.sleep(2.0**attempt / 4)
        raise PullError(f"{urlsplit(self.base).netloc} stays busy")

    def _authorization(self) -> dict[str, str]:
        if self.credentials is None:
            return {}
        if time.time() > self._token.until:
            self._renew(self.credentials)
        return {"Authorization": f"Bearer {self._token.value}"}

    def _renew(self, who: Credentials) -> None:
        """A new token for a new assertion; each assertion is used once."""
        try:
            about = self._answer(Request(f"{self.base.rstrip('/')}/.well-known/smart-configuration"))
            endpoint = str(about["token_endpoint"])
            form = {
                "grant_type": "client_credentials",
                "scope": who.scopes,
                "client_assertion_type": ASSERTION,
                "client_assertion": assertion(who, endpoint, time.time()),
            }
            answer = self._answer(Request(endpoint, urlencode(form).encode()))
            self._token.value = str(answer["access_token"])
            self._token.until = time.time() + float(answer.get("expires_in", 300)) - EARLY_S
        except HTTPError as error:
            raise PullError(f"no token: HTTP {error.code}; check client id, key and scopes") from None
        except (URLError, KeyError, ValueError):
            raise PullError("no token: the server's SMART configuration or its answer is not as expected") from None

    def _answer(self, request: Request) -> dict[str, Any]:
        with build_opener(_NoRedirect).open(request, timeout=self.timeout_s) as response:
            content = response.read(PAGE_BYTES_MAX + 1)
        if len(content) > PAGE_BYTES_MAX:
            raise PullError(f"a page larger than {PAGE_BYTES_MAX >> 20} MB; ask for fewer resources a page")
        try:
            found = json.loads(content)
        except ValueError:
            raise PullError("the answer is not JSON; ask for application/fhir+json") from None
        if not isinstance(found, dict):
            raise PullError("the answer is no JSON object")
        return found


def assertion(who: Credentials, endpoint: str, now: float) -> str:
    """The signed statement of who asks: iss and sub are the client, aud the token endpoint, each jti new."""
    claims = {
        "iss": who.client_id,
        "sub": who.client_id,
        "aud": endpoint,
        "iat": int(now),
        "exp": int(now) + LIFE_S,
        "jti": str(uuid.uuid4()),
    }
    return jwt.encode(claims, who.private_key, algorithm=who.algorithm, headers={"kid": who.key_id})


def _asked_wait(error: HTTPError, attempt: int) -> float:
    asked = str(error.headers.get("Retry-After") or "")
    return min(float(asked) if asked.isdigit() else 2.0**attempt, WAIT_MAX_S)
