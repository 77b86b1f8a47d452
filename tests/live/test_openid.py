"""Signing in at a real provider of OpenID Connect: a program with a cookie jar, and a browser."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
import requests

from tests.live.chromium import Page, WentElsewhere, browser
from tests.live.node import Program
from tests.live.server import LiveServer, running_one, wait_until
from tests.ports import free_port

FOLDER = Path(__file__).parent / "openid"
SECRET = "a secret of the client: +%&=?"
PEOPLE = {
    "4711": {"email": "alice@example.com", "email_verified": True, "groups": ["heads", "others"]},
    "4712": {"email": "bob@example.com", "email_verified": False},
}
TIMEOUT = 30
_FORM = re.compile(r'<form[^>]* action="([^"]+)" method="post">(.*?)</form>', re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]+)" value="([^"]*)"')


@contextmanager
def providing(port: int, redirect_uri: str) -> Iterator[None]:
    """The provider, with keys that are new each time."""
    client = {"client_id": "transfer", "client_secret": SECRET, "redirect_uris": [redirect_uri]}
    program = Program("provider.mjs", {"port": port, "client": client, "people": PEOPLE}, folder=FOLDER)
    try:
        program.wait("listening")
        yield
    finally:
        program.close()


@pytest.fixture(scope="module")
def provider_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, provider_port: int) -> Iterator[LiveServer]:
    settings = {
        "TRANSFER_OIDC_ISSUER": f"http://127.0.0.1:{provider_port}",
        "TRANSFER_OIDC_CLIENT_ID": "transfer",
        "TRANSFER_OIDC_CLIENT_SECRET": SECRET,
        "TRANSFER_OIDC_GROUPS": json.dumps({"heads": ["games.download"]}),
    }
    with running_one(tmp_path_factory.mktemp("openid") / "data", "root", **settings) as server:
        yield server


def callback(server: LiveServer) -> str:
    return f"{server.url}/auth/oidc/callback"


class Jar(requests.Session):
    """A program that keeps cookies and follows addresses, as a browser does."""

    def __init__(self) -> None:
        super().__init__()
        self.trust_env = False

    def submit(self, page: requests.Response, **fields: str) -> requests.Response:
        """Fill in the form of a page."""
        form = _FORM.search(page.text)
        assert form is not None, page.text
        hidden = {name: unescape(value) for name, value in _HIDDEN.findall(form[2])}
        return self.post(urljoin(page.url, unescape(form[1])), data={**hidden, **fields}, timeout=TIMEOUT)

    def sign_in(self, server: LiveServer, who: str) -> requests.Response:
        """The whole way, to where it ends."""
        page = self.get(f"{server.url}/auth/oidc/login", timeout=TIMEOUT)
        assert page.status_code == 200, page.text
        page = self.submit(page, login=who, password="any")
        return self.submit(page)  # consent

    def me(self, server: LiveServer) -> dict[str, Any]:
        answer = self.get(f"{server.url}/auth/me", timeout=TIMEOUT)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found


def test_a_program_with_a_jar_signs_in_and_the_provider_may_change_its_keys(
    server: LiveServer, provider_port: int
) -> None:
    with providing(provider_port, callback(server)):
        wait_until(lambda: Jar().get(f"{server.url}/auth/oidc/login", timeout=TIMEOUT).ok)  # asked for when it was away
        jar = Jar()
        end = jar.sign_in(server, "4711")
        assert (end.status_code, end.url) == (200, f"{server.url}/")
        first = jar.me(server)
        assert (first["name"], first["permissions"]) == ("alice@example.com", ["games.download"])
        back = next(each for each in end.history if each.url.startswith(callback(server)))
        assert jar.get(back.url, timeout=TIMEOUT).status_code == 401  # a second time

        refused = Jar().sign_in(server, "4712")
        assert (refused.status_code, refused.json()) == (401, {"detail": "Could not validate credentials"})

    assert jar.me(server) == first  # the provider is away, and nobody minds
    assert jar.get(f"{server.url}/readyz", timeout=TIMEOUT).status_code == 200
    with providing(provider_port, callback(server)):
        wait_until(lambda: Jar().sign_in(server, "4711").url == f"{server.url}/")  # new keys, which are asked for
    log = server.log_path.read_text()
    assert "no verified address" in log
    assert not any(word in log for word in (SECRET, "code=", "state=", "eyJ"))


def _fill_in(page: Page, script: str, *, until: str) -> None:
    """Do something in a page that leads to another one."""
    with suppress(WentElsewhere):
        page.evaluate(script)
    page.until(until)


def test_a_browser_signs_in(server: LiveServer, provider_port: int) -> None:
    with providing(provider_port, callback(server)), browser() as page:
        wait_until(lambda: Jar().get(f"{server.url}/auth/oidc/login", timeout=TIMEOUT).ok)
        page.open(f"{server.url}/auth/oidc/login")
        assert urlsplit(page.evaluate("location.href")).port == provider_port
        fill = (
            "document.querySelector('[name=login]').value='4711', document.querySelector('[name=password]').value='x'"
        )
        _fill_in(page, f"{fill}, document.forms[0].submit()", until="!!document.querySelector('[value=consent]')")
        _fill_in(page, "document.forms[0].submit()", until=f"location.href == '{server.url}/'")
        page.open(f"{server.url}/healthz")  # the start page lets no script ask
        asked = "fetch('/auth/me').then(answer => answer.json()).then(me => me.name)"
        assert page.evaluate(asked) == "alice@example.com"
        cookies = {cookie["name"]: cookie["httpOnly"] for cookie in page.cookies() if cookie["domain"] == "127.0.0.1"}
        assert (cookies["access_token_cookie"], "oidc_sign_in" in cookies) == (True, False)
