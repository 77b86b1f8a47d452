"""Fetching the file of a message: `GET|HEAD /uploads/chats/{message_id}/{filename}`."""

import shutil
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import pytest
from flask import Flask
from werkzeug.http import parse_options_header

from tests.conftest import Clock
from tests.download_cases import CASES, DATA, LENGTH, Expected, fill
from tests.web.chat.bench import BAD_IDS, NOT_PARTICIPANT, UNKNOWN_ID, Chat, refusal
from tests.web.conftest import MakeApp

NOT_FOUND = (404, "File not found")
INERT = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


class Sent(NamedTuple):
    """A photo in a group of `alice` and `bob`, with the validators that its first download told."""

    chat: Chat
    path: str
    etag: str
    modified: str


@pytest.fixture
def group(chat: Chat) -> str:
    """A group of `alice` and `bob`."""
    return chat.group("bob")


@pytest.fixture(scope="module")
def sent(chat: Chat) -> Sent:
    path = chat.send(chat.group("bob"), DATA, b"photo.png")["media_url"]
    first = chat["bob"].get(path).headers
    return Sent(chat, path, first["ETag"], first["Last-Modified"])


@pytest.mark.parametrize(("headers", "expected"), CASES)
def test_conditions_and_ranges_are_those_of_files(sent: Sent, headers: dict[str, str], expected: Expected) -> None:
    filled = fill(headers, etag=sent.etag, modified=sent.modified)
    response = sent.chat["bob"].get(sent.path, headers=filled)
    status, content_range, body = expected
    assert (response.status_code, response.headers.get("Content-Range")) == (status, content_range)
    assert body is None or response.data == body
    assert response.headers["ETag"] == sent.etag


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_head_of_the_answer(sent: Sent, method: str) -> None:
    response = sent.chat["bob"].request(method, sent.path)
    assert response.data == (DATA if method == "GET" else b"")
    varying = {"ETag", "Last-Modified", "X-Request-Id"}
    assert {name: value for name, value in response.headers.items() if name not in varying} == {
        "Content-Type": "image/png",
        "Content-Length": str(LENGTH),
        "Content-Disposition": 'inline; filename="photo.png"',
        "Content-Security-Policy": INERT,
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=31536000, immutable",
        "X-Content-Type-Options": "nosniff",
    }


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Range": "bytes=0-1"}, 206), ({"Range": "bytes=0-1,4-5"}, 206), ({"If-None-Match": "*"}, 304)],
    ids=["a-range", "ranges", "unchanged"],
)
def test_whatever_is_sent_of_it_never_changes(sent: Sent, headers: dict[str, str], status: int) -> None:
    response = sent.chat["bob"].get(sent.path, headers=headers)
    assert (response.status_code, response.headers["Cache-Control"]) == (
        status,
        "private, max-age=31536000, immutable",
    )


@pytest.mark.parametrize(
    ("name", "headers", "status"),
    [("carol", {}, 403), ("bob", {"Range": "bytes=9999999-"}, 416), ("bob", {"If-Match": '"x"'}, 412)],
    ids=["not-in-it", "past-the-end", "another-version"],
)
def test_what_is_refused_is_not_kept(sent: Sent, name: str, headers: dict[str, str], status: int) -> None:
    response = sent.chat[name].get(sent.path, headers=headers)
    assert (response.status_code, response.headers["Cache-Control"]) == (status, "no-store")


def test_head_pays_no_attention_to_a_range(sent: Sent) -> None:
    response = sent.chat["bob"].request("HEAD", sent.path, headers={"Range": "bytes=0-9"})
    assert (response.status_code, response.headers["Content-Length"]) == (200, str(LENGTH))


def test_last_modified_is_when_it_was_posted(app: Flask, clock: Clock) -> None:
    chat = Chat(app)
    message = chat.send(chat.group("bob"))
    clock.advance(minutes=1)
    chat["alice"].request("PATCH", f"/messages/{message['_id']}", json={"content": "new caption"})
    modified = parsedate_to_datetime(chat["bob"].get(message["media_url"]).headers["Last-Modified"])
    assert modified.astimezone(UTC).isoformat()[:19] == message["created_at"][:19]


@pytest.mark.parametrize("ranges", [None, "bytes=0-2", "bytes=0-1,3-4"], ids=["whole", "a-range", "ranges"])
@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.jpg", "image/jpeg"),
        ("a.JPEG", "image/jpeg"),
        ("a.png", "image/png"),
        ("a.gif", "image/gif"),
        ("a.webp", "image/webp"),
        ("a.bmp", "image/bmp"),
        ("a.mp4", "video/mp4"),
        ("a.webm", "video/webm"),
        ("a.MOV", "video/quicktime"),
        ("a.avi", "video/x-msvideo"),
        ("a.mkv", "video/x-matroska"),
        ("a.flv", "video/x-flv"),
        ("a.html.png", "image/png"),
        ("a.mp3", "audio/mpeg"),
        ("a.WAV", "audio/wav"),
    ],
)
def test_what_cannot_run_is_shown_where_it_is_opened(
    chat: Chat, group: str, name: str, media_type: str, ranges: str | None
) -> None:
    message = chat.send(group, SVG, name.encode(), media_type="text/html")
    response = chat["bob"].get(message["media_url"], headers={"Range": ranges} if ranges else {})
    headers = response.headers
    assert headers["Content-Disposition"].startswith("inline; ")
    assert (headers["Content-Security-Policy"], headers["X-Content-Type-Options"]) == (INERT, "nosniff")
    assert headers["Content-Type"].partition(";")[0] in {media_type, "multipart/byteranges"}
    assert b"text/html" not in response.data


@pytest.mark.parametrize("declared", [None, "text/html", "image/png", "image/svg+xml", "application/xhtml+xml"])
@pytest.mark.parametrize(
    "name",
    [
        "evil.html",
        "evil.HTM",
        "evil.xhtml",
        "evil.xml",
        "evil.svg",
        "evil.SVG",
        "evil.svgz",
        "evil.pdf",
        "evil.js",
        "evil.txt",
        "x.png.html",
        "x.mp4.svg",
        "x.png ",
        "x.png.",
        "x.png;",
        "x.jpg\u200b",
        "x.jp\uff47",
        "evil.html.",
    ],
)  # fmt: skip
def test_everything_else_is_saved(chat: Chat, group: str, name: str, declared: str | None) -> None:
    message = chat.send(group, SVG, name.encode(), media_type=declared)
    headers = chat["bob"].get(message["media_url"]).headers
    assert message["type"] == "file"
    assert headers["Content-Disposition"].startswith("attachment; ")
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    ("name", "declared", "sent_as"),
    [
        pytest.param("a.bin", "text/plain; charset=utf-8", "text/plain; charset=utf-8", id="as-declared"),
        pytest.param("a.pdf", None, "application/pdf", id="by-extension"),
        pytest.param("a.pdf", "application/octet-stream", "application/pdf", id="by-extension-where-nobody-chose"),
        pytest.param("a.pdf", "no media type", "application/pdf", id="malformed"),
        pytest.param("a.unknown-type", None, "application/octet-stream", id="neither"),
        pytest.param("a.PNG", "application/pdf", "image/png", id="an-image-is-an-image"),
        pytest.param("a.mp4", "text/html", "video/mp4", id="a-video-is-a-video"),
        pytest.param("a.mp3", "text/html", "audio/mpeg", id="a-sound-is-a-sound"),
        pytest.param("photo", "image/png", "image/png", id="as-declared-without-an-extension"),
    ],
)
def test_the_type_it_is_sent_with(chat: Chat, group: str, name: str, declared: str | None, sent_as: str) -> None:
    message = chat.send(group, DATA, name.encode(), media_type=declared)
    assert chat["bob"].get(message["media_url"]).headers["Content-Type"] == sent_as


@pytest.mark.parametrize(
    "name",
    [
        "文件 (1).pdf",
        "👩‍👩‍👧.png",
        "é.jpg",
        "100%.txt",
        "a%2Fb.txt",
        "%2e%2e.txt",
        "a+b c.txt",
        "what?#&;=.txt",
        'say "hi".txt',
        "a'b.txt",
        "C:a.txt",
        "~.txt",
        " a .txt",
    ],
)  # fmt: skip
def test_every_name_round_trips(chat: Chat, group: str, name: str) -> None:
    escaped = name.replace('"', '\\"').encode()
    message = chat.send(group, DATA, escaped)
    response = chat["bob"].get(message["media_url"])
    assert (response.status_code, response.data) == (200, DATA)
    assert unquote(message["media_url"].rpartition("/")[2]) == name
    _kind, options = parse_options_header(response.headers["Content-Disposition"])
    assert options["filename"] == name


@pytest.mark.parametrize(
    ("media_type", "kind"),
    [
        ("image/png", "inline"),
        ("audio/ogg", "inline"),
        ("image/svg+xml", "attachment"),
        ("text/html", "attachment"),
        (None, "attachment"),
    ],
)
def test_without_an_extension_the_declared_type_counts(
    chat: Chat, group: str, media_type: str | None, kind: str
) -> None:
    message = chat.send(group, SVG, b"evil", media_type=media_type)
    assert chat["bob"].get(message["media_url"]).headers["Content-Disposition"].partition(";")[0] == kind


@pytest.mark.parametrize("headers", [{"If-Match": '"other"'}, {"Range": "bytes=999999-"}], ids=["412", "416"])
def test_a_refusal_is_not_kept(sent: Sent, headers: dict[str, str]) -> None:
    assert sent.chat["bob"].get(sent.path, headers=headers).headers["Cache-Control"] == "no-store"


def test_participants_only(chat: Chat, group: str) -> None:
    path = chat.send(group)["media_url"]
    for name in ("carol", "root"):
        for method in ("GET", "HEAD"):
            assert chat[name].request(method, path).status_code == 403
        assert refusal(chat[name].get(path)) == (403, NOT_PARTICIPANT)
        assert refusal(chat[name].get(path, headers={"Range": "bytes=0-0"})) == (403, NOT_PARTICIPANT)


def test_who_is_let_in_later_may_read_it(chat: Chat, group: str) -> None:
    path = chat.send(group)["media_url"]
    chat["alice"].post(f"/conversations/{group}/participants", json={"email": "carol"})
    assert chat["carol"].get(path).data == b"hello"


def test_a_deleted_one_is_gone_also_from_the_disk(chat: Chat, group: str) -> None:
    message = chat.send(group)
    chat["alice"].delete(f"/messages/{message['_id']}")
    assert refusal(chat["alice"].get(message["media_url"])) == NOT_FOUND
    assert not (chat.folder / message["_id"]).exists()


def test_a_refused_deletion_keeps_it(chat: Chat, group: str) -> None:
    message = chat.send(group)
    assert chat["bob"].delete(f"/messages/{message['_id']}").status_code == 403
    assert chat["bob"].get(message["media_url"]).data == b"hello"


def test_who_is_reading_while_it_is_deleted_gets_all_of_it(chat: Chat, group: str) -> None:
    data = bytes(range(256)) * 8192
    message = chat.send(group, data)
    response = chat["bob"].get(message["media_url"], buffered=False)
    chat["alice"].delete(f"/messages/{message['_id']}")
    assert response.data == data
    response.close()


def other_paths() -> list[Any]:
    """Paths that name no attachment of the message `{id}`, whose attachment is `é.png`."""
    names = ["other.png", "É.png", "e\u0301.png", "é.pn", "é.png ", "é.png/", "./é.png", "x/../é.png", "../{id}/é.png"]
    escaped = [f"/uploads/chats/{{id}}/{quote(name, safe='{}')}" for name in names]
    raw = ["/uploads/chats/{id}/", "/uploads/chats/{id}", "/uploads/chats/", "/uploads/chats/{id}//%C3%A9.png"]
    odd_ids = [quote(bad) for bad in BAD_IDS if bad]
    ids = [f"/uploads/chats/{bad}/%C3%A9.png" for bad in [UNKNOWN_ID, "..", ".", *odd_ids]]
    return [pytest.param(path, id=path) for path in [*escaped, *raw, *ids, "/uploads/chats/../../transfer.sqlite3"]]


@pytest.mark.parametrize("path", other_paths())
def test_other_paths_are_404(chat: Chat, path: str) -> None:
    message = chat.send(chat.group("bob"), DATA, "é.png".encode())
    response = chat["bob"].get(path.format(id=message["_id"]))
    assert (response.status_code, list(response.get_json())) == (404, ["detail"])


def test_a_message_without_a_file_has_none(chat: Chat, group: str) -> None:
    message = chat.say(group)
    assert refusal(chat["bob"].get(f"/uploads/chats/{message['_id']}/file")) == NOT_FOUND


def test_bytes_that_are_gone_are_404(chat: Chat, group: str) -> None:
    message = chat.send(group)
    shutil.rmtree(chat.folder / message["_id"])
    assert refusal(chat["bob"].get(message["media_url"])) == NOT_FOUND


def test_bytes_that_are_damaged_are_500(chat: Chat, group: str) -> None:
    message = chat.send(group)
    (chat.folder / message["_id"] / "log.bin").write_bytes(b"hell")
    assert refusal(chat["bob"].get(message["media_url"])) == (500, "Error reading file")


class TestBehindNginx:
    @pytest.fixture
    def accel(self, make_app: MakeApp) -> Chat:
        return Chat(make_app(accel="nginx"))

    @pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-4"}], ids=["whole", "range"])
    @pytest.mark.parametrize("name", ["log.bin", "文件 100%?#.png", "a%2Fb c.txt", "a+b&c;d.txt"])
    def test_the_location_is_the_encoded_path(self, accel: Chat, name: str, headers: dict[str, str]) -> None:
        message = accel.send(accel.group("bob"), DATA, name.encode())
        response = accel["bob"].get(message["media_url"], headers=headers)
        location = response.headers["X-Accel-Redirect"]
        kind = "range" if headers else "whole"
        assert location == f"/_transfer/{kind}/chats/{message['_id']}/{quote(name)}"
        assert (accel.folder / unquote(location.partition("/chats/")[2])).read_bytes() == DATA
        assert (location.isascii(), response.data) == (True, b"")

    def test_the_policy_and_the_age_are_the_same(self, accel: Chat) -> None:
        message = accel.send(accel.group("bob"), DATA, b"a.png")
        headers = accel["bob"].get(message["media_url"]).headers
        assert headers["Content-Security-Policy"] == INERT
        assert headers["Cache-Control"] == "private, max-age=31536000, immutable"
        assert headers["Content-Disposition"].startswith("inline; ")

    @pytest.mark.parametrize(
        ("name", "headers", "status"),
        [
            pytest.param("carol", {}, 403, id="not-in-it"),
            pytest.param("bob", {"X-Accel-Retry": "1"}, 200, id="nginx-could-not"),
            pytest.param("bob", {"Range": "bytes=0-1,4-5"}, 206, id="several-ranges"),
            pytest.param("bob", {"If-None-Match": "*"}, 304, id="unchanged"),
        ],
    )
    def test_what_the_service_answers_itself(
        self, accel: Chat, name: str, headers: dict[str, str], status: int
    ) -> None:
        message = accel.send(accel.group("bob"), DATA)
        response = accel[name].get(message["media_url"], headers=headers)
        assert (response.status_code, "X-Accel-Redirect" in response.headers) == (status, False)
