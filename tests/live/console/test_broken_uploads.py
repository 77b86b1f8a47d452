"""Uploads through the page that something gets in the way of: the line, the server, the browser. Every file is whole in
the end, and what the server has is not sent again.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import BrowserContext, Page, Playwright, expect

from tests.live.chromium import PROGRAM
from tests.live.console.conftest import AS_USUAL, FLAGS, PATIENCE_MILLISECONDS, START_MILLISECONDS, MakeContext, sign_in
from tests.live.console.sending import under_way
from tests.live.console.steps import MEBIBYTE, bar, choose, digest, kill_browser, made, sign_in_by_form, stored
from tests.live.fault_proxy import Fault, FaultProxy
from tests.live.server import LiveServer, wait_until

SIZE = 12 * MEBIBYTE
MOST_BYTES = SIZE * 2 // 3
"""After so many of them nobody wants to send them again."""
RESENT_BYTES = 4 * MEBIBYTE
"""What may arrive twice: what was on its way, or in a buffer, when it broke."""
BROKEN = ("console error: .*net::ERR_", "console error: .* 50[23] ", "^50[23]: ", "console .*WebSocket")


def at(context: BrowserContext, proxy: FaultProxy) -> Page:
    """A page of the console by way of a proxy, with `alice` signed in."""
    sign_in(context, "alice")
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{proxy.port}/")
    expect(page.get_by_role("heading", name="Files", exact=True)).to_be_visible()
    return page


@contextlib.contextmanager
def by_proxy(
    make_context: MakeContext, server: LiveServer, *faults: Fault, **options: Any
) -> Iterator[tuple[Page, FaultProxy]]:
    """A page that reaches the server through a proxy with such faults."""
    with FaultProxy(server.port, faults) as proxy:
        context = make_context(server, at=f"http://127.0.0.1:{proxy.port}", **options)
        yield at(context, proxy), proxy
        context.close()


STOPS = [Fault(silent_at=MOST_BYTES, toward="server")] * 12
"""No connection brings more than most of a file: it is under way for as long as a test wants."""


def mostly_sent(page: Page, server: LiveServer, person: requests.Session, path: Path) -> None:
    """Wait until the server has nearly all that comes."""
    least = MOST_BYTES - RESENT_BYTES // 2
    wait_until(lambda: page.evaluate("1") and under_way(person, server).get(path.name, 0) >= least)


def is_whole(server: LiveServer, person: requests.Session, path: Path) -> Callable[[], bool]:
    return lambda: stored(server, person).get(path.name) == digest(path)


def test_a_line_that_breaks_again_and_again(
    make_context: MakeContext, server: LiveServer, alice: requests.Session, tmp_path: Path,
    expected_errors: Callable[..., None],
) -> None:  # fmt: skip
    expected_errors(*BROKEN)
    film = made(tmp_path, "broken line.mov", SIZE)
    expected_errors("^409: PATCH ", "console error: .* 409 ")  # Chromium itself sends once more what was cut off
    cuts = [Fault(reset_at=(1 + n % 3) * MEBIBYTE, toward="server") for n in range(12)]
    with by_proxy(make_context, server, *cuts) as (page, proxy):
        choose(page, film)
        wait_until(lambda: page.evaluate("1") and is_whole(server, alice, film)(), seconds=90)
        expect(bar(page, film.name)).to_have_count(0)
        assert len(proxy.faults_done) >= 3
        assert proxy.bytes_toward["server"] < SIZE + len(proxy.faults_done) * RESENT_BYTES / 2
    assert [name for name in stored(server, alice) if name.startswith("broken line")] == [film.name]


def test_a_server_that_is_killed(
    make_context: MakeContext, server: LiveServer, alice: requests.Session, tmp_path: Path,
    expected_errors: Callable[..., None],
) -> None:  # fmt: skip
    expected_errors(*BROKEN)
    film = made(tmp_path, "killed server.mov", SIZE)
    with by_proxy(make_context, server, *STOPS) as (page, proxy):
        choose(page, film)
        mostly_sent(page, server, alice, film)
        server.kill()
        expect(bar(page, film.name)).to_be_visible()
        server.start()
        wait_until(lambda: page.evaluate("1") and is_whole(server, alice, film)(), seconds=90)
        expect(bar(page, film.name)).to_have_count(0)
        assert proxy.bytes_toward["server"] < SIZE + RESENT_BYTES


def test_a_page_that_is_loaded_anew(
    make_context: MakeContext, server: LiveServer, alice: requests.Session, tmp_path: Path
) -> None:
    film = made(tmp_path, "loaded anew.mov", SIZE)
    with by_proxy(make_context, server, *STOPS) as (page, proxy):
        choose(page, film)
        mostly_sent(page, server, alice, film)
        page.reload()
        expect(page.get_by_role("main").get_by_text(film.name).first).to_be_visible()
        choose(page, film)
        wait_until(lambda: page.evaluate("1") and is_whole(server, alice, film)(), seconds=90)
        expect(bar(page, film.name)).to_have_count(0)
        assert proxy.bytes_toward["server"] < SIZE + RESENT_BYTES
    assert [name for name in stored(server, alice) if name.startswith("loaded anew")] == [film.name]


@contextlib.contextmanager
def persistent(playwright: Playwright, profile: Path) -> Iterator[BrowserContext]:
    """A browser of its own, whose profile outlives it."""
    context = playwright.chromium.launch_persistent_context(
        profile, executable_path=PROGRAM, args=FLAGS, timeout=START_MILLISECONDS, **AS_USUAL
    )
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    try:
        yield context
    finally:
        with contextlib.suppress(Exception):  # it may have been killed
            context.close()


def test_a_browser_that_is_killed(
    playwright: Playwright, server: LiveServer, alice: requests.Session, tmp_path: Path
) -> None:
    film, profile = made(tmp_path, "killed browser.mov", SIZE), tmp_path / "profile"
    with FaultProxy(server.port, STOPS) as proxy:
        with persistent(playwright, profile) as context:
            page = context.pages[0]
            page.goto(f"http://127.0.0.1:{proxy.port}/")
            sign_in_by_form(page, "alice")
            choose(page, film)
            mostly_sent(page, server, alice, film)
            kill_browser(profile)
        with persistent(playwright, profile) as context:
            page = context.pages[0]
            page.goto(f"http://127.0.0.1:{proxy.port}/")
            if not context.cookies():  # they are written to the disk after a while only
                sign_in_by_form(page, "alice")
            expect(page.get_by_role("main").get_by_text(film.name).first).to_be_visible()
            choose(page, film)
            wait_until(lambda: page.evaluate("1") and is_whole(server, alice, film)(), seconds=90)
            expect(bar(page, film.name)).to_have_count(0)
        assert proxy.bytes_toward["server"] < SIZE + RESENT_BYTES
    assert [name for name in stored(server, alice) if name.startswith("killed browser")] == [film.name]
