"""What was cut off goes on where it stands, whoever died: the same bytes at last, and never those of another file."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import requests
from playwright.sync_api import BrowserContext, Page, Playwright, expect

from tests.conftest import PASSWORD
from tests.live.chromium import PROGRAM
from tests.live.console.conftest import AS_USUAL, FLAGS, PATIENCE_MILLISECONDS, START_MILLISECONDS, OpenConsole, sign_in
from tests.live.console.sending import (
    PATIENCE_SECONDS,
    SLOW,
    Line,
    arrived,
    expect_bar,
    offsets_sent,
    under_way,
    wait_for,
    wait_for_bytes,
)
from tests.live.console.steps import MEBIBYTE, choose, digest, kill_browser, made
from tests.live.fault_proxy import Fault, FaultProxy
from tests.live.server import LiveServer, killed, wait_until

LARGE = 6 * MEBIBYTE
MOST_BARS = """() => {
  const count = () => document.querySelectorAll("progress").length;
  window.mostBars = count();
  const watcher = new MutationObserver(() => { window.mostBars = Math.max(window.mostBars, count()); });
  watcher.observe(document.body, { childList: true, subtree: true });
}"""
NO_ANSWER = r"ERR_(CONNECTION|EMPTY_RESPONSE|ABORTED|INTERNET)"


def test_the_same_file_goes_on_after_a_reload_and_another_does_not(
    console: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    path = made(tmp_path, "film.mp4", LARGE)
    line = Line(console)
    line.at(SLOW)
    choose(console, path)
    wait_for_bytes(console, alice, server, path.name)
    console.reload()
    expect_bar(console, path.name)
    expect(console.get_by_role("button", name=f"Cancel {path.name}")).to_be_visible()
    expect(console.get_by_text("choose the same file again to go on")).to_be_visible()

    at = path.stat().st_mtime
    other = made(tmp_path / "other", path.name, LARGE)
    other.write_bytes(path.read_bytes()[: LARGE // 2] + os.urandom(LARGE // 2))
    os.utime(other, (at, at))
    line.at()
    sent = offsets_sent(console)
    choose(console, other)
    found = wait_for(console, alice, server, path.name)
    assert (found[path.name], [offset for _, offset in sent]) == (digest(other), [0])

    offset = under_way(alice, server)[path.name]
    choose(console, path)
    found = wait_for(console, alice, server, "film (2).mp4")
    assert found["film (2).mp4"] == digest(path)
    assert sent[1][1] >= offset > 0
    console.get_by_role("button", name="Keep film (2).mp4").click()
    expect(console.get_by_role("progressbar")).to_have_count(0)


def test_what_goes_on_is_shown_once_to_its_end(
    console: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    path = made(tmp_path, "once.mp4", LARGE)
    line = Line(console)
    line.at(SLOW)
    choose(console, path)
    wait_for_bytes(console, alice, server, path.name)
    console.reload()
    expect_bar(console, path.name)
    line.at()
    console.evaluate(MOST_BARS)
    choose(console, path)
    assert wait_for(console, alice, server, path.name)[path.name] == digest(path)
    expect(console.get_by_role("progressbar")).to_have_count(0)
    assert console.evaluate("window.mostBars") == 1


def test_a_file_that_differs_where_nobody_looks_is_found_out_in_the_end(
    console: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    path = made(tmp_path, "nearly.bin", LARGE)
    line = Line(console)
    line.at(SLOW)
    choose(console, path)
    wait_for_bytes(console, alice, server, path.name)
    console.reload()
    expect_bar(console, path.name)
    at, data = path.stat().st_mtime, bytearray(path.read_bytes())
    data[70_000] ^= 1  # between two samples of the fingerprint
    path.write_bytes(data)
    os.utime(path, (at, at))
    line.at()
    sent = offsets_sent(console)
    choose(console, path)
    wait_until(
        lambda: console.evaluate("1") and arrived(alice, server).get(path.name) == digest(path),
        seconds=PATIENCE_SECONDS,
    )
    assert [offset > 0 for _, offset in sent] == [True, False]
    expect(console.get_by_role("progressbar")).to_have_count(0)
    assert [name for name in arrived(alice, server) if name.startswith("nearly")] == [path.name]


def test_it_goes_on_over_cuts_and_a_killed_server(
    open_console: OpenConsole,
    alice: requests.Session,
    server: LiveServer,
    tmp_path: Path,
    expected_errors: Callable[..., None],
) -> None:
    path = made(tmp_path, "cut.bin", LARGE)
    # Chromium repeats by itself what was cut on a connection it had used before: at an offset that has moved, 409.
    expected_errors("Failed to load resource", "50[23]", "409: PATCH")
    cuts = [Fault(reset_at=1_500_000, toward="server")] * 12  # some connections bring the page only
    with FaultProxy(server.port, cuts) as proxy:
        page = open_console(server=replace(server, port=proxy.port))
        sent = offsets_sent(page)
        line = Line(page)
        line.at(MEBIBYTE // 4)
        choose(page, path)
        wait_until(lambda: page.evaluate("1") and bool(proxy.faults_done))
        wait_for_bytes(page, alice, server, path.name)
        with killed(server):
            expect(page.get_by_text("waiting for the network")).to_be_visible()
            proxy.plan.clear()
        line.at()
        found = wait_for(page, alice, server, path.name)
    assert found[path.name] == digest(path)
    offsets = [offset for _, offset in sent]
    assert len({url for url, _ in sent}) == 1
    assert len(offsets) > 1
    assert offsets == sorted(offsets)
    assert under_way(alice, server) == {}


def test_another_browser_goes_on_for_one_that_was_killed(
    playwright: Playwright, console: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    path = made(tmp_path, "left.bin", LARGE)
    profile = tmp_path / "profile"
    other = playwright.chromium.launch_persistent_context(
        profile, executable_path=PROGRAM, args=FLAGS, base_url=server.url, timeout=START_MILLISECONDS, **AS_USUAL
    )
    other.set_default_timeout(PATIENCE_MILLISECONDS)
    page = other.pages[0]
    sign_in(other, "alice")
    page.goto("/")
    Line(page).at(SLOW)
    choose(page, path)
    wait_for_bytes(page, alice, server, path.name)
    kill_browser(profile)
    console.reload()
    expect_bar(console, path.name)
    sent = offsets_sent(console)
    again = console.get_by_label(f"Choose {path.name} again")
    again.set_input_files(made(tmp_path / "other", path.name, LARGE))
    expect(console.get_by_role("listitem").filter(has_text="This is another file")).to_be_visible()
    again.set_input_files(path)
    assert wait_for(console, alice, server, path.name)[path.name] == digest(path)
    assert [offset > 0 for _, offset in sent] == [True]


@pytest.mark.parametrize("where", ["tab", "browser"])
def test_what_another_page_sends_is_left_to_it(
    console: Page, open_console: OpenConsole, alice: requests.Session, server: LiveServer, tmp_path: Path, where: str
) -> None:
    path = made(tmp_path, f"shared {where}.bin", LARGE)
    second = console.context.new_page() if where == "tab" else open_console()
    line = Line(console)
    line.at(SLOW)
    mine = offsets_sent(console)
    choose(console, path)
    wait_for_bytes(console, alice, server, path.name)
    second.goto("/")
    sent = offsets_sent(second)
    expect_bar(second, path.name)
    choose(second, path)
    expect(second.get_by_text("being sent from another page")).to_be_visible()
    line.at()
    found = wait_for(console, alice, server, path.name)
    assert (found[path.name], len(mine), sent) == (digest(path), 1, [])
    expect(second.get_by_role("progressbar")).to_have_count(0)
    assert [name for name in arrived(alice, server) if name.startswith(f"shared {where}")] == [path.name]


def test_it_goes_on_when_the_same_account_signs_in_again(
    console: Page, alice: requests.Session, server: LiveServer, tmp_path: Path
) -> None:
    path = made(tmp_path, "signed out.bin", LARGE)
    line = Line(console)
    line.at(SLOW)
    choose(console, path)
    wait_for_bytes(console, alice, server, path.name)
    console.get_by_role("button", name="Sign out").click()
    console.get_by_label("Name").fill("alice")
    line.at()
    assert path.name not in arrived(alice, server)
    console.get_by_label("Password").fill(PASSWORD)
    console.get_by_role("button", name="Sign in").click()
    assert wait_for(console, alice, server, path.name)[path.name] == digest(path)


def test_an_ended_session_is_renewed_on_the_way(
    console: Page,
    alice: requests.Session,
    server: LiveServer,
    tmp_path: Path,
    expected_errors: Callable[..., None],
) -> None:
    expected_errors("401")
    path = made(tmp_path, "session.bin", LARGE)
    line = Line(console)
    line.at(SLOW)
    choose(console, path)
    wait_for_bytes(console, alice, server, path.name)
    console.get_by_role("button", name=f"Pause {path.name}").click()
    context: BrowserContext = console.context
    context.clear_cookies(name="access_token_cookie")
    line.at()
    console.get_by_role("button", name=f"Resume {path.name}").click()
    assert wait_for(console, alice, server, path.name)[path.name] == digest(path)
