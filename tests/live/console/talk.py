"""Conversations for the pages that show them: made by the API, and looked at by the names of the contract."""

from typing import Any

import requests
from playwright.sync_api import Locator, Page
from sqlalchemy import select, update

from benchmarks.scale_data import LARGE, Filler
from tests.live.server import LiveServer
from transfer_service.models import accounts, chat


def begin(server: LiveServer, person: requests.Session, *others: str, group: str | None = None) -> str:
    """A conversation, and its id."""
    if group is None:
        answer = person.post(f"{server.url}/conversations/create", json={"email": others[0]}, timeout=30)
    else:
        body = {"group_name": group, "participants": others}
        answer = person.post(f"{server.url}/conversations/create/group", json=body, timeout=30)
    assert answer.ok, answer.text
    return str(answer.json()["conversation_id"])


def say(server: LiveServer, person: requests.Session, conversation: str, content: str, **more: Any) -> dict[str, Any]:
    """A message as it was posted."""
    body = {"conversation_id": conversation, "content": content, **more}
    answer = person.post(f"{server.url}/messages", json=body, timeout=30)
    assert answer.ok, answer.text
    message: dict[str, Any] = answer.json()["message"]
    return message


def said(server: LiveServer, person: requests.Session, conversation: str) -> list[dict[str, Any]]:
    """The last hundred messages, oldest first."""
    query = {"conversation_id": conversation, "limit": "100"}
    answer = person.get(f"{server.url}/messages/get", params=query, timeout=30)
    return list(reversed(answer.json()["messages"]))


def log(page: Page) -> Locator:
    """Where messages are."""
    return page.get_by_role("log")


def write(page: Page, text: str) -> None:
    """Send a text by the field and its key."""
    field = page.get_by_role("textbox", name="Message", exact=True)
    field.fill(text)
    field.press("Enter")


def act(page: Page, message: str, action: str) -> None:
    """Choose an action from the menu of a message."""
    page.get_by_role("button", name=f"Actions for message {message}", exact=True).click()
    page.get_by_role("menuitem", name=action, exact=True).click()


def make_messages(server: LiveServer, conversation: str, sender: str, count: int) -> None:
    """Texts `said 1` and so on of one sender, all of them before today, in a conversation where nothing is said yet.

    Once a server: the ids are `chat_id_of` their numbers.
    """
    with server.services() as services, services.database.write_rows() as rows:
        own = rows.execute(select(accounts.Account.id).where(accounts.Account.name == sender)).scalar_one()
        is_sqlite = services.database.is_sqlite
        filler = Filler(rows, is_sqlite, f"'{own.hex}'" if is_sqlite else f"'{own}'::uuid", LARGE)
        at = filler.at(f"n * {7000 / count}")
        filler.fill(
            chat.Message, count, id=filler.chat_id("n"), conversation_id=f"'{conversation}'", seq="n", change="n",
            sender_id=filler.account, type="'text'", content="'said ' || n", created_at=at,
        )  # fmt: skip
        newest = {"last_seq": count, "last_change": count}
        rows.execute(update(chat.Conversation).where(chat.Conversation.id == conversation).values(newest))
