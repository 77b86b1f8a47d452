"""Every route of openapi.yaml, called with a key of each scope: `web/scopes.py` held against what really happens."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Device
from tests.everything import Everything, fill
from tests.web.accounts.bench import BAD
from tests.web.accounts.keys import ALL, new_key, showing
from tests.web.conftest import MakeApp
from tests.web.test_openapi import operations
from transfer_service.bootstrap import Services
from transfer_service.models.keys import Scope
from transfer_service.web.context import EXTENSION
from transfer_service.web.scopes import NEEDED, Rule
from transfer_service.wire.error_bodies import format_error

# What the contract says, in its own order: a second list beside `NEEDED`, so that a line there cannot be wrong unseen.
# Rules go from top to bottom, the first that fits a route counts; `any` is every key, `open` asks nobody.
CONTRACT = [
    (r"get /auth/me", "any"),
    (r"post /auth/(refresh|logout)", "401"),
    (r"post /auth/(token|login)|post /token|get /auth/oidc/.*", "open"),
    (r"\w+ /auth/.*", "not for keys"),
    (r"post /cleanup|get /api/activities", "not for keys"),
    (r"\w+ /api/admin/.*|\w+ /api/account/export|\w+ /api/webhooks.*", "not for keys"),
    (r"get /accounts", "not for keys"),
    (r"\w+ /api/links.*", "not for keys"),
    (r"\w+ (/|/s/.*|/console/.*|/assets/.*|/healthz|/readyz|/docs.*|/openapi.yaml)", "open"),
    (r"post /api/files(/upload)?|put /api/files/\{name\}|post /upload/.*", "upload"),
    (r"\w+ /api/uploads.*", "upload"),
    (r"get (/api/files/\{name\}|/api/files/status/.*|/status/.*)", "files or upload"),
    (r"\w+ (/api/files|/api/files/\{name\}|/api/folders.*|/api/trash.*)", "files"),
    (r"\w+ (/api/files/\{file_id\}/(download|url|thumbnail)|/api/files/download/.*|/download/.*)", "download"),
    (r"\w+ /api/bundles.*", "download"),
    (r"\w+ (/conversations|/messages|/uploads/chats).*", "chat"),
    (r"\w+ (/api/downloads|/api/games|/game-zip).*", "games"),
]
ROUTES = [(method, path) for path, method, _ in operations()]


def promised(method: str, path: str) -> str:
    """What a key needs at a route: nothing is said of a new one until it stands above."""
    fitting = (needed for pattern, needed in CONTRACT if re.fullmatch(pattern, f"{method} {path}"))
    return next(fitting, "a line in CONTRACT")


@pytest.fixture(scope="module")
def everything(shared_app: Flask) -> Everything:
    """Something of every feature, so that what a key may call finds what it asks for."""
    services: Services = shared_app.extensions[EXTENSION]
    return fill(shared_app, services.core.settings.data_dir)


@pytest.fixture(scope="module")
def devices(shared_app: Flask, everything: Everything) -> dict[str, Device]:
    """One for each scope, with a key of that scope alone."""
    return {scope: showing(shared_app, new_key(everything.device, scope)["key"]) for scope in ALL}


def cells() -> Iterator[Any]:
    for method, path in ROUTES:
        for scope in ALL:
            yield pytest.param(method, path, scope, promised(method, path), id=f"{method} {path} {scope}")


@pytest.mark.parametrize(("method", "path", "scope", "needed"), list(cells()))
def test_a_key_may_do_what_its_scope_says(
    everything: Everything, devices: dict[str, Device], method: str, path: str, scope: str, needed: str
) -> None:
    asked = address(everything, path)
    answer = devices[scope].request(method.upper(), asked, data=b"{}" if method != "get" else None, buffered=False)
    body = b"" if answer.mimetype == "text/event-stream" else answer.data  # a stream of progress has no end
    answer.close()
    if needed == "401":
        assert (answer.status_code, answer.get_json()) == (401, BAD)
    elif needed == "not for keys":
        assert (answer.status_code, body) == (403, words(asked, "Not for keys", method))
    elif needed not in {"any", "open"} and scope not in needed.split(" or "):
        assert (answer.status_code, body) == (403, words(asked, f"Key lacks scope {needed.split(' or ')[0]}", method))
    else:
        assert answer.status_code not in {401, 403}, body


def words(path: str, detail: str, method: str) -> bytes:
    """A refusal in the envelope of its path; HEAD has none."""
    return b"" if method == "head" else format_error(path, 403, detail, is_tus=False)[1]


def address(everything: Everything, path: str) -> str:
    """A path with the ids of what is there, or of what is not, where the call would change it for the others."""
    ids = {**everything.ids, "name": everything.ids["file_id"] if path == "/api/files/{name}" else "log.bin"}
    ids["filename"] = {
        "/uploads/chats/{message_id}/{filename}": "a.png",
        "/docs/assets/{filename}": "swagger-ui.css",
    }.get(path, "css/base.css")
    ids |= {"version": "1", "folder": "console", "place": "files"}
    query = (
        "?conversation_id={conversation_id}"
        if path in {"/conversations/info", "/messages/get", "/messages/changes"}
        else ""
    )
    return (path + query).format(**ids)


@pytest.mark.parametrize(
    ("scopes", "status", "detail"),
    [
        (["chat"], 403, "Key lacks scope files"),
        (["chat", "download"], 403, "Key lacks scope files"),
        (["chat", "files"], 403, "Key lacks scope download"),
        (["files", "download"], 403, "Key lacks scope chat"),
        (["chat", "files", "download"], 400, "Invalid conversation id"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "once"}], ids=["plain", "idempotent"])
def test_a_file_in_a_message_takes_three_scopes(
    shared_app: Flask, shared_device: Device, scopes: list[str], status: int, detail: str, headers: dict[str, str]
) -> None:
    """And that is looked at before anything that the message says."""
    key = showing(shared_app, new_key(shared_device, *scopes)["key"])
    answer = key.post("/messages", json={"conversation_id": "bad", "file_id": "bad"}, headers=headers)
    assert (answer.status_code, answer.get_json()) == (status, {"detail": detail})


def test_every_route_has_a_line(shared_app: Flask) -> None:
    assert set(NEEDED) == set(shared_app.view_functions)


def test_a_route_without_a_line_is_closed_to_keys(make_app: MakeApp, device: Device) -> None:
    app = make_app()
    app.add_url_rule("/new", endpoint="stored_files.new", view_func=lambda: "never")
    key = showing(app, new_key(device, *ALL)["key"])
    answer = key.get("/new")
    assert (answer.status_code, answer.get_json()) == (403, {"detail": "Not for keys"})


def test_there_is_a_route_for_each_scope() -> None:
    used = {scope for needed in NEEDED.values() if not isinstance(needed, Rule) for scope in needed}
    assert used == set(Scope)
