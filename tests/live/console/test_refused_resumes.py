"""Uploads that ask how far they are, and are refused or not answered: they go on there, and nothing is sent twice."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from playwright.sync_api import BrowserContext, Page, Request, Route, expect

from tests.live.console.conftest import MakeContext, sign_in
from tests.live.console.sending import Line, arrived, under_way
from tests.live.console.steps import MEBIBYTE, choose, digest, made
from tests.live.fault_proxy import FaultProxy
from tests.live.server import LiveServer, wait_until
from tests.live.test_link_pages import share
from tests.proofs import sample

SIZE = 8 * MEBIBYTE
LINE = MEBIBYTE
"""Bytes a second."""
RESENT_BYTES = 2 * MEBIBYTE
"""What may arrive twice: what was on its way, or in a buffer, when it was paused."""
EXPECTED = (r"^(401|429|50[0234]): ", r"console error: .* (401|429|50[0234]|net::ERR_)", "console .*WebSocket")
STATUSES = [401, 429, 500, 503, 502, 504, 0]
REFUSALS = pytest.mark.parametrize("status", sample(STATUSES, every=3), ids=lambda status: str(status or "cut"))
WITHOUT_ACCOUNT = pytest.mark.parametrize(
    "status", sample(STATUSES[:0:-1], every=3), ids=lambda status: str(status or "cut")
)


@dataclass
class Sent:
    """What a page sends: how often it begins, where it goes on; and how often it is refused on the way there."""

    begun: int = 0
    offsets: list[int] = field(default_factory=list)
    refused: int = 0

    def note(self, request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/uploads"):
            self.begun += 1
        elif request.method == "PATCH":
            self.offsets.append(int(request.headers["upload-offset"]))

    def refuse_heads(self, context: BrowserContext, status: int, most: int = 2) -> None:
        """Answer so many of them with this status, or not at all."""

        def answer(route: Route) -> None:
            if route.request.method != "HEAD" or self.refused == most:
                route.fallback()
                return
            self.refused += 1
            if status:
                route.fulfill(status=status, headers={"Tus-Resumable": "1.0.0", "Retry-After": "1"})
            else:
                route.abort("connectionreset")

        context.route("**/uploads/*", answer)


@pytest.fixture
def proxy(server: LiveServer) -> Iterator[FaultProxy]:
    """Counts what really arrives."""
    with FaultProxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def context(make_context: MakeContext, server: LiveServer, proxy: FaultProxy) -> BrowserContext:
    """A session by way of the proxy."""
    return make_context(server, at=f"http://127.0.0.1:{proxy.port}")


def sent_in_part(
    page: Page, path: Path, status: int, there: Callable[[], int], choose_it: Callable[[], None]
) -> tuple[Sent, int]:
    """Send some of a file, pause, and go on while HEAD is refused. Gives what is sent, and where it was paused."""
    sent, line = Sent(), Line(page)
    page.on("request", sent.note)
    line.at(LINE)
    choose_it()
    wait_until(lambda: page.evaluate("1") and there() >= RESENT_BYTES, seconds=60)
    page.get_by_role("button", name=f"Pause {path.name}").click()
    page.get_by_role("button", name=f"Resume {path.name}").wait_for()
    sent.refuse_heads(page.context, status)
    line.at()
    page.get_by_role("button", name=f"Resume {path.name}").click()
    return sent, there()


@REFUSALS
def test_an_upload_goes_on_where_it_is(
    context: BrowserContext, proxy: FaultProxy, server: LiveServer, alice: requests.Session, tmp_path: Path,
    expected_errors: Callable[..., None], status: int,
) -> None:  # fmt: skip
    expected_errors(*EXPECTED)
    path = made(tmp_path, f"refused {status}.bin", SIZE)
    sign_in(context, "alice")
    page = context.new_page()
    page.goto("/")
    expect(page.get_by_role("heading", name="Files", exact=True)).to_be_visible()
    sent, offset = sent_in_part(
        page, path, status, lambda: under_way(alice, server).get(path.name) or 0, lambda: choose(page, path)
    )
    wait_until(lambda: page.evaluate("1") and arrived(alice, server).get(path.name) == digest(path), seconds=90)
    assert (sent.begun, len(sent.offsets), sent.refused) == (1, 2, 2)
    assert sent.offsets[1] >= offset
    assert proxy.bytes_toward["server"] < SIZE + RESENT_BYTES


@WITHOUT_ACCOUNT
def test_an_upload_by_a_link_goes_on_where_it_is(
    context: BrowserContext, proxy: FaultProxy, server: LiveServer, alice: requests.Session, tmp_path: Path,
    expected_errors: Callable[..., None], status: int,
) -> None:  # fmt: skip
    expected_errors(*EXPECTED)
    path = made(tmp_path, f"by a link {status}.bin", SIZE)
    page = context.new_page()
    page.goto(share(alice, server, upload=True).removeprefix(server.url))
    sent, offset = sent_in_part(
        page, path, status, lambda: under_way(alice, server).get(path.name) or 0,
        lambda: page.locator("input[multiple]").set_input_files(path),
    )  # fmt: skip
    wait_until(lambda: page.evaluate("1") and arrived(alice, server).get(path.name) == digest(path), seconds=90)
    assert (sent.begun, len(sent.offsets), sent.refused) == (1, 2, 2)
    assert sent.offsets[1] >= offset
    assert proxy.bytes_toward["server"] < SIZE + RESENT_BYTES


def test_a_small_file_whose_answer_is_lost_arrives_once_by_a_link(
    context: BrowserContext, server: LiveServer, alice: requests.Session, tmp_path: Path,
    expected_errors: Callable[..., None],
) -> None:  # fmt: skip
    expected_errors(*EXPECTED)
    path = made(tmp_path, "small.bin", 1000)
    page = context.new_page()
    page.goto(share(alice, server, upload=True).removeprefix(server.url))
    lost: list[int] = []

    def lose_answer(route: Route) -> None:
        if route.request.method != "POST" or lost:
            route.fallback()
            return
        lost.append(route.fetch().status)
        route.abort("connectionreset")

    page.route("**/uploads", lose_answer)
    page.locator("input[multiple]").set_input_files(path)
    expect(page.locator("[data-state=done]")).to_be_visible()
    assert lost == [201]
    assert [name for name in arrived(alice, server) if name.startswith("small")] == [path.name]
