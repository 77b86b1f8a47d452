"""Requests for conversations and messages."""

from urllib.parse import urlsplit

from benchmarks.scale_cases import BYTES, Steps, case, deep_page, plain
from benchmarks.scale_client import Ask, Request, as_json
from benchmarks.scale_data import FRIEND, Size, chat_id_of

LONG = chat_id_of(1)


plain("listConversations", "GET", "/conversations?limit=50")
case("listConversations", "cursor")(deep_page("/conversations"))
plain("createConversation", "POST", "/conversations/create", **as_json({"email": FRIEND}))
plain("getConversation", "GET", f"/conversations/info?conversation_id={LONG}")
plain("markRead", "POST", f"/conversations/{LONG}/read", "of nothing new")
for _title, _query in (
    ("", ""), ("before", f"&before={chat_id_of(300)}"), ("after", f"&after={chat_id_of(100)}"),
):  # fmt: skip
    plain("getMessages", "GET", f"/messages/get?conversation_id={LONG}&limit=50{_query}", _title)


plain("getMessageChanges", "GET", f"/messages/changes?conversation_id={LONG}")


@case("getMessageChanges", "since")
def _changes(ask: Ask, _size: Size) -> Steps:
    path = f"/messages/changes?conversation_id={LONG}"
    cursor = ask(Request("GET", path)).json()["cursor"]
    for _ in range(50):
        said(ask)
    while True:
        yield Request("GET", f"{path}&since={cursor}")


@case("createGroup")
def _create_group(_ask: Ask, _size: Size) -> Steps:
    while True:
        body = as_json({"group_name": "a group", "participants": [FRIEND, "account 2"]})
        yield Request("POST", "/conversations/create/group", **body)


@case("addParticipant")
def _add_participant(ask: Ask, _size: Size) -> Steps:
    path = f"/conversations/{LONG}/participants"
    while True:
        yield Request("POST", path, **as_json({"email": "account 3"}))
        ask(Request("DELETE", f"{path}/account%203"))


@case("removeParticipant")
def _remove_participant(ask: Ask, _size: Size) -> Steps:
    path = f"/conversations/{LONG}/participants"
    while True:
        ask(Request("POST", path, **as_json({"email": "account 3"})))
        yield Request("DELETE", f"{path}/account%203")


@case("markRead")
def _mark_read(ask: Ask, _size: Size) -> Steps:
    while True:
        said(ask)
        yield Request("POST", f"/conversations/{LONG}/read")


@case("postMessage")
def _post_message(_ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("POST", "/messages", **as_json({"conversation_id": LONG, "content": "Hello"}))


@case("postMessage", "reply_to")
def _reply(_ask: Ask, _size: Size) -> Steps:
    while True:
        body = {"conversation_id": LONG, "content": "Hello", "reply_to": chat_id_of(100)}
        yield Request("POST", "/messages", **as_json(body))


for _title in ("file_id", "keep"):

    @case("postMessage", _title)
    def _post_file(ask: Ask, _size: Size, is_kept: bool = _title == "keep") -> Steps:
        while True:
            film = Request(
                "POST", "/api/files?filename=film.mp4", BYTES, headers={"Content-Type": "video/mp4"}, expected=201
            )
            answer = ask(film)
            body = {"conversation_id": LONG, "file_id": answer.json()["file_id"], "keep": is_kept}
            yield Request("POST", "/messages", **as_json(body))


def said(ask: Ask) -> str:
    """The id of a new message."""
    message = ask(Request("POST", "/messages", **as_json({"conversation_id": LONG, "content": "Hello"}))).json()
    return str(message["message"]["_id"])


def attachment() -> Request:
    """A message with a file."""
    fields = {"conversation_id": LONG, "content": "Look"}
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    file = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\n'
    body = "".join(parts).encode() + file.encode() + BYTES + b"\r\n--b--\r\n"
    return Request("POST", "/messages/upload", body, headers={"Content-Type": "multipart/form-data; boundary=b"})


@case("postAttachment")
def _post_attachment(_ask: Ask, _size: Size) -> Steps:
    while True:
        yield attachment()


@case("showAttachmentPreview", "of what has none")
def _show_preview(ask: Ask, _size: Size) -> Steps:
    message = ask(attachment()).json()["message"]
    while True:
        yield Request("GET", f"/uploads/chats/{message['_id']}/thumbnail?size=160", expected=404)


@case("signAttachment")
def _sign_attachment(ask: Ask, _size: Size) -> Steps:
    message = ask(attachment()).json()["message"]
    while True:
        yield Request("POST", f"/messages/{message['_id']}/url")


@case("downloadAttachment", "by a signed address")
def _download_signed(ask: Ask, _size: Size) -> Steps:
    message = ask(attachment()).json()["message"]
    address = urlsplit(ask(Request("POST", f"/messages/{message['_id']}/url")).json()["url"])
    while True:
        yield Request("GET", f"{address.path}?{address.query}")


@case("downloadAttachment")
def _download_attachment(ask: Ask, _size: Size) -> Steps:
    message = ask(attachment()).json()["message"]
    while True:
        yield Request("GET", f"/uploads/chats/{message['_id']}/a.txt")


for _title, _change in (("content", {"content": "Hello you"}), ("pinned", {"pinned": True})):

    @case("changeMessage", _title)
    def _change_message(ask: Ask, _size: Size, change: object = _change) -> Steps:
        while True:
            path = f"/messages/{said(ask)}"
            yield Request("PATCH", path, **as_json(change))
            if change != {"content": "Hello you"}:
                ask(Request("PATCH", path, **as_json({"pinned": False})))


@case("deleteMessage")
def _delete_message(ask: Ask, _size: Size) -> Steps:
    while True:
        yield Request("DELETE", f"/messages/{said(ask)}")
