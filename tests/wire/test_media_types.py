"""Choosing the media type that a file is stored with."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_service.wire.media_types import OCTET_STREAM, guess_media_type, stored_media_type


@pytest.mark.parametrize(
    ("name", "guessed"),
    [
        pytest.param("a.png", "image/png", id="image"),
        pytest.param("a.PNG", "image/png", id="capitals"),
        pytest.param("a.json", "application/json", id="json"),
        pytest.param("a.js", "text/javascript", id="script"),
        pytest.param("a.mjs", "text/javascript", id="module"),
        pytest.param("a.tar.gz", OCTET_STREAM, id="compressed"),
        pytest.param("a.unheard-of", OCTET_STREAM, id="unknown-extension"),
        pytest.param("README", OCTET_STREAM, id="no-extension"),
        pytest.param("data:text/html,x", OCTET_STREAM, id="a-data-url"),
        pytest.param("http://x/a.html?b", OCTET_STREAM, id="a-url"),
    ],
)
def test_an_extension_stands_for_a_type(name: str, guessed: str) -> None:
    assert guess_media_type(name) == guessed


@pytest.mark.parametrize(
    ("declared", "stored"),
    [
        pytest.param(None, "image/png", id="none"),
        pytest.param("", "image/png", id="empty"),
        pytest.param("application/octet-stream", "image/png", id="unchosen"),
        pytest.param("Application/Octet-Stream", "image/png", id="unchosen-in-capitals"),
        pytest.param("application/x-www-form-urlencoded", "image/png", id="what-curl-sends"),
        pytest.param("multipart/form-data; boundary=x", "image/png", id="the-envelope"),
        pytest.param("text/plain", "text/plain", id="chosen"),
        pytest.param(" text/plain; charset=utf-8 ", "text/plain; charset=utf-8", id="with-parameter"),
        pytest.param("text", "image/png", id="no-slash"),
        pytest.param("text/", "image/png", id="no-subtype"),
        pytest.param("text/plain\r\nX: 1", "image/png", id="line-break"),
        pytest.param("text/pläin", "image/png", id="not-ascii"),
        pytest.param("text/" + "x" * 1000, "image/png", id="huge"),
    ],
)
def test_a_chosen_type_wins_over_the_extension(declared: str | None, stored: str) -> None:
    assert stored_media_type(declared, "a.png") == stored


@given(declared=st.text(max_size=300), name=st.text(max_size=40))
def test_a_stored_type_is_always_fit_for_a_header_and_a_column(declared: str, name: str) -> None:
    assert re.fullmatch(r"[\x20-\x7e]{3,255}", stored_media_type(declared, name))
