"""Which pages of other origins may call the service: `TRANSFER_CORS_ORIGINS` at every door."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from config import Settings
from tests.conftest import SECRET
from tests.web.conftest import MakeApp
from transfer_service.app import create_app
from transfer_service.web.context import EXTENSION
from transfer_service.web.cors import EXPOSED_HEADERS, Origins

LISTED = ["https://app.example", "http://[::1]:8080", "capacitor://localhost"]
SAFELISTED = {"Cache-Control", "Content-Length", "Content-Type", "Expires", "Last-Modified", "Pragma"}
FOR_BROWSERS = {"Content-Security-Policy", "Set-Cookie"}
HANDSHAKE = "/socket.io/?EIO=4&transport=polling"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An app without a schema: nobody is signed in here."""
    folder = tmp_path_factory.mktemp("shared")
    settings = Settings(
        _env_file=None,  # type: ignore[call-arg] # nothing of a developer's
        data_dir=folder,
        secret_key=SecretStr(SECRET),
        cors_origins=LISTED,
    )
    app = create_app(settings)
    yield app
    app.extensions[EXTENSION].database.dispose()


def shared(app: Flask, origin: str, path: str = "/api/files", method: str = "GET") -> dict[str, str]:
    """The fields of CORS on an answer."""
    asks = {"Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization, x-csrf-token"}
    headers = {"Origin": origin, **(asks if method == "OPTIONS" else {})}
    response = app.test_client().open(path, method=method, headers=headers)
    return {name: value for name, value in response.headers if name.startswith("Access-Control-")}


@pytest.mark.parametrize(
    "path", ["/api/files", "/api/uploads", "/nowhere", HANDSHAKE], ids=["door", "tus", "404", "sockets"]
)
@pytest.mark.parametrize("origin", [*LISTED, "HTTPS://APP.EXAMPLE"])
def test_a_listed_origin_is_let_in_with_cookies(app: Flask, path: str, origin: str) -> None:
    fields = shared(app, origin, path)
    assert fields == {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": ", ".join(EXPOSED_HEADERS),
    }


@pytest.mark.parametrize(
    "path", ["/api/files", "/auth/login", "/nowhere", HANDSHAKE], ids=["door", "login", "404", "sockets"]
)
@pytest.mark.parametrize(
    "origin",
    [
        pytest.param("null", id="sandbox"),
        pytest.param("", id="empty"),
        pytest.param("*", id="star"),
        pytest.param("https://evil.example", id="stranger"),
        pytest.param("https://app.example.evil.net", id="longer-host"),
        pytest.param("https://xapp.example", id="host-with-another-beginning"),
        pytest.param("https://app-example", id="dot-that-is-any-character"),
        pytest.param("https://sub.app.example", id="subdomain"),
        pytest.param("https://example", id="parent"),
        pytest.param("http://app.example", id="other-scheme"),
        pytest.param("https://app.example:444", id="other-port"),
        pytest.param("https://app.example:443", id="port-spelled-out"),
        pytest.param("https://app.example.", id="trailing-dot"),
        pytest.param("https://app.example/", id="trailing-slash"),
        pytest.param("https://app.example/evil", id="path"),
        pytest.param("https://app.example@evil.net", id="user"),
        pytest.param("https://app.example, https://evil.net", id="two"),
        pytest.param("https://evil.net https://app.example", id="two-with-a-space"),
        pytest.param("https://app.example\u00e9", id="letter-behind"),
        pytest.param("http://[::1]", id="address-without-port"),
        pytest.param("http://[", id="broken-address"),
        pytest.param("capacitor://localhost:1", id="app-with-port"),
        pytest.param("ionic://localhost", id="other-app"),
    ],
)  # fmt: skip
def test_any_other_origin_is_told_nothing(app: Flask, path: str, origin: str) -> None:
    assert shared(app, origin, path) == {}
    assert shared(app, origin, path, "OPTIONS") == {}


@pytest.mark.parametrize("path", ["/api/files", "/nowhere", HANDSHAKE], ids=["door", "404", "sockets"])
def test_a_preflight_counts_for_two_hours(app: Flask, path: str) -> None:
    fields = shared(app, LISTED[0], path, "OPTIONS")
    assert {"DELETE", "GET", "PATCH", "PUT"} <= set(fields.pop("Access-Control-Allow-Methods").split(", "))
    assert fields == {
        "Access-Control-Allow-Origin": LISTED[0],
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Allow-Headers": "authorization, x-csrf-token",
        "Access-Control-Max-Age": "7200",
    }


def test_every_call_may_be_asked_for_before_it_is_made(make_app: MakeApp) -> None:
    """A preflight comes without a token; pages of other origins can make no call that refuses it."""
    app = make_app(cors_origins=LISTED)
    client, refused = app.test_client(), set()
    calls = [rule for rule in app.url_map.iter_rules() if not rule.rule.startswith("/assets/")]  # parts of own pages
    for rule in calls:
        path = re.sub(r"<[^>]*>", "0b5e7c1a-2f5c-4b3c-a3d5-2f2fd2c6d1f0", rule.rule)
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            asks = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization"}
            answer = client.options(path, headers={"Origin": LISTED[0], **asks})
            if not 200 <= answer.status_code < 300:
                refused.add(rule.rule)
    assert refused == set()


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_a_star_never_allows_cookies(make_app: MakeApp, method: str) -> None:
    app = make_app(cors_origins=["*"])
    for path in ("/api/files", HANDSHAKE):
        fields = shared(app, "https://evil.example", path, method)
        assert fields["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in fields


@pytest.mark.parametrize(
    ("origins", "vary"), [(LISTED, "Origin"), (["*"], None), ([], None)], ids=["list", "star", "none"]
)
def test_caches_are_told_what_the_answer_depends_on(make_app: MakeApp, origins: list[str], vary: str | None) -> None:
    response = make_app(cors_origins=origins).test_client().get("/healthz")
    assert response.headers.get("Vary") == vary
    assert [name for name, _ in response.headers if name.startswith("Access-Control")] == []


@pytest.mark.parametrize("origin", ["https://evil.example", "http://[", "null", "https://localhost.evil.example"])
def test_a_socket_of_a_page_that_is_not_listed_is_refused(app: Flask, origin: str) -> None:
    response = app.test_client().get(HANDSHAKE, headers={"Origin": origin})
    assert (response.status_code, b"sid" in response.data) == (400, False)


@pytest.mark.parametrize("origin", ["http://localhost", "https://localhost", "HTTP://LOCALHOST"])
def test_a_socket_of_an_own_page_is_let_in(app: Flask, origin: str) -> None:
    assert b"sid" in app.test_client().get(HANDSHAKE, headers={"Origin": origin}).data


def test_every_documented_field_can_be_read_by_pages() -> None:
    """openapi.yaml says which fields answers have: a script of another origin must see each of them."""
    description = yaml.safe_load((Path(__file__).parents[2] / "openapi.yaml").read_text("utf-8"))
    documented = {name for response in _responses(description) for name in response["headers"]}
    assert "X-Request-Id" in documented
    assert documented - SAFELISTED - FOR_BROWSERS <= set(EXPOSED_HEADERS)


def _responses(node: object) -> list[dict[str, Any]]:
    """Everything below `node` that has fields."""
    if isinstance(node, list):
        return [found for each in node for found in _responses(each)]
    if not isinstance(node, dict):
        return []
    own = [node] if isinstance(node.get("headers"), dict) and "description" in node else []
    return own + [found for each in node.values() for found in _responses(each)]


@given(
    st.text(max_size=40) | st.sampled_from(LISTED).flatmap(lambda one: st.text(max_size=3).map(lambda end: one + end))
)
def test_only_the_listed_text_is_allowed(origin: str) -> None:
    allowed = Origins(LISTED).may_use_cookies(origin)
    assert allowed == (origin.lower() in LISTED)
    assert not Origins(LISTED).is_own(origin, None)
