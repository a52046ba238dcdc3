"""A clinician's walk through the page in a real browser: work list, patient, what-if, ranking, confirm."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

WHAT_IFS = 30
WAIT_MS = 60_000
GRAVE = ("serious", "critical")


@dataclass
class Walked:
    """What the walk saw. `serious` None: accessibility was not looked at."""

    paint_ms: list[float] = field(default_factory=list)
    what_if_ms: list[float] = field(default_factory=list)
    serious: list[str] | None = None
    console: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    storage: int = 0
    course_changed: bool = False
    held_before: int = 0
    held_after: int = 0
    recommended: str = ""


def walk(address: str, patient: str, chromium: str, axe: Path | None, out: Path | None) -> Walked:
    """Walk as a wide light page, then look at the same pages narrow and dark."""
    found = Walked(serious=None if axe is None else [])
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        _wide(browser, address, patient, _Eye(axe, out, found))
        _narrow(browser, address, patient, _Eye(axe, out, found))
        browser.close()
    return found


class _Eye:
    """Looks at a page: its picture, its accessibility."""

    def __init__(self, axe: Path | None, out: Path | None, found: Walked) -> None:
        self._axe = axe.read_text() if axe is not None else ""
        self._out, self.found = out, found

    def look(self, page: Page, state: str) -> None:
        self.found.titles.append(page.title())
        if self._out is not None:
            self._out.mkdir(parents=True, exist_ok=True)
            page.screenshot(path=self._out / f"page-{state}.png", full_page=True)
        if self._axe and self.found.serious is not None:
            # through the debugger, so that the page's own policy on scripts stays in force
            page.evaluate(self._axe)
            told = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            self.found.serious += [
                f"{state}: {v['id']} {v['nodes'][0]['html'][:120]}" for v in told["violations"] if v["impact"] in GRAVE
            ]

    def paint(self, page: Page) -> None:
        script = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1"
        page.wait_for_function(f"({script}) > 0", timeout=WAIT_MS)
        self.found.paint_ms.append(page.evaluate(script))


def _wide(browser: Browser, address: str, patient: str, eye: _Eye) -> None:
    page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
    page.set_default_timeout(WAIT_MS)
    page.on("console", lambda m: eye.found.console.append(m.text) if m.type == "error" else None)
    page.goto(address)
    eye.paint(page)
    eye.look(page, "1-work-list")
    page.get_by_role("link", name=patient, exact=True).click()
    page.wait_for_selector("#course svg")
    eye.paint(page)
    eye.look(page, "2-patient")
    _what_ifs(page, eye)
    page.get_by_role("button", name="Rank", exact=True).click()
    page.wait_for_selector("#ranking table")
    eye.found.recommended = page.locator("#ranking tr.chosen th").first.inner_text()
    eye.look(page, "4-recommendation")
    page.get_by_role("button", name="How may what is given harm?").click()
    page.wait_for_selector("#harms table, #harms .alert")
    eye.look(page, "5-harms")
    _confirm(page, eye)
    eye.found.storage = page.evaluate("localStorage.length + sessionStorage.length")


def _what_ifs(page: Page, eye: _Eye) -> None:
    """Move the dose slider by keyboard, and wait for each answer."""
    slider = page.locator("input[name=mg]")
    for _ in range(WHAT_IFS):
        before = int(page.locator("#course").get_attribute("data-count") or 0)
        slider.press("ArrowRight")
        page.wait_for_selector(f'#course[data-count="{before + 1}"]')
        eye.found.what_if_ms.append(float(page.locator("#course").get_attribute("data-answered") or 0))
    eye.look(page, "3-what-if")


def _confirm(page: Page, eye: _Eye) -> None:
    """The held dose is true: one click, and the course is another."""
    page.reload()
    page.wait_for_selector("#course svg")
    eye.found.held_before = page.locator(".held").count()
    before = page.locator("#course path.median").first.get_attribute("d")
    page.get_by_role("button", name="It is true: record it").first.click()
    page.wait_for_load_state("load")
    page.wait_for_selector("#course svg")
    eye.found.held_after = page.locator(".held").count()
    eye.found.course_changed = before != page.locator("#course path.median").first.get_attribute("d")
    eye.look(page, "6-confirmed")


def _narrow(browser: Browser, address: str, patient: str, eye: _Eye) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    page.goto(address)
    eye.look(page, "7-work-list-narrow")
    for who, state in ((patient, "8-patient-narrow"), ("oncology-1", "9-oncology-narrow")):
        page.goto(address)
        page.get_by_role("link", name=who, exact=True).click()
        page.wait_for_selector("#course svg")
        eye.look(page, state)
    page.emulate_media(media="print", color_scheme="light")
    if eye._out is not None:
        page.pdf(path=eye._out / "page-print.pdf", format="A4")
