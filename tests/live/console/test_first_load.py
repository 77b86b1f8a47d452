"""What the first look costs, and what the page may not do even if somebody finds a way into it."""

import gzip

import requests
from playwright.sync_api import Response, expect

from tests.live.console.conftest import MakeContext
from tests.live.console.steps import sign_in_by_form
from tests.live.server import LiveServer

MOST_BYTES = 150_000


def test_sign_in_and_files_load_little_script(make_context: MakeContext) -> None:
    page = make_context().new_page()
    loaded: list[Response] = []
    page.on("response", lambda response: loaded.append(response))
    page.goto("/")
    sign_in_by_form(page, "alice")
    expect(page.get_by_role("heading", name="Files", exact=True)).to_be_visible()
    scripts = {each.url: len(gzip.compress(each.body())) for each in loaded if each.request.resource_type == "script"}
    assert len(scripts) > 3
    assert sum(scripts.values()) <= MOST_BYTES, scripts


def test_the_page_names_nobody_and_needs_no_account(server: LiveServer) -> None:
    with requests.Session() as session:
        body = {"username": "alice", "password": "correct horse"}
        session.post(f"{server.url}/auth/login", json=body, timeout=30)
        signed = session.get(server.url, headers={"Accept": "text/html"}, timeout=30)
    nobody = requests.get(server.url, headers={"Accept": "text/html"}, timeout=30)
    assert signed.content == nobody.content
    assert "Set-Cookie" not in nobody.headers
