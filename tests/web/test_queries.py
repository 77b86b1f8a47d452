"""Query parameters: every route takes the ones that openapi.yaml names, and refuses all others."""

import re
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Device
from tests.web.conftest import signed_in
from tests.web.sharing.visitors import Visitor, share
from tests.web.test_openapi import SPEC, operations, resolved
from transfer_service.bootstrap import Services
from transfer_service.web.context import EXTENSION
from transfer_service.web.query import parameters_of
from transfer_service.wire.error_bodies import envelope_of, is_uploads_path

# Their addresses may carry anything: bytes, pages and the parts of a page.
FREE = re.compile(
    r"/api/files/([^/]+/(download|thumbnail)|download/.*)|/download/.*|/uploads/chats/.*|/game-zip/.*|/|/console/.*|/assets/.*"
    r"|/docs.*|/openapi\.yaml|/s/[^/]+(/files/.*|/zip)?|/api/bundles/.*|/api/account/export|/auth/oidc/callback"
)
BOUND = [
    (path, method)
    for path, method, _ in operations()
    if not FREE.fullmatch(path) and not path.startswith("/s/")  # of an unknown link is told first
]


def described(path: str, method: str) -> set[str]:
    """The names of the query parameters of an operation in openapi.yaml."""
    item: dict[str, Any] = SPEC["paths"][path]
    given = [resolved(each) for each in [*item.get("parameters", []), *item[method].get("parameters", [])]]
    return {each["name"] for each in given if each["in"] == "query"}


def views(app: Flask) -> dict[tuple[str, str], Any]:
    """The view of every route, by path and method as openapi.yaml has them."""
    found = {}
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
        for method in rule.methods or ():
            found[path, method.lower()] = app.view_functions[rule.endpoint]
    return found


def test_every_route_takes_what_is_described(shared_app: Flask) -> None:
    wrong = {
        (path, method): parameters_of(view)
        for (path, method), view in views(shared_app).items()
        if method in {"get", "post", "put", "patch", "delete"}
        and parameters_of(view) != (None if FREE.fullmatch(path) else described(path, method))
    }
    assert wrong == {}


@pytest.fixture(scope="module")
def mighty(shared_app: Flask) -> Device:
    """An administrator with every permission."""
    services: Services = shared_app.extensions[EXTENSION]
    for permission in ("games.download", "activities.read"):
        services.accounts.grant("root", permission)
    return signed_in(shared_app, "root")


@pytest.mark.parametrize(("path", "method"), [pytest.param(*each, id=" ".join(each)) for each in BOUND])
def test_an_unknown_parameter_is_refused(mighty: Device, method: str, path: str) -> None:
    address = re.sub(r"\{\w+\}", "00000000-0000-4000-8000-000000000000", path)
    answer = mighty.request(method.upper(), address, query_string={"colour": "red"})
    assert answer.status_code == 400
    if method != "head" and not is_uploads_path(path):
        assert answer.get_json() == envelope_of(path)("Unknown query parameter: colour", 400)


def test_nor_does_a_link_take_one_where_bytes_come_in(shared_app: Flask, shared_device: Device) -> None:
    visitor = Visitor(shared_app, share(shared_device, shared_device.store(b"hello")["file_id"], password="123456"))
    answer = visitor.ask("POST", "/unlock?colour=red", json={"password": "123456"})
    assert (answer.status_code, answer.get_json()) == (400, {"detail": "Unknown query parameter: colour"})


def test_a_preflight_may_name_the_parameters_of_the_request_behind_it(shared_device: Device) -> None:
    assert shared_device.request("OPTIONS", "/api/uploads?overwrite=true&colour=red").status_code == 204


@pytest.mark.parametrize("path", ["/docs?utm_source=mail", "/docs/assets/swagger-ui.css?v=2", "/openapi.yaml?v=2"])
def test_a_page_does_not_mind_what_follows_its_address(shared_device: Device, path: str) -> None:
    assert shared_device.get(path).status_code == 200


@pytest.mark.parametrize("path", ["/api/files/{file_id}/download", "/api/files/download/log.bin", "/download/log.bin"])
def test_bytes_do_not_mind_what_follows_their_address(shared_device: Device, path: str) -> None:
    stored = shared_device.store(b"hello", query={"overwrite": "true"})
    answer = shared_device.get(path.format(**stored) + "?player=3&player=4")
    assert (answer.status_code, answer.data) == (200, b"hello")


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        pytest.param("limit=1&limit=2", "Query parameter given more than once: limit", id="twice"),
        pytest.param("Limit=1", "Unknown query parameter: Limit", id="case-counts"),
        pytest.param("limit%00=1", "Unknown query parameter: limit?", id="control-character"),
        pytest.param("x" * 300, f"Unknown query parameter: {'x' * 100}", id="long"),
        pytest.param("=1", "Unknown query parameter: ", id="without-a-name"),
    ],
)
def test_a_parameter_counts_once_and_by_its_very_name(shared_device: Device, query: str, detail: str) -> None:
    answer = shared_device.get(f"/api/files?{query}")
    assert (answer.status_code, answer.get_json()) == (400, {"detail": detail})


@pytest.mark.parametrize(
    ("value", "status"),
    [("true", 201), ("false", 201), *((word, 400) for word in ("", "maybe", "2", "yes", "1", "TRUE", " true"))],
)
def test_a_flag_is_true_or_false(shared_device: Device, value: str, status: int) -> None:
    names = shared_device.names()
    answer = shared_device.post("/api/files", query_string={"filename": "flag.bin", "overwrite": value}, data=b"x")
    assert answer.status_code == status
    if status == 400:
        assert (answer.get_json(), shared_device.names()) == ({"detail": "Invalid overwrite"}, names)


def test_who_may_not_come_in_hears_of_that_first(shared_app: Flask, shared_device: Device) -> None:
    nobody = Device(shared_app.test_client(use_cookies=False), {})
    assert nobody.get("/api/files?colour=red").status_code == 401
    assert shared_device.post("/cleanup?colour=red").status_code == 403
    assert shared_device.get("/api/activities?colour=red").status_code == 403
    assert shared_device.post("/api/downloads/x/download?colour=red").status_code == 403
