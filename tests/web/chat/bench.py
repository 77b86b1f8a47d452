"""Chat on an app, over HTTP: people by name, conversations of theirs, and what is stored of them."""

from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import func, make_url, select
from werkzeug.test import TestResponse

from tests.conftest import PASSWORD, Device
from tests.web.conftest import signed_in
from tests.web.forms import form, part
from transfer_service.bootstrap import Services
from transfer_service.models.accounts import Account
from transfer_service.models.chat import Message
from transfer_service.web.context import EXTENSION

UNKNOWN_ID = "0" * 24
BAD_IDS = ["", "0", "0" * 23, "0" * 25, "g" * 24, "0" * 23 + "\u0660", "0" * 24 + "\n"]
NOT_PARTICIPANT = "You are not a participant in this conversation"
MESSAGE_FIELDS = {
    "_id", "conversation_id", "sender", "content", "type", "media_url", "media", "reply_to", "is_read", "is_deleted",
    "created_at", "edited_at", "pinned",
}  # fmt: skip


class Chat:
    """`alice`, `bob`, `root`, and `carol` and `dave`, who are added; each is signed in when first asked for."""

    def __init__(self, app: Flask) -> None:
        self.app = app
        self.services: Services = app.extensions[EXTENSION]
        database = make_url(self.services.database.url).database
        assert database is not None
        self.folder = Path(database).parent / "uploads" / "chats"
        self.people: dict[str, Device] = {}
        for name in ("carol", "dave"):
            self.services.accounts.create(name, PASSWORD)

    def __getitem__(self, name: str) -> Device:
        """Somebody."""
        if name not in self.people:
            self.people[name] = signed_in(self.app, name)
        return self.people[name]

    def dm(self, name: str = "alice", other: str = "bob") -> str:
        """The conversation of two."""
        answer = self[name].post("/conversations/create", json={"email": other})
        return str(self._fields(answer)["conversation_id"])

    def group(self, *names: str, owner: str = "alice") -> str:
        """A new group."""
        fields = {"group_name": "team", "participants": names}
        return str(self._fields(self[owner].post("/conversations/create/group", json=fields))["conversation_id"])

    def say(self, conversation_id: str, content: str = "hello", *, name: str = "alice", **more: Any) -> dict[str, Any]:
        """A text message."""
        fields = {"conversation_id": conversation_id, "content": content, **more}
        return self._message(self[name].post("/messages", json=fields))

    def send(
        self,
        conversation_id: str,
        data: bytes = b"hello",
        filename: bytes = b"log.bin",
        *,
        name: str = "alice",
        media_type: str | None = None,
        **fields: str,
    ) -> dict[str, Any]:
        """A message with an attachment."""
        return self._message(self.try_send(conversation_id, data, filename, name=name, media_type=media_type, **fields))

    def try_send(
        self,
        conversation_id: str,
        data: bytes = b"hello",
        filename: bytes = b"log.bin",
        *,
        name: str = "alice",
        media_type: str | None = None,
        **fields: str,
    ) -> TestResponse:
        """The answer to an upload, whatever it is."""
        return self[name].post(
            "/messages/upload", **attachment_form(conversation_id, data, filename, media_type=media_type, **fields)
        )

    def history(self, conversation_id: str, name: str = "alice", **query: Any) -> list[dict[str, Any]]:
        """A page of messages, newest first."""
        query = {"conversation_id": conversation_id, **query}
        answer = self._fields(self[name].get("/messages/get", query_string=query))
        assert answer.keys() == {"count", "messages"}
        assert answer["count"] == len(answer["messages"])
        return list(answer["messages"])

    def contents(self, conversation_id: str, name: str = "alice", **query: Any) -> list[str | None]:
        """What a page says."""
        return [message["content"] for message in self.history(conversation_id, name, **query)]

    def info(self, conversation_id: str, name: str = "alice") -> dict[str, Any]:
        """The conversation."""
        return self._fields(self[name].get("/conversations/info", query_string={"conversation_id": conversation_id}))

    def read(self, conversation_id: str, name: str) -> None:
        """Somebody has read everything."""
        self._fields(self[name].post(f"/conversations/{conversation_id}/read"))

    def leave(self, conversation_id: str, name: str) -> None:
        """Somebody leaves."""
        self._fields(self[name].delete(f"/conversations/{conversation_id}/participants/{name}"))

    def used_bytes(self, name: str = "alice") -> int:
        """What counts against an account's quota."""
        with self.services.database.read() as session:
            return session.scalars(select(Account.used_bytes).where(Account.name == name)).one()

    def rows(self) -> int:
        """How many messages the database has."""
        with self.services.database.read() as session:
            return session.scalars(select(func.count()).select_from(Message)).one()

    def stored(self) -> list[str]:
        """Everything in the folder of attachments, folders too."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("[!.]*"))

    def _message(self, answer: TestResponse) -> dict[str, Any]:
        fields = self._fields(answer)
        assert fields.keys() == {"success", "message"}
        assert fields["success"] is True
        assert fields["message"].keys() == MESSAGE_FIELDS
        return dict(fields["message"])

    def _fields(self, answer: TestResponse) -> dict[str, Any]:
        assert answer.status_code == 200, answer.text
        return dict(answer.get_json())


def refusal(response: TestResponse) -> tuple[int, str]:
    """Status and text of an error, which has no other field."""
    fields = response.get_json()
    assert list(fields) == ["detail"]
    return response.status_code, fields["detail"]


def attachment_form(
    conversation_id: str,
    data: bytes = b"hello",
    filename: bytes = b"log.bin",
    *,
    media_type: str | None = None,
    **fields: str,
) -> dict[str, Any]:
    """The arguments of an upload: the fields, then the file."""
    named = {"conversation_id": conversation_id, **fields}
    parts = [part(name, value.encode()) for name, value in named.items()]
    return form(*parts, part("file", data, filename=filename, media_type=media_type))
