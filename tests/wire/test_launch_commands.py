"""Launch commands of games, and the addresses of what they lead to."""

import uuid

import pytest

from transfer_service.wire.launch_commands import can_play_in_browser, content_address

GAME = uuid.UUID("0b8bd5ab-2f5c-4b3c-a3d5-2f2fd2c6d1f0")


@pytest.mark.parametrize(("command", "address"), [
    pytest.param(None, None, id="none"),
    pytest.param("", None, id="empty"),
    pytest.param("http://example.com/lake/index.html", "http://example.com/lake/index.html", id="http"),
    pytest.param("HTTPS://Example.com/a.swf", "https://Example.com/a.swf", id="https-in-capitals"),
    pytest.param(" http://example.com/a b.html\n", "http://example.com/a%20b.html", id="spaces"),
    pytest.param("http://example.com/家.html", "http://example.com/%E5%AE%B6.html", id="other-script"),
    pytest.param("http://example.com/a%20b%.html", "http://example.com/a%20b%25.html", id="escaped-once"),
    pytest.param("http://example.com/a.html?x=1&y=a b#end", "http://example.com/a.html?x=1&y=a%20b#end", id="query"),
    pytest.param('"http://example.com/a.swf" --fast', "http://example.com/a.swf", id="quoted"),
    pytest.param("http:///", None, id="no-host"),
    pytest.param("javascript:alert(1)", None, id="other-scheme"),
    pytest.param("file:///etc/passwd", None, id="file"),
    pytest.param("content/example.com/a b.html", f"{GAME}/content/example.com/a%20b.html", id="member"),
    pytest.param(r".\Games\play?.exe", f"{GAME}/Games/play%3F.exe", id="path-of-windows"),
    pytest.param("/index.html", f"{GAME}/index.html", id="from-the-top"),
    pytest.param("./", None, id="nothing"),
])  # fmt: skip
def test_the_address_of_a_command(command: str | None, address: str | None) -> None:
    assert content_address(command, GAME) == (None if address is None else f"/game-zip/{address}")


@pytest.mark.parametrize(("command", "platform", "expected"), [
    pytest.param("http://example.com/index.html", "HTML5", True, id="page"),
    pytest.param("http://example.com/INDEX.HTM?level=a.swf", None, True, id="capitals-and-query"),
    pytest.param("content/example.com/drawing.svg", None, True, id="drawing"),
    pytest.param("http://example.com/game.swf", "Flash", False, id="no-page"),
    pytest.param("http://example.com/index.html", " flash ", False, id="dropped-platform"),
    pytest.param("http://example.com/index.html", "JavaScript", True, id="not-java"),
    pytest.param("http://example.html", None, False, id="only-a-host"),
    pytest.param("http://example.com/", None, False, id="folder"),
    pytest.param("game.exe", None, False, id="program"),
    pytest.param(None, "HTML5", False, id="no-command"),
])  # fmt: skip
def test_what_a_browser_can_play(command: str | None, platform: str | None, expected: bool) -> None:
    assert can_play_in_browser(command, platform) is expected
