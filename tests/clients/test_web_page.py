"""The page by plain HTTP: what it shows, what it lets be written, and what must never leave it."""

from __future__ import annotations

import hashlib
import io
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("starlette", reason="the extra `web` is not installed")
httpx = pytest.importorskip("httpx", reason="httpx is not installed")

from tests.clients.live import live_address, live_web  # noqa: E402
from twin_client import TwinClient, dose, lab, mg, quantity  # noqa: E402
from twin_client.web.app import create_app  # noqa: E402
from twin_client.web.sealing import NotSealedHere, Sealer  # noqa: E402
from twin_client.web.ward import WebSettings  # noqa: E402

TOKEN, OTHER = "token-of-the-ward", "token-of-another-ward"
START = datetime(2024, 1, 1, tzinfo=UTC)
PATIENT = "baby-17"


@dataclass
class Place:
    """A served page with one patient whose second dose is held as said twice."""

    url: str
    client: TwinClient
    logged: io.StringIO

    def browser(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=120, follow_redirects=True)

    @contextmanager
    def signed_in(self, tenant: str = "test", token: str = TOKEN) -> Iterator[httpx.Client]:
        with self.browser() as web:
            web.post("/sign-in", data={"tenant": tenant, "token": token})
            yield web


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("page")
    tokens = folder / "tokens.toml"
    known = {TOKEN: "test", OTHER: "other"}
    lines = [f'{hashlib.sha256(t.encode()).hexdigest()} = "{tenant}"' for t, tenant in known.items()]
    tokens.write_text("[tokens]\n" + "\n".join(lines) + "\n")
    logged = io.StringIO()
    handler = logging.StreamHandler(logged)
    logging.getLogger().addHandler(handler)
    with live_address(folder, tenant_tokens=tokens) as server, TwinClient(server, "test", token=TOKEN) as client:
        client.create_twin(
            PATIENT, poppk="phenobarbital_neonate", epoch=START, covariates={"weight_kg": quantity(1.4, "kg")}
        )
        events = [dose(f"d{k}", START + timedelta(hours=12 * k), "phenobarbital", mg(4), route="iv") for k in range(4)]
        events.append(lab("l1", START + timedelta(hours=40), "phenobarbital", quantity(9.0, "mg/L")))
        client.twin(PATIENT, min_revision=client.record(PATIENT, events).timeline_revision)
        with live_web(create_app(WebSettings(server, bytes(range(64))))) as url:
            yield Place(url, client, logged)
    logging.getLogger().removeHandler(handler)


def csrf(page: str) -> str:
    return re.search(r'name="csrf" value="([^"]+)"', page)[1]  # type: ignore[index]


def link_of(page: str, patient: str = PATIENT) -> str:
    return re.search(rf'href="(/p/[^"]+)">{patient}<', page)[1]  # type: ignore[index]


def test_without_signing_in_there_is_nothing_to_see(place: Place) -> None:
    with place.browser() as web:
        for path in ("/", "/p/abc", "/p/" + Sealer(bytes(range(64))).hide("test", PATIENT)):
            answer = web.get(path)
            assert answer.url.path == "/sign-in" and PATIENT not in answer.text


@pytest.mark.parametrize(("tenant", "token"), [("test", "wrong"), ("test", OTHER), ("Test!", TOKEN), ("test", "")])
def test_a_token_the_service_does_not_know_opens_nothing(place: Place, tenant: str, token: str) -> None:
    with place.browser() as web:
        answer = web.post("/sign-in", data={"tenant": tenant, "token": token})
        assert answer.status_code == 401 and 'role="alert"' in answer.text and not web.cookies


def test_the_cookie_is_out_of_reach_and_holds_no_token(place: Place) -> None:
    with place.browser() as web:
        answer = web.post("/sign-in", data={"tenant": "test", "token": TOKEN}, follow_redirects=False)
        cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and TOKEN not in cookie


def test_the_work_list_says_who_needs_a_look_and_why(place: Place) -> None:
    with place.signed_in() as web:
        page = web.get("/").text
    assert "1 of 1 patients need a look" in page and "phenobarbital 9 mg/L is below the target of 15" in page


def test_a_patient_page_shows_the_course_and_says_nothing_in_title_or_address(place: Place) -> None:
    with place.signed_in() as web:
        answer = web.get(link_of(web.get("/").text))
    assert PATIENT not in str(answer.url) and "<title>Patient</title>" in answer.text
    for expected in ('class="curve"', 'class="reading"', "target 15 to 40", "Give nothing", "clearance", "As now"):
        assert expected in answer.text, expected
    measured = re.findall(r'class="mark measured"[^>]*><title>([^<]+)', answer.text)
    assert measured == ["9 mg/L, 2 Jan 2024 16:00 UTC, measured"]


def test_policy_forbids_what_the_page_does_not_need(place: Place) -> None:
    with place.signed_in() as web:
        answers = [web.get("/"), web.get(link_of(web.get("/").text)), web.get("/static/page.js"), web.get("/none")]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy and policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy and answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"
    for page in answers[:2]:
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|https?://(?!www\.w3\.org)", page.text)


def test_what_if_answers_with_numbers_of_the_service(place: Place) -> None:
    with place.signed_in() as web:
        link = link_of(web.get("/").text)
        form = {"csrf": csrf(web.get(link).text), "drug": "phenobarbital", "route": "iv"}
        form |= {"mg": "8", "interval": "12", "over": "0", "delay": "8", "scale": "log"}
        answer = web.post(f"{link}/what-if", data=form, headers={"x-fragment": "1"})
        whole = web.post(f"{link}/what-if", data=form)
        bad = web.post(f"{link}/what-if", data=form | {"mg": "much"})
    assert "8 mg phenobarbital into a vein every 12 h" in answer.text and "<html" not in answer.text
    assert "8 mg phenobarbital into a vein every 12 h" in whole.text and "<html" in whole.text
    assert bad.status_code == 400 and "mg: expected a number" in bad.text


def test_the_ranking_holds_to_give_nothing_and_can_be_computed_again(place: Place) -> None:
    with place.signed_in() as web:
        link = link_of(web.get("/").text)
        form = {"csrf": csrf(web.get(link).text), "amounts": "4, 8, 12", "intervals": "12, 24"}
        page = web.post(f"{link}/ranking", data=form, headers={"x-fragment": "1"}).text
        answer = re.search(r'name="answer" value="([^"]+)"', page)[1]  # type: ignore[index]
        again = web.post(f"{link}/again", data={"csrf": form["csrf"], "answer": answer}, headers={"x-fragment": "1"})
    assert "Give nothing" in page and "recommended" in page and "7 regimens considered" in page
    assert "digit for digit" in again.text


@pytest.mark.parametrize("path", ["what-if", "ranking", "harms", "again", "record", "confirm", "share"])
def test_a_form_of_another_site_does_nothing(place: Place, path: str) -> None:
    before = place.client.twin(PATIENT).twin.meta.timeline_revision
    with place.signed_in() as web:
        link = link_of(web.get("/").text)
        for token in ("", "x" * 43):
            assert web.post(f"{link}/{path}", data={"csrf": token}).status_code == 403
    assert place.client.twin(PATIENT).twin.meta.timeline_revision == before


def test_a_held_dose_is_shown_with_its_reason_and_recorded_by_one_click(place: Place) -> None:
    with place.signed_in() as web:
        link = link_of(web.get("/").text)
        key = csrf(web.get(link).text)
        form = {"csrf": key, "what": "dose:phenobarbital:iv", "value": "4", "unit": "mg", "over": "0"}
        held = web.post(f"{link}/record", data=form | {"time": "2024-01-02T12:05"}).text
        assert "Held, not recorded" in held and "urgent" in web.get("/").text
        event = re.search(r'name="event" value="([^"]+)"', held)[1]  # type: ignore[index]
        before = [e.event.id for e in place.client.events(PATIENT)]
        assert event not in before
        done = web.post(f"{link}/confirm", data={"csrf": key, "event": event, "do": "confirm"}).text
        assert "Held, not recorded" not in done
        assert event in [e.event.id for e in place.client.events(PATIENT)]
        curve = re.compile(r'class="median" d="([^"]+)"')
        assert curve.search(held)[1] != curve.search(done)[1]  # type: ignore[index]
        assert web.post(f"{link}/confirm", data={"csrf": key, "event": event, "do": "drop"}).status_code == 400


def test_what_the_service_refuses_is_told_and_not_kept(place: Place) -> None:
    with place.signed_in() as web:
        link = link_of(web.get("/").text)
        form = {"csrf": csrf(web.get(link).text), "what": "level:phenobarbital", "value": "9", "unit": "h"}
        answer = web.post(f"{link}/record", data=form | {"time": "2024-01-02T20:00"})
        assert answer.status_code == 400 and "Not recorded" in answer.text
        assert "Held, not recorded" not in web.get(link).text


def test_a_sharing_link_shows_one_patient_and_writes_nothing(place: Place) -> None:
    with place.signed_in() as web:
        link = link_of(web.get("/").text)
        key = csrf(web.get(link).text)
        page = web.post(f"{link}/share", data={"csrf": key, "hours": "1"}).text
        shared = re.search(r'value="http[^"]+(/s/[^"]+)"', page)[1]  # type: ignore[index]
        assert PATIENT not in shared and TOKEN not in shared
    with place.browser() as guest:
        seen = guest.get(shared)
        assert PATIENT in seen.text and "read only" in seen.text and "<form" not in seen.text
        assert guest.get("/").url.path == link
        other = Sealer(bytes(range(64))).hide("test", "baby-18")
        assert guest.get(f"/p/{other}").status_code == 404
        assert guest.post(f"{link}/record", data={"csrf": key}).status_code == 403
    with place.browser() as stranger:
        for changed in (shared[:-1] + ("A" if shared[-1] != "A" else "B"), shared.replace(".", ".9", 1)):
            assert stranger.get(changed).status_code == 401 and not stranger.cookies


def test_a_ticket_opens_one_browser_once(place: Place) -> None:
    with place.browser() as ehr:
        asked = {"tenant": "test", "patient": PATIENT}
        path = ehr.post("/tickets", json=asked, headers={"authorization": f"Bearer {TOKEN}"}).json()["path"]
        assert ehr.post("/tickets", json=asked).status_code == 401
        assert ehr.post("/tickets", json=asked, headers={"authorization": f"Bearer {OTHER}"}).status_code == 401
    with place.browser() as web:
        assert "Course and what if" in web.get(path).text
    with place.browser() as late:
        assert late.get(path).status_code == 401


def test_links_are_of_their_tenant_and_a_changed_one_is_none(place: Place) -> None:
    with place.signed_in() as web:
        link = link_of(web.get("/").text)
        assert web.get(link[:-1] + ("A" if link[-1] != "A" else "B")).status_code == 404
        assert web.get("/p/none").status_code == 404
    with place.signed_in("other", OTHER) as stranger:
        assert stranger.get(link).status_code == 404
    sealer = Sealer(bytes(64))
    assert sealer.show("a", sealer.hide("a", "p-1")) == "p-1"
    with pytest.raises(NotSealedHere):
        sealer.show("b", sealer.hide("a", "p-1"))


def test_signing_out_ends_the_session_here(place: Place) -> None:
    with place.signed_in() as web:
        cookies = dict(web.cookies)
        web.post("/sign-out", data={"csrf": csrf(web.get("/").text)})
    with httpx.Client(base_url=place.url, cookies=cookies) as again:
        assert again.get("/").status_code == 303


def test_another_host_name_is_not_served(place: Place) -> None:
    with place.browser() as web:
        assert web.get("/", headers={"host": "evil.example"}).status_code == 421


def test_nothing_that_was_logged_names_a_patient_or_a_token(place: Place) -> None:
    """Runs last in this file: everything above was asked by now."""
    assert PATIENT not in place.logged.getvalue() and TOKEN not in place.logged.getvalue()
