"""Signing in by cookie in a real browser, with the code that docs/accounts.md prints."""

import json
import time
import uuid
from collections.abc import Iterator
from contextlib import closing

import jwt
import pytest

from tests.conftest import PASSWORD
from tests.live.chromium import Page, browser
from tests.live.doc_examples import blocks
from tests.live.pages import serving
from tests.live.server import LiveServer, running, wait_until

(SNIPPET,) = blocks("accounts.md", "js")
FUNCTIONS, EXAMPLE = SNIPPET.split("\nawait signIn", 1)
TWO_CALLS = "Promise.all([1, 2].map(() => callSignedIn('GET', '/api/files'))).then(all => all.map(each => each.status))"
OTHER_HOSTS = ("--no-proxy-server", "--host-resolver-rules=MAP *.example.test 127.0.0.1")


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a web server of somebody else."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "index.html").write_text("<!doctype html><title>Page</title><link rel='icon' href='data:,'>")
    with serving(folder) as origin:
        yield int(origin.rpartition(":")[2])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, pages: int) -> Iterator[LiveServer]:
    """An instance that pages of `app.example.test` may use."""
    listed = f"http://app.example.test:{pages}"
    with running(tmp_path_factory.mktemp("live") / "data", "alice", TRANSFER_CORS_ORIGINS=listed) as server:
        yield server


def load(page: Page, server_url: str = "") -> None:
    """Define the printed functions in a page."""
    code = FUNCTIONS.replace('const SERVER = ""', f'const SERVER = "{server_url}"')
    page.evaluate(f"(() => {{ {code}\nObject.assign(window, {{ signIn, callSignedIn }}); }})()")


def sign_in(page: Page) -> None:
    assert page.evaluate(f"signIn('alice', {json.dumps(PASSWORD)})") is True


def expire(page: Page, server: LiveServer, host: str) -> None:
    """Put a token in the place of the present one that is the same, but expired."""
    secret = (server.data_dir / "secret_key").read_text().strip().encode()
    (cookie,) = [each for each in page.cookies() if each["name"] == "access_token_cookie"]
    claims = jwt.decode(cookie["value"], secret, algorithms=["HS256"])
    value = jwt.encode({**claims, "exp": int(time.time()) - 1, "jti": str(uuid.uuid4())}, secret, "HS256")
    url = f"http://{host}:{server.port}/"
    page.call("Network.setCookie", url=url, name="access_token_cookie", value=value, httpOnly=True, sameSite="Lax")


def renewals(server: LiveServer) -> list[int]:
    """The statuses of all renewals so far."""
    lines = [json.loads(line) for line in server.log_path.read_text().splitlines() if line.startswith("{")]
    return [line["status"] for line in lines if (line.get("method"), line.get("route")) == ("POST", "/auth/refresh")]


@pytest.mark.parametrize("locks", [True, False], ids=["locks", "no-locks"])
def test_two_tabs_with_two_calls_each_after_the_token_has_expired_stay_signed_in(
    server: LiveServer, locks: bool
) -> None:
    with browser() as page, closing(page.another_tab()) as other:
        for tab in (page, other):
            tab.open(f"http://localhost:{server.port}/healthz")
            load(tab)
            if not locks:
                tab.evaluate("Object.defineProperty(navigator, 'locks', { value: undefined }) && 0")
        sign_in(page)
        before = len(renewals(server))
        for _ in range(2):
            expire(page, server, "localhost")
            for tab in (page, other):
                tab.evaluate(f"window.done = {TWO_CALLS}; 0")
            assert [tab.evaluate("done") for tab in (page, other)] == [[200, 200], [200, 200]]
        wait_until(lambda: len(renewals(server)) >= before + 2)  # a line of the log may come after its answer
        made = renewals(server)[before:]
        if locks:
            assert made == [200, 200]
        else:  # one whose cookies another tab has just replaced is refused, and goes on with the other tab's
            assert (set(made) <= {200, 401}, made.count(200) >= 2) == (True, True)


def test_a_page_on_another_host_of_the_same_site_signs_in_calls_and_renews(server: LiveServer, pages: int) -> None:
    origin, api = f"http://app.example.test:{pages}", f"http://api.example.test:{server.port}"
    with browser(*OTHER_HOSTS, f"--unsafely-treat-insecure-origin-as-secure={origin}") as page:
        page.open(origin)
        load(page, api)
        code = f"const password = {json.dumps(PASSWORD)}; await signIn{EXAMPLE}"
        page.evaluate(f"(async () => {{ {code} }})()")
        expire(page, server, "api.example.test")
        before = len(renewals(server))
        assert page.evaluate(TWO_CALLS) == [200, 200]
        assert renewals(server)[before:] == [200]
        assert page.evaluate("document.cookie") == ""
        names = "callSignedIn('GET', '/api/files').then(answer => answer.json())"
        assert [each["filename"] for each in page.evaluate(names)["files"]] == ["hello.txt"]
        assert page.evaluate("callSignedIn('DELETE', '/api/files/hello.txt').then(answer => answer.status)") == 200


def test_a_page_of_a_host_that_is_not_listed_reads_nothing(server: LiveServer, pages: int) -> None:
    with browser(*OTHER_HOSTS) as page:
        page.open(f"http://other.example.test:{pages}")
        load(page, f"http://api.example.test:{server.port}")
        refused = "signIn('alice', 'x').then(() => 'read', error => error.name)"
        assert page.evaluate(refused) == "TypeError"


def test_a_form_of_a_foreign_site_signs_nobody_in(server: LiveServer, pages: int) -> None:
    login = f"http://localhost:{server.port}/auth/login"
    fields = "".join(
        f"<input name={name} value='{value}'>" for name, value in [("username", "alice"), ("password", PASSWORD)]
    )
    with browser() as page:
        page.open(f"http://127.0.0.1:{pages}")
        page.events.clear()
        form = f"<form method=post action='{login}'>{fields}</form>"
        page.evaluate(f"document.body.innerHTML = {json.dumps(form)}; document.forms[0].submit(); 0")
        wait_until(lambda: page.evaluate("1") == 1 and login in page.responses())
        assert page.responses()[login] == 403
        assert page.cookies() == []
