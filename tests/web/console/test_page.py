"""The console's page, JSON at `/` for programs that prefer it, and the files that pages load."""

import hashlib
import re
import shutil
from pathlib import Path

import pytest
import yaml
from flask import Flask

from tests.web.conftest import MakeApp
from transfer_service.version import VERSION
from transfer_service.web.console.assets import STATIC, digest

REPOSITORY = Path(__file__).parents[3]
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
LINKS = re.compile(r'(?:href|src)="([^"#]+)')


@pytest.mark.parametrize(
    "accept", [BROWSER, "*/*", "text/html", None, "text/plain", "application/json;q=0.1, text/html"]
)
def test_a_visitor_gets_a_page(shared_app: Flask, accept: str | None) -> None:
    page = shared_app.test_client().get("/?utm_source=x", headers={"Accept": accept} if accept else {})
    assert (page.status_code, page.content_type) == (200, "text/html; charset=utf-8")
    assert ('<div id="console">' in page.text, f'data-version="{VERSION}"' in page.text) == (True, True)
    assert page.headers.getlist("Vary") == ["Accept-Language, Accept"]


@pytest.mark.parametrize(
    "accept", ["application/json", "application/json, text/plain, */*", "text/html;q=0.5, application/json"]
)
def test_who_prefers_json_gets_json(shared_app: Flask, accept: str) -> None:
    answer = shared_app.test_client().get("/", headers={"Accept": accept})
    assert (answer.status_code, answer.headers["Vary"]) == (200, "Accept")
    assert answer.get_json() == {
        "name": "Transfer Service", "version": VERSION, "documentation": "/docs", "description": "/openapi.yaml",
        "alive": "/healthz", "ready": "/readyz",
    }  # fmt: skip


@pytest.mark.parametrize("place", ["", "files", "files/Trip/day%201", "chat/1", "nowhere", "a%2Fb", '"><script>'])
def test_every_place_of_the_console_is_the_same_page(shared_app: Flask, place: str) -> None:
    client = shared_app.test_client()
    page = client.get(f"/console/{place}", headers={"Accept": BROWSER})
    assert (page.status_code, page.data) == (200, client.get("/").data)


def test_what_the_page_links_to_is_there(shared_app: Flask) -> None:
    client = shared_app.test_client()
    links = set(LINKS.findall(client.get("/").text))
    assert {link.rpartition("/")[2] for link in links} >= {"docs", "app.js", "tokens.css", "icon.svg", "en.json"}
    assert {link: client.get(link, buffered=True).status_code for link in links} == dict.fromkeys(links, 200)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("de", "de"), ("de-AT,de;q=0.9,en;q=0.8", "de"), ("en-GB,en;q=0.9,de;q=0.8", "en"), ("fr", "en"),
     ("fr, de;q=0.1", "de"), ("", "en"), ("*", "en"), ("de;q=0, en", "en"), ("de;q=0, fr", "en"), ("x" * 4000, "en"),
     ("en-GB, de;q=0.9", "en"), ("de-AT, en;q=0.9", "de"), ("DE-CH-1996", "de"), ("de;q=0.1, en;q=0.9", "en"),
     (";;q=x,", "en")],
)  # fmt: skip
def test_the_browser_chooses_the_language(shared_app: Flask, accepted: str, language: str) -> None:
    page = shared_app.test_client().get("/", headers={"Accept-Language": accepted})
    assert f'<html lang="{language}" dir="ltr">' in page.text
    assert f"/console/messages/{language}.json" in page.text


@pytest.mark.parametrize("address", ["/", "/console/files"])
def test_the_page_lets_nothing_in(shared_app: Flask, address: str) -> None:
    page = shared_app.test_client().get(address)
    policy = dict(each.split(" ", 1) for each in page.headers["Content-Security-Policy"].split("; "))
    assert (policy["default-src"], policy["script-src"], policy["style-src"]) == ("'none'", "'self'", "'self'")
    assert (policy["connect-src"], policy["frame-ancestors"], policy["base-uri"]) == ("'self'", "'none'", "'none'")
    assert not re.search("blob:|data:|https?:|[*]", str(policy))
    assert ("unsafe" in str(policy), "<script>" in page.text, " style=" in page.text) == (False, False, False)
    assert (page.headers["Referrer-Policy"], page.headers["X-Content-Type-Options"]) == ("same-origin", "nosniff")


def test_an_object_store_that_sends_bytes_is_let_in(make_app: MakeApp) -> None:
    app = make_app(storage_url="s3://bucket/a?endpoint=https://store.example.com:9000", s3_redirect=True)
    policy = app.test_client().get("/").headers["Content-Security-Policy"].split("; ")
    assert {"connect-src 'self' https://store.example.com:9000", "script-src 'self'"} <= set(policy)


def test_the_page_needs_no_database(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(database_url=f"sqlite:///{tmp_path / 'gone' / 'db.sqlite3'}")
    app.extensions["transfer_service"].database.dispose()
    shutil.rmtree(tmp_path / "gone")
    client = app.test_client()
    paths = ("/", "/console/files", "/assets/1/console/app.js", "/api/files")
    assert [client.get(path, buffered=True).status_code for path in paths] == [200, 200, 200, 503]


def test_behind_a_proxy_everything_has_its_prefix(make_app: MakeApp) -> None:
    headers = {"X-Forwarded-Prefix": "/base", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "files.example.com"}
    page = make_app(trusted_proxies=1).test_client().get("/", headers=headers).text
    assert all(link.startswith("/base/") for link in LINKS.findall(page))
    assert 'data-base="/base"' in page


@pytest.mark.parametrize(("days", "has_trash"), [(0, False), (7, True)])
def test_the_page_knows_whether_trash_is_kept(make_app: MakeApp, days: int, has_trash: bool) -> None:
    page = make_app(trash_days=days).test_client().get("/").text
    assert ("data-trash" in page) is has_trash


def test_files_are_kept_for_as_long_as_they_are_the_same(shared_app: Flask) -> None:
    client = shared_app.test_client()
    known = client.get(f"/assets/{digest()}/console/app.js", buffered=True)
    other = client.get("/assets/0/console/app.js", buffered=True)
    assert known.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert (other.headers["Cache-Control"], other.data) == ("no-cache", known.data)
    assert known.content_type.split(";")[0] == "text/javascript"


@pytest.mark.parametrize(
    "path",
    ["console/nothing.css", "console/", "console/css", "console/../../templates/docs.html",
     "console/%2e%2e/%2e%2e/requests.py", "swagger-ui/start.js", "console/%00", "vendor//etc/passwd"],
)  # fmt: skip
def test_nothing_else_is_given_out(shared_app: Flask, path: str) -> None:
    answer = shared_app.test_client().get(f"/assets/1/{path}", buffered=True)
    assert (answer.status_code, list(answer.get_json())) == (404, ["detail"])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/", 405), ("DELETE", "/", 405), ("POST", "/console/a", 405), ("GET", "/nowhere", 404)],
)
def test_errors_stay_json(shared_app: Flask, method: str, path: str, status: int) -> None:
    answer = shared_app.test_client().open(path, method=method, headers={"Accept": BROWSER})
    assert (answer.status_code, list(answer.get_json())) == (status, ["detail"])


def test_programs_of_others_are_what_their_page_says() -> None:
    """Whoever changes one of them has to say so there."""
    folder = STATIC / "vendor"
    told = dict(
        re.findall(r"^\| `(\S+)` \|.*\| `([0-9a-f]{64})` \|$", (folder / "README.md").read_text(), re.MULTILINE)
    )
    assert told == {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.js")}


def test_there_is_one_version() -> None:
    """A wheel has that of version.py (tests/live/test_wheel.py)."""
    described = yaml.safe_load((REPOSITORY / "openapi.yaml").read_text())["info"]["version"]
    assert (described, re.fullmatch(r"\d+\.\d+\.\d+", VERSION) is not None) == (VERSION, True)
