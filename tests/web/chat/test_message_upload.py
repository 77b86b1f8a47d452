"""Saying something with a file: `POST /messages/upload`."""

import hashlib
import io
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

from tests.missing import missing
from tests.web.chat.bench import BAD_IDS, NOT_PARTICIPANT, UNKNOWN_ID, Chat, attachment_form, refusal
from tests.web.conftest import MakeApp
from tests.web.forms import file_form, form, part

MEBIBYTE = 1024 * 1024
BLOCK_BYTES = 256 * 1024
DATA = b"0123456789"
FILE = part("file", DATA, filename=b"log.bin")


@pytest.fixture
def group(chat: Chat) -> str:
    """A group of `alice` and `bob`."""
    return chat.group("bob")


@pytest.fixture
def nothing_left(chat: Chat, group: str) -> Iterator[None]:
    """Afterwards there is no row and no file that was not there before, and no byte of the quota is taken."""
    before = chat.rows(), chat.stored(), chat.used_bytes()
    yield
    assert (chat.rows(), chat.stored(), chat.used_bytes()) == before
    assert chat.history(group) == []


def field(name: str, value: str) -> bytes:
    """A part that is no file."""
    return part(name, value.encode())


def upload(chat: Chat, *parts: bytes, name: str = "alice", **more: Any) -> Any:
    """The answer to a form of these parts."""
    return chat[name].post("/messages/upload", **{**form(*parts), **more})


def test_the_message_tells_where_the_file_is(chat: Chat, group: str) -> None:
    message = chat.send(group, DATA, b"photo.JPG", content="look", name="bob")
    media_url = f"/uploads/chats/{message['_id']}/photo.JPG"
    assert message == {
        "_id": message["_id"],
        "conversation_id": group,
        "sender": "bob",
        "content": "look",
        "type": "image",
        "media_url": media_url,
        "media": {
            "name": "photo.JPG",
            "content_type": "image/jpeg",
            "size": len(DATA),
            "sha256": hashlib.sha256(DATA).hexdigest(),
            **dict.fromkeys(("width", "height", "duration", "blurhash", "thumbnail_url")),
        },
        "reply_to": None,
        "is_read": False,
        "is_deleted": False,
        "created_at": message["created_at"],
        "edited_at": None,
        "pinned": False,
    }
    assert chat.history(group) == [message]
    assert chat["alice"].get(media_url).data == (chat.folder / message["_id"] / "photo.JPG").read_bytes() == DATA


def test_every_place_that_prints_a_message_tells_of_its_media(chat: Chat, group: str) -> None:
    sent = chat.send(group, DATA, b"photo.JPG")
    edited = chat["alice"].request("PATCH", f"/messages/{sent['_id']}", json={"content": "look"}).get_json()
    pinned = chat["bob"].request("PATCH", f"/messages/{sent['_id']}", json={"pinned": True}).get_json()
    listed = chat["bob"].get("/conversations").get_json()["conversations"][0]
    printed = [edited["message"], pinned["message"], chat.info(group)["last_message"], listed["last_message"]]
    assert [each["media"] for each in (*printed, *chat.history(group))] == [sent["media"]] * 5
    deleted = chat["alice"].request("DELETE", f"/messages/{sent['_id']}").get_json()["message"]
    assert (deleted["media"], deleted["media_url"], chat.say(group)["media"]) == (None, None, None)


@pytest.mark.parametrize(
    ("name", "stored"), [(b"thumbnail", "_thumbnail"), (b"Thumbnail", "Thumbnail"), (b"thumbnail.png", "thumbnail.png")]
)
def test_no_attachment_has_the_address_of_a_preview(chat: Chat, group: str, name: bytes, stored: str) -> None:
    message = chat.send(group, DATA, name)
    assert message["media_url"] == f"/uploads/chats/{message['_id']}/{stored}"
    assert message["media"]["name"] == stored
    assert chat["bob"].get(message["media_url"]).data == (chat.folder / message["_id"] / stored).read_bytes() == DATA


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(lambda first, *more: [first, *more], id="file-last"),
        pytest.param(lambda *parts: parts[::-1], id="file-first"),
        pytest.param(lambda *parts: [parts[1], parts[-1], parts[0], parts[2]], id="file-between"),
    ],
)
def test_parts_in_any_order(chat: Chat, group: str, order: Callable[..., Any]) -> None:
    target = chat.say(group)
    parts = [field("conversation_id", group), field("content", "look"), field("reply_to", target["_id"]), FILE]
    message = upload(chat, *order(*parts)).get_json()["message"]
    assert (message["content"], message["reply_to"]) == ("look", target["_id"])
    assert chat["bob"].get(message["media_url"]).data == DATA


def test_parts_that_nobody_asked_for_are_passed_over(chat: Chat, group: str) -> None:
    parts = [field("type", "video"), field("sender", "bob"), field("conversation_id", group), FILE, field("_id", "1")]
    message = upload(chat, *parts).get_json()["message"]
    assert (message["type"], message["sender"]) == ("file", "alice")
    assert chat.history(group) == [message]


@pytest.mark.parametrize("data", [b"", b"x", os.urandom(3 * MEBIBYTE + 1)], ids=["empty", "a-byte", "some-blocks"])
def test_a_file_of_any_size(chat: Chat, group: str, data: bytes) -> None:
    message = chat.send(group, data)
    assert chat["bob"].get(message["media_url"]).data == data


def test_a_body_of_unknown_length(chat: Chat, group: str) -> None:
    arguments = attachment_form(group, DATA)
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked", "CONTENT_LENGTH": ""}
    answer = chat["alice"].post("/messages/upload", environ_overrides=chunked, **arguments)
    assert answer.status_code == 200
    assert chat["bob"].get(answer.get_json()["message"]["media_url"]).data == DATA


@pytest.mark.parametrize("caption", ["", "  \n", None], ids=["empty", "blank", "missing"])
def test_no_caption_is_null(chat: Chat, group: str, caption: str | None) -> None:
    message = chat.send(group) if caption is None else chat.send(group, content=caption)
    assert message["content"] is None
    assert chat.contents(group) == [None]


def test_a_caption_may_be_edited_and_taken_away(chat: Chat, group: str) -> None:
    message = chat.send(group, content="tpyo")
    for content, shown in (("typo", "typo"), ("", None), (None, None)):
        answer = chat["alice"].request("PATCH", f"/messages/{message['_id']}", json={"content": content}).get_json()
        assert (answer["message"]["content"], answer["message"]["media_url"]) == (shown, message["media_url"])
    assert chat.contents(group) == [None]


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("make_parts", "refused"),
    [
        pytest.param(lambda group: [field("conversation_id", group)], (400, "Missing file part"), id="no-file"),
        pytest.param(lambda _group: [], (400, "Missing file part"), id="no-part"),
        pytest.param(
            lambda group: [field("conversation_id", group), part("data", DATA, filename=b"a")],
            (400, "Missing file part"),
            id="file-of-another-name",
        ),
        pytest.param(lambda _group: [FILE], (400, "Invalid conversation id"), id="no-conversation"),
        *(
            pytest.param(
                lambda _group, bad=bad: [field("conversation_id", bad), FILE],
                (400, "Invalid conversation id"),
                id=f"conversation-{bad!a}",
            )
            for bad in BAD_IDS
        ),
        pytest.param(
            lambda _group: [field("conversation_id", UNKNOWN_ID), FILE],
            (404, "Conversation not found"),
            id="unknown-conversation",
        ),
        pytest.param(
            lambda _group: [FILE, field("conversation_id", UNKNOWN_ID)],
            (404, "Conversation not found"),
            id="unknown-conversation-behind-the-file",
        ),
        pytest.param(
            lambda group: [field("conversation_id", group), field("reply_to", "abc"), FILE],
            (400, "Invalid message id"),
            id="bad-reply",
        ),
        pytest.param(
            lambda group: [field("conversation_id", group), field("reply_to", UNKNOWN_ID), FILE],
            (404, "Reply target not found"),
            id="unknown-reply",
        ),
        pytest.param(
            lambda group: [FILE, field("reply_to", UNKNOWN_ID), field("conversation_id", group)],
            (404, "Reply target not found"),
            id="unknown-reply-behind-the-file",
        ),
        pytest.param(
            lambda group: [field("conversation_id", group), FILE, FILE],
            (400, "More than one file part"),
            id="two-files",
        ),
        pytest.param(
            lambda group: [field("conversation_id", group), FILE, field("content", "a\0b")],
            (400, "content must not contain NUL"),
            id="caption-with-nul",
        ),
        pytest.param(
            lambda group: [field("conversation_id", group), FILE, part("content", b"\xff")],
            (400, "A form field is not valid UTF-8"),
            id="caption-not-utf-8",
        ),
        pytest.param(
            lambda group: [field("conversation_id", group), FILE, *[field("x", "y")] * 40],
            (400, "Malformed multipart body"),
            id="too-many-parts",
        ),
    ],
)
def test_what_cannot_be_posted_leaves_nothing(
    chat: Chat, group: str, make_parts: Callable[[str], list[bytes]], refused: tuple[int, str]
) -> None:
    assert refusal(upload(chat, *make_parts(group))) == refused


@pytest.mark.parametrize("content", ["x" * 65_536, "👋" * 65_536], ids=["ascii", "emoji"])
def test_the_longest_caption_is_that_of_a_text(chat: Chat, group: str, content: str) -> None:
    assert chat.send(group, content=content)["content"] == content


@pytest.mark.usefixtures("nothing_left")
def test_a_caption_that_is_too_long(chat: Chat, group: str) -> None:
    answer = chat.try_send(group, content="x" * 65_537)
    assert (answer.status_code, list(answer.get_json())) == (400, ["detail"])


def test_nobody_replies_to_another_conversation(chat: Chat, group: str) -> None:
    elsewhere, before = chat.say(chat.group("bob")), chat.stored()
    assert refusal(chat.try_send(group, reply_to=elsewhere["_id"])) == (404, "Reply target not found")
    assert (chat.history(group), chat.stored()) == ([], before)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize(
    ("arguments", "detail"),
    [
        pytest.param({"json": {"conversation_id": UNKNOWN_ID}}, "Expected multipart/form-data", id="json"),
        pytest.param({"data": DATA}, "Expected multipart/form-data", id="raw"),
        pytest.param({}, "Expected multipart/form-data", id="nothing"),
        pytest.param(
            {"data": DATA, "content_type": "multipart/form-data"}, "Malformed multipart body", id="no-boundary"
        ),
        pytest.param(
            {"data": DATA, "content_type": "multipart/form-data; boundary=b"}, "Malformed multipart body", id="no-form"
        ),
    ],
)
def test_other_bodies_are_refused(chat: Chat, arguments: dict[str, Any], detail: str) -> None:
    assert refusal(chat["alice"].post("/messages/upload", **arguments)) == (400, detail)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("cut", [3, 4, 12, 40, 60, 150])
@pytest.mark.parametrize("is_announced", [True, False], ids=["cut-short", "malformed"])
def test_a_broken_body_leaves_nothing(chat: Chat, group: str, cut: int, is_announced: bool) -> None:
    arguments = attachment_form(group, DATA)
    whole = len(arguments["data"])
    arguments["data"] = arguments["data"][:-cut]
    overrides = {"environ_overrides": {"CONTENT_LENGTH": str(whole)}} if is_announced else {}
    answer = chat["alice"].post("/messages/upload", **arguments, **overrides)
    detail = "The request body ended early" if is_announced else "Malformed multipart body"
    assert refusal(answer) == (400, detail)


class CountingBody(io.BytesIO):
    """A body that knows how much of it was read."""

    taken = 0

    def readinto(self, buffer: Any, /) -> int:
        """Read on."""
        count = super().readinto(buffer)
        self.taken += count
        return count


def counting_upload(chat: Chat, name: str, arguments: dict[str, Any], body: CountingBody) -> Any:
    """The answer to an upload whose reading is watched; its length is announced."""
    more = {**arguments, "input_stream": body, "content_length": body.getbuffer().nbytes}
    del more["data"]
    return chat[name].post("/messages/upload", **more)


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("is_named_first", [True, False], ids=["conversation-first", "file-first"])
def test_who_is_not_in_it_is_refused_as_early_as_can_be(chat: Chat, group: str, is_named_first: bool) -> None:
    file, name = part("file", bytes(4 * MEBIBYTE), filename=b"a.bin"), field("conversation_id", group)
    arguments = form(*((name, file) if is_named_first else (file, name)))
    body = CountingBody(arguments["data"])
    assert refusal(counting_upload(chat, "root", arguments, body)) == (403, NOT_PARTICIPANT)
    assert body.taken <= BLOCK_BYTES if is_named_first else body.taken == len(arguments["data"])


def test_who_is_taken_out_meanwhile_posts_nothing(chat: Chat, group: str) -> None:
    class LeavingBody(CountingBody):
        has_left = False

        def readinto(self, buffer: Any, /) -> int:
            """Read on; on the way somebody is taken out."""
            if self.taken > MEBIBYTE and not self.has_left:
                self.has_left = True
                chat.leave(group, "bob")
            return super().readinto(buffer)

    before = chat.stored(), chat.used_bytes("bob")
    arguments = attachment_form(group, bytes(4 * MEBIBYTE))
    answer = counting_upload(chat, "bob", arguments, LeavingBody(arguments["data"]))
    assert refusal(answer) == (403, NOT_PARTICIPANT)
    assert (chat.history(group), (chat.stored(), chat.used_bytes("bob"))) == ([], before)


class TestRoom:
    @pytest.mark.parametrize(
        ("settings", "detail"),
        [
            pytest.param({"max_file_bytes": 9}, "File exceeds the maximum size", id="limit"),
            pytest.param({"quota_bytes": 9}, "Storage quota exceeded", id="quota"),
        ],
    )
    @pytest.mark.parametrize("size", [10, 200_000], ids=["small", "large"])
    def test_a_file_without_room_leaves_nothing(
        self, make_app: MakeApp, settings: dict[str, int], detail: str, size: int
    ) -> None:
        chat = Chat(make_app(**settings))
        group = chat.group("bob")
        assert refusal(chat.try_send(group, bytes(size))) == (413, detail)
        assert (chat.rows(), chat.stored(), chat.used_bytes()) == (0, [], 0)

    @pytest.mark.parametrize("settings", [{"max_file_bytes": 10}, {"quota_bytes": 10}], ids=["limit", "quota"])
    def test_what_just_fits_is_taken(self, make_app: MakeApp, settings: dict[str, int]) -> None:
        chat = Chat(make_app(**settings))
        chat.send(chat.group("bob"), DATA)
        assert chat.used_bytes() == 10

    def test_a_large_file_without_room_is_not_read(self, make_app: MakeApp) -> None:
        chat = Chat(make_app(quota_bytes=10))
        arguments = attachment_form(chat.group("bob"), bytes(MEBIBYTE))
        body = CountingBody(arguments["data"])
        assert refusal(counting_upload(chat, "alice", arguments, body)) == (413, "Storage quota exceeded")
        assert body.taken == 0

    def test_deletion_gives_the_room_back(self, make_app: MakeApp) -> None:
        chat = Chat(make_app(quota_bytes=10))
        group = chat.group("bob")
        message = chat.send(group, DATA)
        assert chat.try_send(group, b"!").status_code == 413
        chat["alice"].delete(f"/messages/{message['_id']}")
        assert (chat.used_bytes(), chat.stored()) == (0, [])
        assert chat.send(group, DATA)["media_url"]

    def test_deleting_twice_gives_it_back_once(self, make_app: MakeApp) -> None:
        chat = Chat(make_app(quota_bytes=20))
        group = chat.group("bob")
        first = chat.send(group, DATA)
        chat.send(group, DATA)
        for _ in range(2):
            chat["alice"].delete(f"/messages/{first['_id']}")
        assert chat.used_bytes() == 10

    def test_files_and_attachments_share_the_quota_of_the_sender(self, make_app: MakeApp) -> None:
        chat = Chat(make_app(quota_bytes=10))
        group = chat.group("bob")
        chat["alice"].store(DATA)
        assert chat.try_send(group, b"!").status_code == 413
        chat["alice"].delete("/api/files/log.bin")
        chat.send(group, DATA)
        assert (chat.used_bytes("alice"), chat.used_bytes("bob")) == (10, 0)

    def test_refused_uploads_take_no_room(self, make_app: MakeApp) -> None:
        chat = Chat(make_app(quota_bytes=10))
        group = chat.group("bob")
        for _ in range(3):
            assert chat.try_send(group, DATA, reply_to=UNKNOWN_ID).status_code == 404
        assert chat.send(group, DATA)["type"] == "file"


@pytest.mark.parametrize(
    ("filename", "stored"),
    [
        pytest.param(b"../../etc/passwd", "passwd", id="traversal"),
        pytest.param(b"/etc/passwd", "passwd", id="absolute"),
        pytest.param(b"..\\\\..\\\\boot.ini", "boot.ini", id="backslashes"),
        pytest.param(b"C:\\\\cat.jpg", "cat.jpg", id="windows-path"),
        pytest.param(b"..", "file", id="dots"),
        pytest.param(b".", "file", id="dot"),
        pytest.param(b"", "file", id="empty"),
        pytest.param(b" ", "file", id="blank"),
        pytest.param(b".htaccess", "htaccess", id="hidden"),
        pytest.param(b"a\x01\x7f.txt", "a.txt", id="control"),
        pytest.param("cat\u202egpj.exe".encode(), "catgpj.exe", id="reversed"),
        pytest.param("e\u0301.jpg".encode(), "é.jpg", id="composed"),
        pytest.param("文件 (1).pdf".encode(), "文件 (1).pdf", id="chinese"),
        pytest.param("👩‍👩‍👧.png".encode(), "👩‍👩‍👧.png", id="emoji"),
        pytest.param(b"100% sure?#1&2;3.txt", "100% sure?#1&2;3.txt", id="url-syntax"),
        pytest.param(b"a%2F..%2Fb.txt", "a%2F..%2Fb.txt", id="percent-encoded-traversal"),
        pytest.param(b'say \\"hi\\".txt', 'say "hi".txt', id="quotes"),
        pytest.param(b"<script>alert(1)</script>.png", "script>.png", id="markup"),
        pytest.param(b"a" * 300 + b".jpg", "a" * 196 + ".jpg", id="long"),
        pytest.param("文".encode() * 100 + b".mp4", "文" * 65 + ".mp4", id="long-chinese"),
        pytest.param(b"NUL", "NUL", id="a-device-elsewhere"),
        pytest.param(b"-rf", "-rf", id="an-option"),
        pytest.param(b"~", "~", id="a-home"),
    ],
)
def test_hostile_names_are_made_safe(chat: Chat, group: str, filename: bytes, stored: str) -> None:
    before = set(chat.stored())
    message = chat.send(group, DATA, filename)
    folder = message["_id"]
    assert set(chat.stored()) - before == {folder, f"{folder}/{stored}"}
    assert message["media_url"] == f"/uploads/chats/{folder}/{quote(stored)}"
    assert chat["bob"].get(message["media_url"]).data == DATA


def test_a_file_without_a_name_is_called_file(chat: Chat, group: str) -> None:
    message = upload(chat, field("conversation_id", group), part("file", DATA)).get_json()["message"]
    assert unquote(message["media_url"]).endswith("/file")
    assert chat["bob"].get(message["media_url"]).data == DATA


@pytest.mark.usefixtures("nothing_left")
def test_a_name_that_is_not_utf_8_is_refused(chat: Chat, group: str) -> None:
    assert chat.try_send(group, DATA, b"\xff\xfe.jpg").status_code == 400


@pytest.mark.parametrize(
    ("name", "message_type"),
    [
        ("a.jpg", "image"),
        ("a.JPEG", "image"),
        ("a.png", "image"),
        ("a.gif", "image"),
        ("a.webp", "image"),
        ("a.bmp", "image"),
        ("a.mp4", "video"),
        ("a.webm", "video"),
        ("a.mov", "video"),
        ("a.avi", "video"),
        ("a.mkv", "video"),
        ("a.FLV", "video"),
        ("a.svg", "file"),
        ("a.png.html", "file"),
        ("a.mp3", "file"),
    ],
)
def test_the_extension_decides_the_type(chat: Chat, group: str, name: str, message_type: str) -> None:
    for media_type in (None, "image/png", "video/mp4", "text/plain"):
        message = chat.send(group, DATA, name.encode(), media_type=media_type, type="video")
        assert message["type"] == message_type


@pytest.mark.parametrize(
    ("media_type", "message_type"),
    [("image/png", "image"), ("video/mp4", "video"), ("text/plain", "file"), (None, "file")],
)
@pytest.mark.parametrize("name", [b"png", b".png", b"photo"])
def test_without_an_extension_the_declared_type_counts(
    chat: Chat, group: str, name: bytes, media_type: str | None, message_type: str
) -> None:
    assert chat.send(group, DATA, name, media_type=media_type)["type"] == message_type


@contextmanager
def small_disk(folder: Path, inodes: int) -> Iterator[None]:
    """A file system of one mebibyte at `folder`."""
    folder.mkdir(parents=True)
    options = f"size={MEBIBYTE},nr_inodes={inodes}"
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        missing("mounting a small disk needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    "inodes", [pytest.param(3, id="folder"), pytest.param(4, id="name"), pytest.param(9, id="bytes")]
)
def test_a_full_disk_is_507_and_leaves_nothing(tmp_path: Path, make_app: MakeApp, inodes: int) -> None:
    """Beside the folders and the mark there is no room for one more folder, for a file in it, or for its bytes."""
    with small_disk(tmp_path / "data" / "uploads", inodes):
        chat = Chat(make_app())
        group = chat.group("bob")
        assert refusal(chat.try_send(group, bytes(2 * MEBIBYTE))) == (507, "Storage is full")
        assert (chat.rows(), chat.stored(), chat.used_bytes()) == (0, [], 0)


def test_uploads_go_on_once_there_is_room(tmp_path: Path, make_app: MakeApp) -> None:
    with small_disk(tmp_path / "data" / "uploads", inodes=9):
        chat = Chat(make_app())
        group = chat.group("bob")
        first = chat.send(group, bytes(700_000))
        assert chat.try_send(group, bytes(700_000)).status_code == 507
        chat["alice"].delete(f"/messages/{first['_id']}")
        assert chat.send(group, bytes(700_000))["media_url"]


def test_a_message_with_a_file_of_the_form_of_other_doors(chat: Chat, group: str) -> None:
    """`conversation_id` counts in the form only: in the query nobody knows it."""
    answer = chat["alice"].post(f"/messages/upload?conversation_id={group}", **file_form(DATA))
    assert refusal(answer) == (400, "Unknown query parameter: conversation_id")
    assert chat.history(group) == []
