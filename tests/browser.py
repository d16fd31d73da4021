"""A real browser for tests of pages: headless Chromium, which sees this machine alone."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Dialog, Page, Request, Route, sync_playwright
from playwright.sync_api import Error as PageError

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_LOCAL = ("127.0.0.1", "localhost")
_SERIOUS = ("serious", "critical")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; skips the test where there is none."""
    program = next((found for name in _NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("needs Chromium: sudo apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=_ARGUMENTS)
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, and what went wrong on it."""

    page: Page
    faults: list[str] = field(default_factory=list)
    """Errors and warnings of the console, and requests to other machines."""

    def said(self, message: ConsoleMessage) -> None:
        """The console has a line."""
        if message.type in ("error", "warning"):
            self.faults.append(f"{message.type}: {message.text}")

    def raised(self, error: PageError) -> None:
        """A script ended with an exception."""
        self.faults.append(f"exception: {error}")

    def asked(self, dialog: Dialog) -> None:
        """A script opened a box."""
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def check(self) -> None:
        """Raises AssertionError for any fault."""
        assert not self.faults, "\n".join(self.faults)

    def check_access(self) -> None:
        """Raises AssertionError for what keeps people with disabilities from using the page."""
        found = Axe().run(self.page).response["violations"]
        serious = [one for one in found if one["impact"] in _SERIOUS]
        assert not serious, "\n".join(
            f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
            for one in serious
        )

    def check_width(self) -> None:
        """Raises AssertionError if the page has to be scrolled sideways."""
        wide = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert wide <= 0, f"{self.page.url} is {wide} pixels wider than the window"


@contextmanager
def watched(browser: Browser, **options: Any) -> Iterator[Watched]:
    """A page in a window of its own. Requests to other machines fail, and are faults."""
    context = browser.new_context(**options)
    found = Watched(context.new_page())

    def only_here(route: Route, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme in ("http", "https", "ws", "wss") and address.hostname not in _LOCAL:
            found.faults.append(f"request to {request.url}")
            route.abort()
        else:
            route.continue_()

    context.route("**/*", only_here)
    page = found.page
    page.on("console", found.said)
    page.on("pageerror", found.raised)
    page.on("dialog", found.asked)
    try:
        yield found
    finally:
        context.close()
