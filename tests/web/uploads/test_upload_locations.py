"""The URLs of uploads: behind prefixes, with a slash at the end, and for clients that know only GET and POST."""

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.conftest import PASSWORD, Device
from tests.web.conftest import MakeApp, SignIn
from tests.web.uploads.bench import (
    ROOT,
    TUS,
    TUS_BYTES,
    UNKNOWN,
    Draft,
    Tus,
    id_of,
    left_on,
    path_of,
    problem,
    tus_refusal,
)

PREFIXED = re.compile(r"https://files.example/behind/a/proxy/api/uploads/[0-9a-f-]{36}")


@pytest.mark.parametrize("speaks", [Tus, Draft], ids=["tus", "draft"])
def test_a_location_is_a_whole_url_with_the_mount_point(shared_device: Device, speaks: type[Tus | Draft]) -> None:
    client = speaks(shared_device)
    response = client.post(base_url="https://files.example/behind/a/proxy")
    assert (response.status_code, PREFIXED.fullmatch(response.headers["Location"]) is not None) == (201, True)
    assert client.head(ROOT + "/" + str(id_of(response.headers["Location"]))).status_code < 300


@pytest.mark.parametrize(
    ("proxies", "expected"), [(0, f"http://localhost{ROOT}"), (1, f"https://a.example/behind/a/proxy{ROOT}")]
)
@pytest.mark.parametrize("speaks", [Tus, Draft], ids=["tus", "draft"])
def test_only_a_trusted_proxy_says_where_it_is_mounted(
    make_app: MakeApp, sign_in: SignIn, speaks: type[Tus | Draft], proxies: int, expected: str
) -> None:
    client = speaks(sign_in(make_app(trusted_proxies=proxies), "alice"))
    forwarded = {"X-Forwarded-Prefix": "/behind/a/proxy", "X-Forwarded-Host": "a.example", "X-Forwarded-Proto": "https"}
    location = client.post(headers=forwarded).headers["Location"]
    assert location == f"{expected}/{id_of(location)}"
    assert client.head(f"{ROOT}/{id_of(location)}", forwarded).status_code < 300


def test_uploads_behind_a_prefix_are_joined_by_their_locations(make_app: MakeApp, sign_in: SignIn) -> None:
    tus = Tus(sign_in(make_app(trusted_proxies=1), "alice"))
    forwarded: dict[str, str | None] = {"X-Forwarded-Prefix": "/behind"}
    part = tus.begin({**forwarded, "Upload-Concat": "partial"}, b"hello")
    response = tus.post({**forwarded, "Upload-Length": None, "Upload-Concat": f"final;{part}"})
    assert (response.status_code, "X-File-Id" in response.headers) == (201, True)


@pytest.mark.parametrize("speaks", [Tus, Draft], ids=["tus", "draft"])
def test_a_slash_at_the_end_changes_nothing(shared_device: Device, speaks: type[Tus | Draft]) -> None:
    client = speaks(shared_device)
    response = client.send("POST", f"{ROOT}/", {"Upload-Length": "5", "Upload-Complete": "?0"})
    location = response.headers["Location"]
    assert (response.status_code, location) == (201, f"http://localhost{ROOT}/{id_of(location)}")
    location = path_of(location)
    assert client.patch(f"{location}/", b"hel").headers["Upload-Offset"] == "3"
    assert [client.head(f"{location}/").status_code < 300, client.delete(f"{location}/").status_code] == [True, 204]


@pytest.mark.parametrize("path", [f"/{ROOT}", f"{ROOT}//", f"{UNKNOWN}//", "/api//uploads"])
def test_two_slashes_are_another_path(shared_device: Device, path: str) -> None:
    before = left_on(shared_device)
    response = shared_device.request("POST", f"http://localhost{path}", headers={**TUS, "Upload-Length": "5"})
    assert response.status_code in {404, 405}
    assert left_on(shared_device) == before


def override(method: str, **headers: str) -> dict[str, str | None]:
    return {"X-HTTP-Method-Override": method, **headers}


APPEND = {"Content-Type": TUS_BYTES, "Upload-Offset": "0"}


@pytest.mark.parametrize("method", ["PATCH", "patch", " Patch "])
def test_a_post_may_be_a_patch(shared_device: Device, method: str) -> None:
    tus = Tus(shared_device)
    location = tus.begin()
    response = tus.send("POST", location, {**override(method), **APPEND}, data=b"hello")
    assert (response.status_code, response.headers["Upload-Offset"]) == (204, "5")
    assert shared_device.get(f"/api/files/{id_of(location)}/download").data == b"hello"


def test_a_post_may_be_a_patch_of_the_draft(shared_device: Device) -> None:
    draft = Draft(shared_device)
    location = draft.begin(b"hel")
    headers = {"Upload-Offset": "3", "Upload-Complete": "?1", "Content-Type": "application/partial-upload"}
    response = draft.send("POST", location, {**override("PATCH"), **headers}, data=b"lo")
    assert response.headers["Upload-Complete"] == "?1"
    assert draft.state(location) == ("5", True)


def test_a_post_may_be_a_delete(shared_device: Device) -> None:
    tus = Tus(shared_device)
    location = tus.begin(None, b"hel")
    assert tus.send("POST", location, override("DELETE")).status_code == 204
    assert tus.head(location).status_code == 404


def test_a_post_may_be_a_head(shared_device: Device) -> None:
    tus = Tus(shared_device)
    location = tus.begin(None, b"hel")
    response = tus.send("POST", location, override("HEAD"))
    assert (response.status_code, response.data, response.headers["Upload-Offset"]) == (200, b"", "3")
    assert response.headers.get("Content-Length", "0") == "0"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [(UNKNOWN, {}, 404), (UNKNOWN, {"Tus-Resumable": "9"}, 412), (UNKNOWN, {"Authorization": "x"}, 401)],
)
def test_a_refused_head_by_post_does_not_promise_a_body(
    shared_device: Device, path: str, headers: dict[str, str], status: int
) -> None:
    response = Tus(shared_device).send("POST", path, {**override("HEAD"), **headers})
    assert (response.status_code, response.data) == (status, b"")
    assert response.headers.get("Content-Length", "0") == "0"  # a client that sent a POST would wait for the rest


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("GET", "DELETE"), ("GET", "PATCH"), ("HEAD", "DELETE"), ("HEAD", "PATCH"), ("PATCH", "DELETE"),
        ("OPTIONS", "DELETE"), ("PUT", "DELETE"),
    ],
)  # fmt: skip
def test_any_other_request_is_what_it_is(shared_device: Device, sent: str, meant: str) -> None:
    tus = Tus(shared_device)
    location = tus.begin(None, b"hel")
    plain = tus.send(sent, location)
    response = tus.send(sent, location, override(meant))
    assert (response.status_code, response.data) == (plain.status_code, plain.data)
    assert tus.offset(location) == "3"


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "TRACE", "FETCH", "", "PATCH, DELETE"])
def test_a_post_is_nothing_else(shared_device: Device, method: str) -> None:
    tus = Tus(shared_device)
    location = tus.begin(None, b"hel")
    response = tus.send("POST", location, {**override(method), **APPEND}, data=b"x")
    assert (tus_refusal(response)[0], tus.offset(location)) == (405, "3")


def test_a_post_to_the_collection_that_means_to_patch_begins_nothing(shared_device: Device) -> None:
    tus = Tus(shared_device)
    before = left_on(shared_device)
    assert [tus.send("POST", path, override("PATCH")).status_code for path in (ROOT, f"{ROOT}/")] == [405, 405]
    assert left_on(shared_device) == before


def test_elsewhere_the_header_means_nothing(device: Device) -> None:
    device.store(b"hello")
    response = device.post("/api/files/log.bin", headers={"X-HTTP-Method-Override": "DELETE"})
    assert response.status_code == 405
    assert device.names() == ["log.bin"]


@pytest.mark.parametrize("method", ["PATCH", "DELETE", "HEAD"])
def test_nobody_may_do_by_post_what_they_may_not_do(shared_app: Flask, shared_device: Device, method: str) -> None:
    tus = Tus(shared_device)
    location = tus.begin(None, b"hel")
    headers = {**TUS, "X-HTTP-Method-Override": method, **APPEND}
    response = shared_app.test_client().post(location, headers=headers, data=b"x")
    assert (response.status_code, response.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert tus.offset(location) == "3"


def browser(app: Flask) -> tuple[FlaskClient, dict[str, str]]:
    """A client that has signed in by cookie, and the header that its unsafe requests need."""
    client = app.test_client()
    client.post("/auth/login", json={"username": "alice", "password": PASSWORD})
    cookie = client.get_cookie("csrf_access_token")
    assert cookie is not None
    return client, {"X-CSRF-TOKEN": cookie.value}


CELLS: list[Any] = [
    # sent, meant, whether the CSRF token comes along, whether it is let in
    pytest.param("PATCH", None, False, False, id="patch"),
    pytest.param("PATCH", None, True, True, id="patch-with-token"),
    pytest.param("DELETE", None, False, False, id="delete"),
    pytest.param("DELETE", None, True, True, id="delete-with-token"),
    pytest.param("HEAD", None, False, True, id="head"),
    pytest.param("GET", None, False, True, id="get"),
    pytest.param("POST", "PATCH", False, False, id="post-as-patch"),
    pytest.param("POST", "PATCH", True, True, id="post-as-patch-with-token"),
    pytest.param("POST", "DELETE", False, False, id="post-as-delete"),
    pytest.param("POST", "DELETE", True, True, id="post-as-delete-with-token"),
    pytest.param("POST", "HEAD", False, True, id="post-as-head"),
]


@pytest.mark.parametrize(("sent", "meant", "with_token", "let_in"), CELLS)
def test_a_cookie_needs_its_csrf_token_for_what_is_meant(
    shared_app: Flask, shared_device: Device, sent: str, meant: str | None, with_token: bool, let_in: bool
) -> None:
    tus = Tus(shared_device)
    location = tus.begin()
    client, csrf = browser(shared_app)
    headers = {**TUS, **APPEND, **(csrf if with_token else {})} | ({"X-HTTP-Method-Override": meant} if meant else {})
    response = client.open(location, method=sent, headers=headers, data=b"hel")
    assert (response.status_code < 300, response.status_code == 401) == (let_in, not let_in)
    expected = {"PATCH": "3", "DELETE": None}.get(meant or sent, "0") if let_in else "0"
    assert tus.offset(location) == expected


@pytest.mark.parametrize("headers", [{**TUS, "Upload-Length": "5"}, {"Upload-Complete": "?0"}], ids=["tus", "draft"])
def test_a_cookie_alone_begins_no_upload(shared_app: Flask, shared_device: Device, headers: dict[str, str]) -> None:
    client, csrf = browser(shared_app)
    before = left_on(shared_device)
    response = client.post(ROOT, headers=headers)
    assert (tus_refusal(response) if "Tus-Resumable" in headers else problem(response))[0] == 401
    assert left_on(shared_device) == before
    assert client.post(ROOT, headers={**headers, **csrf}).status_code == 201


@pytest.mark.parametrize("sent", ["GET", "HEAD"])
def test_a_link_cannot_delete(shared_app: Flask, shared_device: Device, sent: str) -> None:
    tus = Tus(shared_device)
    location = tus.begin(None, b"hel")
    client, _ = browser(shared_app)
    response = client.open(location, method=sent, headers={**TUS, "X-HTTP-Method-Override": "DELETE"})
    assert (response.status_code, tus.offset(location)) == (200, "3")
