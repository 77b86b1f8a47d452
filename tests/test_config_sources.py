"""Reading where remote downloads come from: `TRANSFER_GAME_DATA_SOURCES`."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from config import ConfigurationError, load_settings

MIRROR = {"type": "raw", "name": "mirror", "arguments": ["https://h/games/"]}
NO_HOST = "must begin with http:// or https:// and a host"
NO_URL = "must be a URL without spaces, fragment and characters that need to be encoded"


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty working directory and no other settings than a secret."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("TRANSFER_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SECRET_KEY", "a secret of the tests with at least 32 bytes")


def source(url: str = "https://h/", **changes: Any) -> dict[str, Any]:
    """A good source, but for `changes`."""
    return {**MIRROR, "arguments": [url], **changes}


def complaints(monkeypatch: pytest.MonkeyPatch, sources: object) -> str:
    """What is said about sources."""
    monkeypatch.setenv("TRANSFER_GAME_DATA_SOURCES", sources if isinstance(sources, str) else json.dumps(sources))
    with pytest.raises(ConfigurationError) as caught:
        load_settings()
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "base_url"),
    [
        pytest.param("https://h/games/", "https://h/games/", id="folder"),
        pytest.param("http://192.0.2.1:81/a-", "http://192.0.2.1:81/a-", id="prefix"),
        pytest.param("http://[::1]:81/", "http://[::1]:81/", id="ipv6"),
        pytest.param("HTTPS://h/", "HTTPS://h/", id="capitals"),
        pytest.param("https://h", "https://h/", id="no-path"),
        pytest.param("https://h:81?f=", "https://h:81/?f=", id="no-path-but-a-query"),
        pytest.param(
            "https://h/{gameId}/{gameDataId}?{sha256}", "https://h/{gameId}/{gameDataId}?{sha256}", id="holes"
        ),
    ],
)
def test_the_base_url_of_a_source(monkeypatch: pytest.MonkeyPatch, url: str, base_url: str) -> None:
    monkeypatch.setenv("TRANSFER_GAME_DATA_SOURCES", json.dumps([source(url)]))
    (found,) = load_settings().game_data_sources
    assert (found.name, found.base_url) == ("mirror", base_url)


def test_sources_keep_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSFER_GAME_DATA_SOURCES", json.dumps([source(name="b" * 100), source(name="a")]))
    assert [each.name for each in load_settings().game_data_sources] == ["b" * 100, "a"]


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        pytest.param("", NO_HOST, id="empty"),
        pytest.param("h/games/", NO_HOST, id="no-scheme"),
        pytest.param("//h/games/", NO_HOST, id="only-a-host"),
        pytest.param("ftp://h/", NO_HOST, id="ftp"),
        pytest.param("file:///etc/", NO_HOST, id="file"),
        pytest.param("https:///games/", NO_HOST, id="no-host"),
        pytest.param("https://:81/", NO_HOST, id="only-a-port"),
        pytest.param("https://h:0/", NO_HOST, id="port-zero"),
        pytest.param("https://h:65536/", NO_HOST, id="port-too-large"),
        pytest.param("https://h:http/", NO_HOST, id="port-name"),
        pytest.param("https://[::1/", NO_HOST, id="half-an-ipv6"),
        pytest.param("https://user@h/", "must not hold a user name or a password", id="user"),
        pytest.param("https://user:word@h/", "must not hold a user name or a password", id="password"),
        pytest.param("https://@h/", "must not hold a user name or a password", id="empty-user"),
        pytest.param("https://h/#part", NO_URL, id="fragment"),
        pytest.param("https://h/#", NO_URL, id="empty-fragment"),
        pytest.param("https://h/a b", NO_URL, id="space"),
        pytest.param("https://h/a\nb", NO_URL, id="line-end"),
        pytest.param("https://h\\@evil/", NO_URL, id="backslash"),
        pytest.param("https://h/家/", NO_URL, id="not-encoded"),
        pytest.param("https://h/{gameid}", "may hold {gameDataId}, {gameId}, {sha256}", id="unknown-placeholder"),
        pytest.param("https://h/{gameId", "may hold {gameDataId}, {gameId}, {sha256}", id="half-a-placeholder"),
    ],
)
def test_a_base_url_that_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch, url: str, complaint: str) -> None:
    said = complaints(monkeypatch, [source(name="good"), source(url)])
    assert said.startswith(f"TRANSFER_GAME_DATA_SOURCES: [1].arguments[0]: Value error, {complaint}")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("sources", "places"),
    [
        pytest.param("[" * 100_000, ["Value error, is nested too deeply"], id="too-deep"),
        pytest.param({}, ["Input should be a valid list"], id="no-list"),
        pytest.param([5], ["[0]"], id="no-object"),
        pytest.param([{}], ["[0].type", "[0].name", "[0].arguments"], id="nothing-in-it"),
        pytest.param([source(type="torrent")], ["[0].type"], id="another-type"),
        pytest.param([source(name="")], ["[0].name"], id="empty-name"),
        pytest.param([source(name="x" * 101)], ["[0].name"], id="long-name"),
        pytest.param([source(name=5)], ["[0].name"], id="a-number-for-a-name"),
        pytest.param([source(arguments=[])], ["[0].arguments"], id="no-argument"),
        pytest.param([source(arguments=["https://h/"] * 2)], ["[0].arguments"], id="two-arguments"),
        pytest.param([source(arguments="https://h/")], ["[0].arguments"], id="no-list-of-arguments"),
        pytest.param([source(arguments=[5])], ["[0].arguments[0]"], id="a-number-for-an-argument"),
        pytest.param([source(user="me")], ["[0].user"], id="unknown-key"),
        pytest.param([source(), source()], ["Value error, every source needs a name of its own"], id="one-name-twice"),
        pytest.param(
            [source(type=1), source(name=""), source("x")], ["[0].type", "[1].name", "[2].arguments[0]"], id="all"
        ),
    ],
)
def test_every_mistake_in_the_sources_is_named(
    monkeypatch: pytest.MonkeyPatch, sources: object, places: list[str]
) -> None:
    lines = complaints(monkeypatch, sources).splitlines()
    assert [line.partition(": ")[2].partition(": ")[0] for line in lines] == places
    assert {line.partition(":")[0] for line in lines} == {"TRANSFER_GAME_DATA_SOURCES"}


@pytest.mark.parametrize("url", ["https://me:geheim@h/", "https://me:geheim/x@h/", "https://me:geheim@h:x/", "geheim"])
def test_a_password_in_a_base_url_never_shows(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    assert "geheim" not in complaints(monkeypatch, [source(url)])
