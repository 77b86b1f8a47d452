"""Limits of requests: who is counted, what never is, and what who has sent too many is told."""

import json
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import PASSWORD, Device, frame
from tests.redis_server import running_redis
from tests.web.conftest import MakeApp, SignIn
from tests.web.sharing.bench import fetch, sign_file

ORIGIN = "https://app.example.com"
UUID = "2f1f9c2e-6f57-4c7b-8a53-1c9d0c3e7b11"


@pytest.fixture
def limited(make_app: MakeApp) -> Flask:
    """An app that lets five requests a minute through."""
    return make_app(rate_limits="5/minute;1000/hour", cors_origins=[ORIGIN])


@pytest.fixture
def alice(limited: Flask, sign_in: SignIn) -> Device:
    return sign_in(limited, "alice")


def spend(device: Device) -> TestResponse:
    """Send as many requests as may be; the last answer."""
    return [device.get("/api/files") for _ in range(5)][-1]


def test_every_request_tells_what_is_left(alice: Device) -> None:
    first, second = alice.get("/api/files"), alice.get("/nothing")
    assert first.headers["RateLimit-Policy"] == '"minute";q=5;w=60, "hour";q=1000;w=3600'
    assert first.headers["RateLimit"] == '"minute";r=4, "hour";r=999'
    assert second.headers["RateLimit"] == '"minute";r=3, "hour";r=998'


def test_a_signed_address_counts_for_who_asks_and_not_for_its_account(limited: Flask, alice: Device) -> None:
    url = sign_file(alice, alice.store(b"hello")["file_id"])
    strangers = [fetch(limited, url, headers=alice.headers) for _ in range(6)]
    assert [answer.status_code for answer in strangers] == [200] * 5 + [429]
    assert alice.get("/api/files").headers["RateLimit"].startswith('"minute";r=2,')


@pytest.mark.parametrize(
    ("path", "headers", "body"),
    [
        ("/api/files", {}, {"detail": "Too many requests, try again later"}),
        (
            f"/api/files/{UUID}/download",
            {},
            {"error": {"message": "Too many requests, try again later", "statusCode": 429}},
        ),
        ("/api/downloads", {}, {"success": False, "error": "Too many requests, try again later"}),
        ("/nothing", {}, {"detail": "Too many requests, try again later"}),
        (
            "/api/uploads",
            {},
            {
                "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
                "title": "Too Many Requests",
                "status": 429,
                "detail": "Too many requests, try again later",
                "violated-policies": ["minute"],
            },
        ),
        ("/api/uploads", {"Tus-Resumable": "1.0.0"}, "Too many requests, try again later\n"),
    ],
)
def test_one_request_too_many_is_429_in_the_words_of_its_path(
    alice: Device, path: str, headers: dict[str, str], body: object
) -> None:
    spend(alice)
    refused = alice.get(path, headers={**headers, "Origin": ORIGIN})
    assert refused.status_code == 429
    assert (refused.text if isinstance(body, str) else json.loads(refused.text)) == body
    seconds = int(refused.headers["Retry-After"])
    assert 1 <= seconds <= 60
    assert refused.headers["RateLimit"].startswith(f'"minute";r=0;t={seconds}, "hour";r=')
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN
    exposed = refused.headers["Access-Control-Expose-Headers"]
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(exposed.split(", "))


def test_a_refused_request_changes_nothing(limited: Flask, alice: Device) -> None:
    spend(alice)
    refused = alice.post("/api/files", data=b"x", query_string={"filename": "late.bin"})
    services = limited.extensions["transfer_service"]
    account_id = services.accounts.get("alice").account_id
    assert (refused.status_code, services.files.find(account_id, "late.bin")) == (429, None)


def test_accounts_are_counted_apart_and_from_anywhere(limited: Flask, alice: Device, sign_in: SignIn) -> None:
    bob = sign_in(limited, "bob")
    spend(alice)
    elsewhere = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}}
    assert alice.get("/api/files", **elsewhere).status_code == 429
    assert bob.get("/api/files").status_code == 200


@pytest.mark.parametrize("token", [None, "Bearer forged", "Bearer a.b.c"])
def test_who_has_no_account_is_counted_by_address(limited: Flask, alice: Device, token: str | None) -> None:
    client = limited.test_client()
    headers = {"Authorization": token} if token else {}

    def ask(address: str) -> int:
        return client.get("/api/files", headers=headers, environ_overrides={"REMOTE_ADDR": address}).status_code

    assert [ask("192.0.2.7") for _ in range(6)] == [401] * 5 + [429]
    assert (ask("192.0.2.8"), alice.get("/api/files").status_code) == (401, 200)


def test_one_customer_has_one_network_of_ipv6(limited: Flask) -> None:
    client = limited.test_client()
    statuses = [
        client.get("/nothing", environ_overrides={"REMOTE_ADDR": f"2001:db8:1:2::{number}"}).status_code
        for number in range(6)
    ]
    assert statuses == [404] * 5 + [429]


def test_sign_ins_are_counted_before_their_body_is_read(limited: Flask) -> None:
    client = limited.test_client()
    statuses = [client.post("/auth/token", json={"username": "alice"}).status_code for _ in range(6)]
    assert statuses == [400] * 5 + [429]
    right = client.post("/auth/token", json={"username": "alice", "password": PASSWORD})
    assert right.status_code == 429


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/openapi.yaml", "/docs", "/docs/assets/swagger-ui.css"])
def test_asking_about_the_service_never_counts(limited: Flask, path: str) -> None:
    client = limited.test_client()
    answers = [client.get(path, buffered=True) for _ in range(7)]
    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[0].headers


def test_a_preflight_never_counts(limited: Flask) -> None:
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "GET"}
    client = limited.test_client()
    assert {client.options("/api/files", headers=headers).status_code for _ in range(7)} == {200}


@pytest.mark.parametrize("path", ["/api/uploads", "/api/files", "/auth/token"])
def test_options_without_a_token_are_answered_and_counted(limited: Flask, path: str) -> None:
    client = limited.test_client()
    statuses = [client.options(path).status_code for _ in range(6)]
    assert (max(statuses[:5]) < 300, statuses[5]) == (True, 429)


def test_a_refresh_token_counts_for_its_account(limited: Flask, alice: Device) -> None:
    spend(alice)
    pair = limited.test_client().post("/auth/token", json={"username": "alice", "password": PASSWORD}).get_json()
    refused = limited.test_client().post(
        "/auth/refresh",
        headers={"Authorization": f"Bearer {pair['refresh_token']}"},
        environ_base={"REMOTE_ADDR": "192.0.2.9"},
    )
    assert refused.status_code == 429


def test_chunks_of_an_upload_that_was_begun_never_count(alice: Device) -> None:
    begun = alice.send(frame(0, b"a"), query={"total_size": 100})
    spend(alice)
    chunks = [alice.send(frame(number, b"a"), query={"total_size": 100}) for number in range(1, 4)]
    another = alice.send(frame(0, b"a"), "another.bin", query={"total_size": 100})
    assert (begun.status_code, [each.status_code for each in chunks], another.status_code) == (200, [200] * 3, 429)
    assert "RateLimit" not in chunks[0].headers


def test_ranged_chunks_of_an_upload_that_was_begun_never_count(alice: Device) -> None:
    begun = alice.send_range("log.bin", 0, b"a", 100)
    spend(alice)
    chunks = [alice.send_range("log.bin", number, b"a", 100) for number in range(1, 4)]
    another = alice.send_range("another.bin", 0, b"a", 100)
    assert (begun.status_code, [each.status_code for each in chunks], another.status_code) == (200, [200] * 3, 429)


def test_appends_to_a_resumable_upload_never_count(alice: Device) -> None:
    tus = {"Tus-Resumable": "1.0.0"}
    location = alice.post("/api/uploads", headers={**tus, "Upload-Length": "100"}).headers["Location"]
    spend(alice)

    def append(path: str, offset: int) -> int:
        headers = {**tus, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        return alice.request("PATCH", path, headers=headers, data=b"a").status_code

    assert [append(location, offset) for offset in range(3)] == [204] * 3
    assert append(f"/api/uploads/{UUID}", 0) == 429


def test_a_finished_file_gets_no_chunks_for_free(alice: Device) -> None:
    alice.send(frame(0, b"a"), query={"total_size": 1})
    spend(alice)
    assert alice.send(frame(0, b"a"), query={"total_size": 1}).status_code == 429


def test_connections_of_sockets_are_counted_by_address(limited: Flask) -> None:
    client = limited.test_client()
    path = "/socket.io/?EIO=4&transport=polling"
    answers = [client.get(path, headers={"Origin": ORIGIN}) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429]
    refused = answers[-1]
    assert refused.get_json() == {"detail": "Too many requests, try again later"}
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert client.get(f"{path}&sid=unknown").status_code == 400


def test_without_limits_nobody_is_counted(device: Device) -> None:
    answers = [device.get("/api/files") for _ in range(20)]
    assert {(answer.status_code, answer.headers.get("RateLimit")) for answer in answers} == {(200, None)}


def test_instances_count_together_in_redis_and_alone_without_it(
    make_app: MakeApp, sign_in: SignIn, tmp_path: Path
) -> None:
    with running_redis(tmp_path) as redis:
        first, second = (make_app(rate_limits="5/minute", redis_url=redis.url) for _ in range(2))
        alice = sign_in(first, "alice")
        also_alice = Device(second.test_client(use_cookies=False), alice.headers)
        together = [each.get("/api/files").status_code for _ in range(3) for each in (alice, also_alice)]
        redis.stop()
        alone = [each.get("/api/files").status_code for _ in range(5) for each in (alice, also_alice)]
    assert together == [200] * 5 + [429]
    assert alone == [200] * 4 + [429] * 6  # each has counted three before, and knows them


def test_a_service_without_its_redis_is_ready_but_degraded(make_app: MakeApp, tmp_path: Path) -> None:
    with running_redis(tmp_path) as redis:
        client = make_app(redis_url=redis.url).test_client()
        there = client.get("/readyz")
        redis.stop()
        away = client.get("/readyz")
    assert [(each.status_code, each.get_json()) for each in (there, away)] == [
        (200, {"status": "ready"}),
        (200, {"status": "degraded"}),
    ]
