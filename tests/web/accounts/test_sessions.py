"""Where one is signed in: `GET /auth/sessions`, and the end of one of them."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from tests.conftest import PASSWORD, Clock, Device, signed_in
from tests.web.accounts.bench import browser, csrf, pair_of, show
from tests.web.accounts.keys import new_key, showing
from transfer_service.bootstrap import Services
from transfer_service.errors import BadCredentials
from transfer_service.models.keys import Scope
from transfer_service.services.accounts.keys import KeyDraft
from transfer_service.wire.instants import format_second

SESSIONS = "/auth/sessions"
CREDENTIALS = {"username": "alice", "password": PASSWORD}


def sign_in(app: Flask, **environ: Any) -> dict[str, Any]:
    """A pair of tokens by a password; the arguments are of the request."""
    answer = app.test_client(use_cookies=False).post("/token", json=CREDENTIALS, **environ)
    assert answer.status_code == 200
    pair: dict[str, Any] = answer.get_json()
    return pair


def device_of(app: Flask, pair: dict[str, Any]) -> Device:
    """Whoever has these tokens."""
    return Device(app.test_client(use_cookies=False), {"Authorization": f"Bearer {pair['access_token']}"})


def sessions_of(device: Device, query: str = "") -> list[dict[str, Any]]:
    """The list."""
    answer = device.get(f"{SESSIONS}{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.get_json()["sessions"]
    return found


def test_a_sign_in_in_every_field(app: Flask, clock: Clock) -> None:
    first = sign_in(app, headers={"User-Agent": "phone/1"}, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    made_at = format_second(clock())
    clock.advance(minutes=5)
    second = sign_in(app, headers={"User-Agent": ""}, environ_base={"REMOTE_ADDR": "2001:db8::1"})
    newest, oldest = sessions_of(device_of(app, second))
    assert {**oldest, "id": ""} == {
        "id": "",
        "created_at": made_at,
        "renewed_at": made_at,
        "ip_address": "192.0.2.7",
        "user_agent": "phone/1",
        "current": False,
    }
    assert (newest["ip_address"], newest["user_agent"], newest["current"]) == ("2001:db8::1", None, True)
    assert [each["current"] for each in sessions_of(device_of(app, first))] == [False, True]


def test_it_is_renewed_with_its_tokens(app: Flask, clock: Clock) -> None:
    pair = pair_of(app)
    made_at = format_second(clock())
    clock.advance(hours=1)
    renewed = show(app, pair["refresh_token"], "POST", "/auth/refresh").get_json()
    (session,) = sessions_of(device_of(app, renewed))
    assert (session["created_at"], session["renewed_at"]) == (made_at, format_second(clock()))


def test_only_what_still_counts_is_listed(app: Flask, services: Services, clock: Clock) -> None:
    sign_in(app)  # which expires
    clock.advance(days=services.core.settings.refresh_token_days, seconds=1)
    out, stays = sign_in(app), sign_in(app)
    signed_in(app, "bob")
    assert len(sessions_of(device_of(app, stays))) == 2
    device_of(app, out).post("/auth/logout")
    assert [each["current"] for each in sessions_of(device_of(app, stays))] == [True]


@pytest.mark.parametrize(
    ("shown", "kept"),
    [
        pytest.param("x" * 1000, "x" * 255, id="long"),
        pytest.param("Käse/1".encode().decode("latin-1"), "Käse/1", id="utf-8"),
        pytest.param("a\xff\x9fb", "a\ufffd\ufffdb", id="not-utf-8"),
        pytest.param("a\u202eb".encode().decode("latin-1"), "ab", id="bidirectional"),
        pytest.param("'; DROP TABLE sign_ins; --<script>", "'; DROP TABLE sign_ins; --<script>", id="hostile"),
    ],
)
def test_what_a_program_calls_itself_is_bounded_and_printable(
    make_app: Callable[..., Flask], database_url: str, shown: str, kept: str
) -> None:
    app = make_app(database_url=database_url)
    device = device_of(app, sign_in(app, headers={"User-Agent": shown}))
    assert sessions_of(device)[0]["user_agent"] == kept


def test_one_ends_with_all_its_tokens_and_the_others_stay(make_app: Callable[..., Flask], database_url: str) -> None:
    app = make_app(database_url=database_url)
    lost, own = sign_in(app), device_of(app, sign_in(app))
    (lost_id,) = (each["id"] for each in sessions_of(own) if not each["current"])
    answer = own.delete(f"{SESSIONS}/{lost_id}")
    assert (answer.status_code, answer.data) == (204, b"")
    assert show(app, lost["access_token"]).status_code == 401
    assert show(app, lost["refresh_token"], "POST", "/auth/refresh").status_code == 401
    assert [each["current"] for each in sessions_of(own)] == [True]
    assert own.delete(f"{SESSIONS}/{lost_id}").status_code == 404


def test_ones_own_can_end_too_also_by_cookie(app: Flask) -> None:
    client, _ = browser(app)
    (session,) = client.get(SESSIONS).get_json()["sessions"]
    path = f"{SESSIONS}/{session['id']}"
    assert (client.delete(path).status_code, client.delete(path, headers=csrf(client)).status_code) == (401, 204)
    assert client.get(SESSIONS).status_code == 401


@pytest.mark.parametrize("session_id", ["5d0c1d6b-2f7e-4b43-9a0e-6f6a1c0d9b77", "x", "..", "%00", "0" * 32])
def test_an_unknown_one_is_404(device: Device, session_id: str) -> None:
    assert device.delete(f"{SESSIONS}/{session_id}").status_code == 404


def test_another_account_s_is_404_for_administrators_too(app: Flask, device: Device) -> None:
    (session,) = sessions_of(device)
    for name in ("bob", "root"):
        assert signed_in(app, name).delete(f"{SESSIONS}/{session['id']}").status_code == 404
    assert len(sessions_of(device)) == 1


def test_a_key_is_none_and_sees_none(app: Flask, device: Device) -> None:
    key = new_key(device, "files", "chat")
    assert [each["current"] for each in sessions_of(device)] == [True]
    assert device.delete(f"{SESSIONS}/{key['id']}").status_code == 404
    answer = showing(app, key["key"]).get(SESSIONS)
    assert (answer.status_code, answer.get_json()) == (403, {"detail": "Not for keys"})


def test_they_come_in_pages(app: Flask, clock: Clock) -> None:
    for _ in range(5):
        device = signed_in(app, "alice")
        clock.advance(seconds=1)
    whole, paged, cursor = sessions_of(device), list[dict[str, Any]](), ""
    while cursor is not None:
        page = device.get(f"{SESSIONS}?limit=2{cursor}").get_json()
        paged += page["sessions"]
        cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
    assert paged == whole == sorted(whole, key=lambda each: each["created_at"], reverse=True)
    assert device.get(f"{SESSIONS}?limit=0").status_code == 400


def test_a_key_that_an_ended_sign_in_asks_for_is_not_made(services: Services, device: Device) -> None:
    """As where the request was let in a moment before."""
    (session,) = sessions_of(device)
    identity = services.sign_ins.find_identity(uuid.UUID(session["id"]), name="alice")
    services.sign_ins.end(uuid.UUID(session["id"]))
    assert identity is not None
    with pytest.raises(BadCredentials):
        services.keys.create(identity.account_id, KeyDraft("camera", frozenset({Scope.FILES}), None, None), by=identity)
    assert services.keys.list_keys(identity.account_id, limit=10, after=None) == []
