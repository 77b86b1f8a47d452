"""Which routes know signatures: those of openapi.yaml that say so, for reading, and no other."""

import re
from typing import Any

import pytest
from flask import Flask

from tests.web.sharing.bench import INVALID, fetch, refusal
from tests.web.test_openapi import SPEC, operations
from tests.web.test_queries import views

FORGED = f"account={'0' * 8}-0000-4000-8000-{'0' * 12}&expires=9999999999&size=160&signature={'0' * 64}"
SIGNED: dict[str, list[str]] = {"signed": []}
READING = [(path, method, operation) for path, method, operation in operations() if method in {"get", "head"}]
SIGNABLE = [(path, method) for path, method, operation in READING if SIGNED in operation.get("security", [])]
OTHERS = [(path, method) for path, method, _ in READING if (path, method) not in SIGNABLE]


def cells(routes: list[tuple[str, str]]) -> list[Any]:
    return [pytest.param(path, method, id=f"{method} {path}") for path, method in routes]


def address(path: str) -> str:
    """A path with ids of nothing in it."""
    return re.sub(r"\{\w*message_id\}", "0" * 24, path).replace("{", "").replace("}", "")


def test_the_description_is_the_list(shared_app: Flask) -> None:
    found = {path: view for (path, method), view in views(shared_app).items() if getattr(view, "is_signable", False)}
    assert set(found) == {path for path, _ in SIGNABLE}
    assert {"/api/files/{file_id}/download", "/uploads/chats/{message_id}/{filename}"} <= set(found)
    methods = {method for path, method in views(shared_app) if path in found}
    assert methods == {"get", "head", "options"}


@pytest.mark.parametrize(("path", "method"), cells(SIGNABLE))
def test_a_made_up_signature_is_refused_alike(shared_app: Flask, path: str, method: str) -> None:
    response = fetch(shared_app, f"{address(path)}?{FORGED}", method=method.upper())
    assert (response.status_code if method == "head" else refusal(response)) in {403, (403, INVALID)}


@pytest.mark.parametrize(("path", "method"), cells(OTHERS))
def test_no_other_route_looks_at_it(shared_app: Flask, path: str, method: str) -> None:
    """Also not `/game-zip`, whose pages ask for each other by relative addresses."""
    signed, plain = (
        fetch(shared_app, address(path) + query, method=method.upper()).status_code for query in (f"?{FORGED}", "")
    )
    assert signed in {plain, 400}  # of an unknown parameter
    assert plain != 403


def test_a_route_that_is_described_so_has_a_refusal() -> None:
    for path, method in SIGNABLE:
        assert "403" in SPEC["paths"][path][method]["responses"]
