"""Signed addresses that keys have given out: they end with the key."""

from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.web.accounts.keys import new_key, showing
from tests.web.chat.bench import Chat
from tests.web.conftest import MakeApp, SignIn
from tests.web.sharing.bench import INVALID, fetch, query_of, refusal, sign, sign_file, with_query
from transfer_service.bootstrap import Services
from transfer_service.wire.instants import format_second

DATA = b"0123456789"


def test_it_ends_with_the_key_and_not_with_another(make_app: MakeApp, sign_in: SignIn, database_url: str) -> None:
    app = make_app(database_url=database_url)
    device = sign_in(app, "alice")
    file_id = device.store(DATA)["file_id"]
    key, other = (new_key(device, "download") for _ in range(2))
    url, others, own = (
        sign_file(asking, file_id) for asking in (showing(app, key["key"]), showing(app, other["key"]), device)
    )
    assert (query_of(url)["key"], "key" in query_of(own)) == (key["id"], False)
    assert [fetch(app, each).data for each in (url, others, own)] == [DATA] * 3
    assert device.delete(f"/auth/keys/{key['id']}").status_code == 204
    assert refusal(fetch(app, url)) == (403, INVALID)
    assert [fetch(app, each).data for each in (others, own)] == [DATA] * 2


def test_the_key_in_it_is_signed(app: Flask, device: Device) -> None:
    file_id = device.store(DATA)["file_id"]
    key, other = (new_key(device, "download") for _ in range(2))
    url = sign_file(showing(app, key["key"]), file_id)
    for changed in (other["id"], None, "", key["id"].upper()):
        assert refusal(fetch(app, with_query(url, key=changed))) == (403, INVALID)
    own = sign_file(device, file_id)
    assert refusal(fetch(app, with_query(own, key=key["id"]))) == (403, INVALID)


def test_it_ends_when_the_key_does(app: Flask, device: Device, clock: Clock) -> None:
    end = format_second(datetime.now(UTC) + timedelta(hours=1))
    key = new_key(device, "download", expires_at=end)
    file_id = device.store(DATA)["file_id"]
    answer = showing(app, key["key"]).post(f"/api/files/{file_id}/url", json={"expires_in": 7200}).get_json()
    url = answer["url"]
    assert answer["expires_at"] == end
    assert fetch(app, url).data == DATA
    clock.advance(minutes=61)
    assert refusal(fetch(app, url)) == (403, INVALID)


def test_a_disabled_accounts_addresses_rest(app: Flask, device: Device, services: Services) -> None:
    url = sign_file(showing(app, new_key(device, "download")["key"]), device.store(DATA)["file_id"])
    services.accounts.disable("alice")
    assert refusal(fetch(app, url)) == (403, INVALID)
    services.accounts.enable("alice")
    assert fetch(app, url).data == DATA


@pytest.mark.parametrize("scope", ["upload", "files", "chat", "games"])
def test_it_takes_the_scope_of_reading_files(app: Flask, device: Device, scope: str) -> None:
    file_id = device.store(DATA)["file_id"]
    answer = showing(app, new_key(device, scope)["key"]).post(f"/api/files/{file_id}/url")
    assert (answer.status_code, answer.get_json()) == (403, {"detail": "Key lacks scope download"})


def test_an_attachment_takes_the_scope_of_chat(app: Flask) -> None:
    chat = Chat(app)
    path = f"/messages/{chat.send(chat.dm())['_id']}"
    url = sign(showing(app, new_key(chat["bob"], "chat")["key"]), path)
    assert fetch(app, url).data == b"hello"
    answer = showing(app, new_key(chat["bob"], "download", "files")["key"]).post(f"{path}/url")
    assert (answer.status_code, answer.get_json()) == (403, {"detail": "Key lacks scope chat"})


def test_a_stranger_with_the_address_does_not_use_the_key(
    app: Flask, device: Device, services: Services, clock: Clock
) -> None:
    """`last_used_at` tells when the device was last there, not who has looked at its pictures."""
    key = new_key(device, "download")
    url = sign_file(showing(app, key["key"]), device.store(DATA)["file_id"])
    services.keys.uses.write()
    clock.advance(minutes=1)
    assert fetch(app, url).data == DATA
    services.keys.uses.write()
    (listed,) = device.get("/auth/keys").get_json()["keys"]
    assert listed["last_used_at"] == format_second(clock.at - timedelta(minutes=1))
