"""`/`: a page for visitors, JSON for programs that prefer it."""

import re
import shutil
from pathlib import Path

import pytest
import yaml
from flask import Flask

from tests.web.conftest import MakeApp
from transfer_service.version import VERSION

REPOSITORY = Path(__file__).parents[2]
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    "accept", [BROWSER, "*/*", "text/html", None, "text/plain", "application/json;q=0.1, text/html"]
)
def test_a_visitor_gets_a_page(shared_app: Flask, accept: str | None) -> None:
    page = shared_app.test_client().get("/?utm_source=x", headers={"Accept": accept} if accept else {})
    assert (page.status_code, page.content_type) == (200, "text/html; charset=utf-8")
    assert ("<h1>" in page.text, f"Version {VERSION}" in page.text, page.headers["Vary"]) == (True, True, "Accept")


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


def test_what_the_page_links_to_is_there(shared_app: Flask) -> None:
    client = shared_app.test_client()
    links = set(re.findall(r'(?:href|src)="([^"#]+)', client.get("/").text))
    assert {"/docs", "/openapi.yaml", "/healthz", "/readyz", "/assets/home.css", "/assets/icon.svg"} == links
    assert {link: client.get(link, buffered=True).status_code for link in links} == dict.fromkeys(links, 200)


def test_the_parts_of_the_documentation_that_it_links_to_are_there(shared_app: Flask) -> None:
    parts = {
        link.replace("%20", " ")
        for link in re.findall(r'href="/docs#/([^"]+)"', shared_app.test_client().get("/").text)
    }
    tags = {tag["name"] for tag in yaml.safe_load((REPOSITORY / "openapi.yaml").read_text())["tags"]}
    assert parts <= tags
    assert len(parts) == 8


def test_the_page_lets_nothing_in(shared_app: Flask) -> None:
    page = shared_app.test_client().get("/")
    policy = page.headers["Content-Security-Policy"].split("; ")
    assert ("default-src 'none'" in policy, "frame-ancestors 'none'" in policy) == (True, True)
    assert ("unsafe" in " ".join(policy), "<script" in page.text, " style=" in page.text) == (False, False, False)
    assert page.headers["Referrer-Policy"] == "same-origin"


def test_the_address_that_it_shows_is_text(shared_app: Flask) -> None:
    page = shared_app.test_client().get("/", headers={"Host": "files.example.com"})
    assert "SERVER=http://files.example.com\n" in page.text


def test_the_page_needs_no_database(make_app: MakeApp, tmp_path: Path) -> None:
    app = make_app(database_url=f"sqlite:///{tmp_path / 'gone' / 'db.sqlite3'}")
    app.extensions["transfer_service"].database.dispose()
    shutil.rmtree(tmp_path / "gone")
    client = app.test_client()
    paths = ("/", "/assets/home.css", "/api/files")
    assert [client.get(path, buffered=True).status_code for path in paths] == [200, 200, 503]


def test_behind_a_proxy_everything_has_its_prefix(make_app: MakeApp) -> None:
    headers = {"X-Forwarded-Prefix": "/base", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "files.example.com"}
    page = make_app(trusted_proxies=1).test_client().get("/", headers=headers).text
    assert all(link.startswith("/base/") for link in re.findall(r'(?:href|src)="([^"]+)"', page))
    assert "SERVER=https://files.example.com/base\n" in page


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/", 405), ("DELETE", "/", 405), ("GET", "/nowhere", 404), ("GET", "/assets/nothing.css", 404)],
)
def test_errors_stay_json(shared_app: Flask, method: str, path: str, status: int) -> None:
    answer = shared_app.test_client().open(path, method=method, headers={"Accept": BROWSER})
    assert (answer.status_code, list(answer.get_json())) == (status, ["detail"])


def test_there_is_one_version() -> None:
    """A wheel has that of version.py (tests/live/test_wheel.py)."""
    described = yaml.safe_load((REPOSITORY / "openapi.yaml").read_text())["info"]["version"]
    assert (described, re.fullmatch(r"\d+\.\d+\.\d+", VERSION) is not None) == (VERSION, True)
