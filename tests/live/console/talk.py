"""Conversations for the pages that show them: made by the API, and looked at by the names of the contract."""

from typing import Any

import requests
from playwright.sync_api import Locator, Page

from tests.live.server import LiveServer


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
