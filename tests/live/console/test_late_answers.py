"""Answers that come when the tokens that they were asked with are gone: others may have come meanwhile."""

from collections.abc import Callable

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from tests.live.console.conftest import OpenConsole, sign_in
from tests.live.console.steps import end_other_sessions, go_to, open_links, sign_in_by_form, signed_in
from tests.live.server import LiveServer


class Held:
    """Answers that the service has given and the page does not have yet."""

    def __init__(self, page: Page, pattern: str) -> None:
        self._page, self._pattern = page, pattern
        self._held: list[tuple[Route, APIResponse]] = []
        page.route(pattern, self._hold, times=1)

    def _hold(self, route: Route) -> None:
        self._held.append((route, route.fetch()))

    def wait(self) -> int:
        """Wait until there is one, and give its status."""
        for _ in range(600):
            if self._held:
                return self._held[0][1].status
            self._page.wait_for_timeout(50)
        raise AssertionError(f"nobody has asked for {self._pattern}")

    def give(self) -> None:
        """Let the page have it."""
        with self._page.expect_response(self._pattern):
            for route, answer in self._held:
                route.fulfill(response=answer)


def test_nobody_is_asked_for_once_the_tokens_are_gone(open_console: OpenConsole) -> None:
    page = open_console()
    open_links(page)
    me = Held(page, "**/auth/me")
    with page.expect_response("**/auth/keys?*"), page.expect_response("**/auth/sessions?*"):
        go_to(page, "Account")
    assert me.wait() == 200
    page.get_by_role("button", name="Sign out", exact=True).click()
    expect(page.get_by_role("button", name="Sign in", exact=True)).to_be_visible()
    me.give()
    sign_in_by_form(page, "alice")


ASKED_AGAIN = "new BroadcastChannel('transfer-service session').postMessage('in')"
"""What another tab says when it has new tokens."""


@pytest.mark.parametrize("following", ["alice", "bob"])
@pytest.mark.parametrize("late", ["me", "refresh"])
def test_a_refusal_of_tokens_counts_for_none_that_came_meanwhile(
    late: str, following: str, open_console: OpenConsole, server: LiveServer, expected_errors: Callable[..., None]
) -> None:
    page = open_console()
    open_links(page)
    end_other_sessions(server, "alice")
    refused = Held(page, f"**/auth/{late}")
    expected_errors("^401: .*/auth/(me|refresh)$", "console error: .* 401 .*/auth/(me|refresh)")
    page.evaluate(ASKED_AGAIN)
    assert refused.wait() == 401
    sign_in(page.context, following)
    tokens = page.context.cookies()
    refused.give()
    signed_in(page, following)
    go_to(page, "Account")
    expect(page.get_by_role("region", name="You", exact=True)).to_contain_text(following)
    assert page.context.cookies() == tokens
