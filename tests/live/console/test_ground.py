"""What the other tests here stand on: a page with a fault is found out, one without is not."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from tests.live.console.conftest import MakeContext
from tests.live.console.judging import at_width, axe, sideways
from tests.live.console.many import make_files
from tests.live.console.watch import Watch
from tests.live.server import LiveServer, wait_until

PAGE = "<!doctype html><html lang=en><title>Page</title><link rel=icon href='data:,'><main><h1>Page</h1>{}</main>"
POLICY = "default-src 'self'; script-src 'self' 'unsafe-inline'; img-src data:; connect-src *"
FAULTS = {
    "console error: broken": "<script>console.error('broken')</script>",
    "page error: thrown": "<script>throw new Error('thrown')</script>",
    "page error: rejected": "<script>Promise.reject(new Error('rejected'))</script>",
    "404: GET .*/api/nothing": "<script>fetch('/api/nothing')</script>",
    "foreign: http://127.0.0.1:1/": "<script>fetch('http://127.0.0.1:1/').catch(() => {})</script>",
    "dialog: hello": "<script>alert('hello')</script>",
    "console error: .*Content Security Policy": "<p style='color: red'>styled</p>",
}


@pytest.fixture
def context(make_context: MakeContext) -> BrowserContext:
    return make_context()


def serve(context: BrowserContext, content: str) -> Page:
    """A page of the service's origin that it does not have."""

    def answer(route: Route) -> None:
        headers = {"Content-Type": "text/html", "Content-Security-Policy": POLICY}
        route.fulfill(body=PAGE.format(content), headers=headers)

    context.route("**/made-up", answer)
    page = context.new_page()
    page.goto("/made-up")
    return page


@pytest.mark.parametrize("told", FAULTS)
def test_what_is_wrong_with_a_page_is_told(context: BrowserContext, watch: Watch, told: str) -> None:
    page = serve(context, FAULTS[told])
    wait_until(lambda: page.evaluate("1") and any(re.search(told, each) for each in watch.faults()))
    watch.expected = [told, "console error: Failed to load resource"]


def test_a_page_without_fault_is_left_in_peace(context: BrowserContext, watch: Watch) -> None:
    page = serve(context, "<p>all is well</p><img alt=dot src='data:image/gif;base64,R0lGODlhAQABAAAAACw='>")
    assert (watch.told, axe(page), sideways(page)) == ([], [], [])


def test_what_others_cannot_use_is_found(context: BrowserContext) -> None:
    page = serve(context, "<input><button></button>")
    assert {each.partition(":")[0] for each in axe(page)} == {"label", "button-name"}


def test_what_sticks_out_is_found_at_its_width(context: BrowserContext) -> None:
    page = serve(context, "<svg width=500 height=10></svg>")
    assert sideways(page) == []
    at_width(page, 360)
    assert sideways(page)[1].startswith("<svg")


def test_many_files_are_made_in_no_time(server: LiveServer) -> None:
    make_files(server, "alice", 1000)
    answer = server.sign_in("alice").get(f"{server.url}/api/files", params={"sort": "name", "limit": "2"}, timeout=30)
    assert [each["filename"] for each in answer.json()["files"]] == ["photo 000001.jpg", "photo 000002.jpg"]
