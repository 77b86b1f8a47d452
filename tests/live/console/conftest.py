"""The console in Debian's Chromium, driven by Playwright: `console` is a page of it with `alice` signed in.

A test fails by itself for whatever `Watch` tells of; `expected_errors` says before what is meant to happen.
"""

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, Playwright, expect, sync_playwright

from tests.conftest import PASSWORD
from tests.live.chromium import PROGRAM
from tests.live.console.watch import Watch
from tests.live.server import LiveServer
from tests.missing import missing

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio")
PATIENCE_MILLISECONDS = 60_000
"""For what a test waits for: a busy machine is no fault."""
START_MILLISECONDS = 180_000
"""For a browser to start in."""
AS_USUAL: dict[str, Any] = {
    "locale": "en-US", "timezone_id": "UTC", "color_scheme": "light", "reduced_motion": "reduce",
    "viewport": {"width": 1280, "height": 800},
}  # fmt: skip


class MakeContext(Protocol):
    """Makes a session of its own at a server, which is watched; `at` is where it is reached if that is elsewhere.
    `options` are those of Playwright's `new_context`.
    """

    def __call__(
        self, server: LiveServer | None = None, /, *, at: str | None = None, **options: Any
    ) -> BrowserContext: ...


class OpenConsole(Protocol):
    """Opens a page of the console in a session of its own, with an account signed in, or with None."""

    def __call__(
        self, path: str = "/", *, account: str | None = "alice", server: LiveServer | None = None, **options: Any
    ) -> Page: ...


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Of this package: its loop of events would forbid others of this process a loop of their own."""
    if shutil.which(PROGRAM) is None:
        missing("chromium is not installed")
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_MILLISECONDS)
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """One browser for all tests; each has its own sessions in it. A module may put another one in its place."""
    browser = playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS, timeout=START_MILLISECONDS)
    yield browser
    browser.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Fails the test in the end if the browser has told of anything."""
    watch = Watch()
    yield watch
    assert watch.faults() == []


@pytest.fixture
def expected_errors(watch: Watch) -> Callable[..., None]:
    """Say which faults are meant to happen: regular expressions that are looked for in what `Watch` would tell."""

    def expect_errors(*patterns: str) -> None:
        watch.expected.extend(patterns)

    return expect_errors


@pytest.fixture
def make_context(
    browser: Browser, server: LiveServer, watch: Watch, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[MakeContext]:
    """Sessions of the browser, closed with the test; of one that failed there are pictures in its `tmp_path`."""
    made: list[BrowserContext] = []

    def make(other: LiveServer | None = None, /, *, at: str | None = None, **options: Any) -> BrowserContext:
        url = at or (other or server).url
        context = browser.new_context(base_url=url, **{**AS_USUAL, **options})
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        watch.follow(context, url)
        made.append(context)
        return context

    failed_before = request.session.testsfailed
    yield make
    for context in made:
        if request.session.testsfailed > failed_before:
            for number, page in enumerate(context.pages):
                with suppress(Error):  # of a page that shows nothing any more
                    page.screenshot(path=tmp_path / f"page-{made.index(context)}-{number}.png")
        for page in context.pages:
            page.unroute_all(behavior="ignoreErrors")  # a page that asks again and again may do so while it is closed
        context.close()


def sign_in(context: BrowserContext, account: str) -> None:
    """Sign in as a page does, without one: the session has the cookies then."""
    answer = context.request.post("/auth/login", data={"username": account, "password": PASSWORD})
    assert answer.ok, answer.text()


@pytest.fixture
def open_console(make_context: MakeContext) -> OpenConsole:
    """Open pages of the console, each in a session of its own."""

    def open_page(
        path: str = "/", *, account: str | None = "alice", server: LiveServer | None = None, **options: Any
    ) -> Page:
        context = make_context(server, **options)
        if account is not None:
            sign_in(context, account)
        page = context.new_page()
        page.goto(path)
        return page

    return open_page


@pytest.fixture
def console(open_console: OpenConsole) -> Page:
    """The console's first page, with `alice` signed in."""
    return open_console()
