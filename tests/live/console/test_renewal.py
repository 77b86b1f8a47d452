"""Renewals of tokens that fail for a while: nobody has signed out, so nobody is asked to sign in."""

from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from playwright.sync_api import BrowserContext, Page, Route, expect

from tests.live.console.conftest import MakeContext, OpenConsole, sign_in
from tests.live.console.sending import SLOW, Line, offsets_sent, wait_for, wait_for_bytes
from tests.live.console.steps import MEBIBYTE, choose, digest, go_to, made, signed_in
from tests.live.console.talk import begin, log, said, write
from tests.live.server import LiveServer, wait_until
from tests.proofs import sample

REFRESH = "**/auth/refresh"
ACCESS = ("access_token_cookie", "csrf_access_token")
TOLD = "The service does not answer for the moment."
SOME_MINUTES = "03:00"
EXPECTED = (r"^(401|429|50[23]): ", r"console error: .* (401|429|50[23]|net::ERR_)", "console .*WebSocket")


class Answers:
    """Answers renewals with a fault until they are let through, and counts them."""

    def __init__(self, page: Page, fault: int) -> None:
        self.count = 0
        self._page, self._fault = page, fault
        page.context.route(REFRESH, self._answer)

    def _answer(self, route: Route) -> None:
        self.count += 1
        if self._fault:
            answer = {"status": self._fault, "json": {"detail": "Not now"}, "headers": {"Retry-After": "1"}}
            route.fulfill(**answer)  # type: ignore[arg-type]
        else:
            route.abort("connectionreset")

    def wait_for(self, count: int) -> None:
        """Return when so many renewals have failed."""
        wait_until(lambda: self._page.evaluate("1") and self.count >= count, seconds=60)

    def let_through(self) -> None:
        self._page.context.unroute(REFRESH)


KINDS = {503: "503", 429: "429", 502: "502", 0: "broken-line"}
FAULTS = pytest.mark.parametrize("fault", sample(list(KINDS), every=3), ids=KINDS.get)


def end_token(context: BrowserContext) -> None:
    """The access token is over, as after some hours of sleep; that which renews it is not."""
    for name in ACCESS:
        context.clear_cookies(name=name)


def asked_to_sign_in(page: Page) -> int:
    return page.get_by_role("button", name="Sign in", exact=True).count()


@FAULTS
def test_a_page_that_is_opened_waits_for_new_tokens(
    make_context: MakeContext, expected_errors: Callable[..., None], fault: int
) -> None:
    expected_errors(*EXPECTED)
    context = make_context()
    sign_in(context, "alice")
    end_token(context)
    page = context.new_page()
    answers = Answers(page, fault)
    page.goto("/console/links")
    expect(page.get_by_role("status").filter(has_text=TOLD)).to_be_visible()
    answers.wait_for(2)
    assert asked_to_sign_in(page) == 0
    answers.let_through()
    signed_in(page, "alice")
    expect(page.get_by_role("heading", name="Links", exact=True)).to_be_visible()
    expect(page.get_by_text(TOLD)).to_have_count(0)


@FAULTS
def test_a_page_that_is_open_stays_and_shows_what_was_asked_for(
    console: Page, expected_errors: Callable[..., None], fault: int
) -> None:
    expected_errors(*EXPECTED)
    signed_in(console, "alice")
    answers = Answers(console, fault)
    end_token(console.context)
    go_to(console, "Account")
    answers.wait_for(2)
    assert asked_to_sign_in(console) == 0
    expect(console.get_by_role("alert")).to_have_count(0)
    answers.let_through()
    expect(console.get_by_role("list", name="Sign-ins")).to_be_visible()
    expect(console.get_by_text(TOLD)).to_have_count(0)


def test_a_service_that_is_away_for_long_is_waited_for(
    make_context: MakeContext, expected_errors: Callable[..., None]
) -> None:
    expected_errors(*EXPECTED)
    context = make_context()
    sign_in(context, "alice")
    end_token(context)
    page = context.new_page()
    page.clock.install()
    answers = Answers(page, 503)
    page.goto("/console/links")
    expect(page.get_by_text(TOLD)).to_be_visible()
    for _ in range(6):
        count = answers.count
        page.clock.run_for(SOME_MINUTES)
        answers.wait_for(count + 1)
    assert asked_to_sign_in(page) == 0
    answers.let_through()
    with page.expect_response(REFRESH):
        page.clock.run_for(SOME_MINUTES)
    signed_in(page, "alice")


def test_the_network_that_is_back_is_used_at_once(console: Page, expected_errors: Callable[..., None]) -> None:
    expected_errors(*EXPECTED)
    signed_in(console, "alice")
    console.clock.install()
    answers = Answers(console, 0)
    end_token(console.context)
    go_to(console, "Account")
    expect(console.get_by_text(TOLD)).to_be_visible()  # and no time passes
    answers.let_through()
    console.evaluate("window.dispatchEvent(new Event('online'))")
    expect(console.get_by_role("list", name="Sign-ins")).to_be_visible()


@FAULTS
def test_an_upload_goes_on_at_its_offset(
    console: Page, alice: requests.Session, server: LiveServer, tmp_path: Path,
    expected_errors: Callable[..., None], fault: int,
) -> None:  # fmt: skip
    expected_errors(*EXPECTED)
    path = made(tmp_path, f"renewed after {fault}.bin", 4 * MEBIBYTE)
    line = Line(console)
    line.at(SLOW)
    sent = offsets_sent(console)
    choose(console, path)
    wait_for_bytes(console, alice, server, path.name)
    console.get_by_role("button", name=f"Pause {path.name}").click()
    answers = Answers(console, fault)
    end_token(console.context)
    line.at()
    console.get_by_role("button", name=f"Resume {path.name}").click()
    answers.wait_for(2)
    assert asked_to_sign_in(console) == 0
    answers.let_through()
    assert wait_for(console, alice, server, path.name)[path.name] == digest(path)
    assert ([offset > 0 for _, offset in sent], len({url for url, _ in sent})) == ([False, True], 1)


@FAULTS
def test_a_message_is_sent_once(
    open_console: OpenConsole, server: LiveServer, alice: requests.Session,
    expected_errors: Callable[..., None], fault: int,
) -> None:  # fmt: skip
    expected_errors(*EXPECTED)
    conversation = begin(server, alice, "bob", group=f"After {fault}")
    page = open_console(f"/console/chat/{conversation}")
    expect(page.get_by_role("textbox", name="Message", exact=True)).to_be_visible()
    answers = Answers(page, fault)
    end_token(page.context)
    write(page, "still here")
    answers.wait_for(2)
    assert (asked_to_sign_in(page), page.get_by_role("alert").count()) == (0, 0)
    answers.let_through()
    expect(log(page).get_by_text("still here")).to_be_visible()
    expect(page.get_by_role("article", name="On its way")).to_have_count(0)
    assert [each["content"] for each in said(server, alice, conversation)] == ["still here"]
