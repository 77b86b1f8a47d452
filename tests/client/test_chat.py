"""Conversations: what is said twice because an answer was lost counts once, also after a kill at any step."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from transfer_service_client import TransferClient
from transfer_service_client.errors import ApiError, NotFound, TransferError, Unavailable

CONVERSATION = "65f0c3a19b2e4d7f8a1b2c3d"
FILE_ID = "11111111-1111-4111-8111-111111111111"
AT = "2024-05-06T07:08:09Z"


class Killed(BaseException):
    """The process ends here."""


class ChatService:
    """One conversation in memory. `troubles` happen at POST /messages: before it counts, or after."""

    def __init__(self) -> None:
        self.said: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.deleted: list[str] = []
        self.pages: list[Any] = []
        self.asked: list[str | None] = []
        self.troubles: list[tuple[bool, httpx.Response | BaseException]] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/auth/me":
            me = {"id": FILE_ID, "name": "alice", "is_admin": False, "used_bytes": 0, "quota_bytes": None}
            return httpx.Response(200, json=me)
        if path == "/conversations/info":
            return httpx.Response(200, json={"_id": CONVERSATION})
        if path in {"/messages/get", "/messages/changes"}:
            self.asked.append(request.url.params.get("before"))
            return httpx.Response(200, json=self.pages.pop(0))
        if path == "/messages" and request.method == "POST":
            return self._say(request)
        if request.method == "DELETE":
            self.deleted.append(path)
            return httpx.Response(204)
        if path.startswith("/api/files/status/"):
            return httpx.Response(200, json=self._status(path.removeprefix("/api/files/status/")))
        assert request.method == "PUT", request
        self.files[path.removeprefix("/api/files/")] = request.read()
        return httpx.Response(201, json=self._status(path.removeprefix("/api/files/")))

    def _say(self, request: httpx.Request) -> httpx.Response:
        counts, trouble = self.troubles.pop(0) if self.troubles else (True, None)
        told = json.loads(request.read())
        if counts:
            if "file_id" in told and not self.files and request.headers["Idempotency-Key"] not in self.said:
                return httpx.Response(404, json={"detail": "File not found"})
            self.said.setdefault(request.headers["Idempotency-Key"], told)
        if isinstance(trouble, BaseException):
            raise trouble
        return trouble or httpx.Response(200, json={"success": True, "message": self._message(told)})

    def _status(self, name: str) -> dict[str, Any]:
        if name not in self.files:
            return {}
        data = self.files[name]
        times = {"created_at": AT, "updated_at": AT}
        facts = {"total_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest(), "status": "complete"}
        return {"file_id": FILE_ID, "filename": name, "content_type": "text/plain", **facts, **times}

    @staticmethod
    def _message(told: dict[str, Any]) -> dict[str, Any]:
        media: dict[str, Any] | None = (
            {"name": "a.txt", "content_type": "text/plain", "size": 3, "sha256": "0"} if "file_id" in told else None
        )
        fields: dict[str, Any] = {
            "sender": "alice",
            "type": "file" if media else "text",
            "media_url": "/uploads/chats/m/a.txt",
        }
        fields |= {"reply_to": None, "is_read": False, "is_deleted": False, "pinned": False, "edited_at": None}
        return {
            **fields,
            "_id": "m",
            "conversation_id": CONVERSATION,
            "content": told.get("content"),
            "media": media,
            "created_at": AT,
        }


@pytest.fixture
def service() -> ChatService:
    return ChatService()


@pytest.fixture
def client(service: ChatService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TransferClient]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")  # so that all goes by the transport below, files too
    with TransferClient("http://service.example", key="tsk_x", patience_seconds=30) as made:
        made.session._http = httpx.Client(
            base_url="http://service.example", transport=httpx.MockTransport(service.answer)
        )
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_bytes(b"abc")
    return tmp_path / "a.txt"


UNDER_WAY = httpx.Response(409, json={"detail": "Idempotency-Key is under way"})


@pytest.mark.parametrize(
    "trouble", [httpx.ReadError("lost"), UNDER_WAY, httpx.Response(503)], ids=["lost", "under way", "busy"]
)
@pytest.mark.parametrize("counts", [True, False])
def test_a_message_is_said_once(
    service: ChatService, client: TransferClient, trouble: httpx.Response | BaseException, *, counts: bool
) -> None:
    service.troubles = [(counts, trouble)]
    assert client.send_message(CONVERSATION, "Hello").text == "Hello"
    assert [each["content"] for each in service.said.values()] == ["Hello"]


def test_another_conflict_is_told(service: ChatService, client: TransferClient) -> None:
    service.troubles = [(False, httpx.Response(409, json={"detail": "File is not complete"}))]
    with pytest.raises(ApiError, match="File is not complete"):
        client.send_message(CONVERSATION, "Hello")
    assert service.said == {}


@pytest.mark.parametrize("counts", [True, False], ids=["posted", "not posted"])
def test_a_file_that_was_cut_off_by_a_kill_is_there_once(
    service: ChatService, client: TransferClient, path: Path, *, counts: bool
) -> None:
    service.troubles = [(counts, Killed())]
    with pytest.raises(Killed):
        client.send_attachment(CONVERSATION, path, "Look")
    if counts:
        service.files.clear()  # it is the attachment now
    message = client.send_attachment(CONVERSATION, path, "Look")
    assert message.attachment is not None
    assert [each["file_id"] for each in service.said.values()] == [FILE_ID]
    assert client.send_attachment(CONVERSATION, path, "Look") is not None
    if not counts:  # said again on purpose: another message
        assert len(service.said) == 2


def test_a_kept_key_of_a_file_that_is_gone_begins_anew(
    service: ChatService, client: TransferClient, path: Path
) -> None:
    service.troubles = [(False, Killed())]
    with pytest.raises(Killed):
        client.send_attachment(CONVERSATION, path)
    service.files.clear()
    service.troubles = [(False, httpx.Response(404, json={"detail": "File not found"}))]
    assert client.send_attachment(CONVERSATION, path).attachment is not None
    assert len(service.said) == 1


def test_what_is_refused_leaves_no_file_behind(service: ChatService, client: TransferClient, path: Path) -> None:
    service.troubles = [(False, httpx.Response(403, json={"detail": "You are not a participant in this conversation"}))]
    with pytest.raises(ApiError, match="not a participant"):
        client.send_attachment(CONVERSATION, path)
    assert any(each.startswith("/api/files/transfer-sending/") for each in service.deleted)


def test_a_service_that_stays_away_is_told(service: ChatService, client: TransferClient) -> None:
    client.session.patience_seconds = 0
    service.troubles = [(True, httpx.ReadError("lost"))]
    with pytest.raises(Unavailable):
        client.send_message(CONVERSATION, "Hello")


def test_a_damaged_answer_is_told(service: ChatService, client: TransferClient) -> None:
    service.troubles = [(True, httpx.Response(200, json={"success": True, "message": {"_id": "m"}}))]
    with pytest.raises(TransferError, match="its answer was damaged"):
        client.send_message(CONVERSATION, "Hello")


@pytest.mark.parametrize("page", [{}, {"messages": [{"_id": "m"}], "cursor": "0"}, {"messages": 5}, []], ids=repr)
@pytest.mark.parametrize("call", [TransferClient.messages, TransferClient.follow])
def test_a_damaged_page_is_told(
    service: ChatService, client: TransferClient, page: object, call: Callable[..., Iterator[object]]
) -> None:
    service.pages = [page]
    with pytest.raises(TransferError, match="its answer was damaged"):
        next(call(client, CONVERSATION))


def test_following_ends_when_it_is_told_to_though_messages_go_on_coming(
    service: ChatService, client: TransferClient
) -> None:
    stop = threading.Event()
    said = {**ChatService._message({"content": "Hello"})}
    service.pages = [{"messages": [], "cursor": "0"}, *({"messages": [said], "cursor": "1"} for _ in range(3))]
    heard = []
    for message in client.follow(CONVERSATION, stop=stop):
        heard.append(message.text)
        if len(heard) == 2:
            stop.set()
    assert heard == ["Hello", "Hello"]


def test_what_was_said_comes_page_by_page(service: ChatService, client: TransferClient) -> None:
    said = [{**ChatService._message({"content": str(number)}), "_id": f"m{number}"} for number in range(150)]
    service.pages = [{"messages": said[:100], "count": 100}, {"messages": said[100:], "count": 50}]
    assert [each.text for each in client.messages(CONVERSATION)] == [str(number) for number in range(150)]
    assert service.asked[1] == "m99"


def test_an_unknown_conversation_is_told(client: TransferClient, service: ChatService) -> None:
    service.troubles = [(False, httpx.Response(404, json={"detail": "Conversation not found"}))]
    with pytest.raises(NotFound):
        client.send_message(CONVERSATION, "Hello")
    assert service.said == {}
