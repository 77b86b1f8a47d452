"""`last_used_at` of keys: it follows by itself, and no request waits for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from tests.conftest import Clock, Device
from tests.live.server import wait_until
from tests.web.accounts.keys import new_key, showing
from tests.web.conftest import MakeApp, SignIn
from transfer_service.bootstrap import Services
from transfer_service.errors import StoreUnavailable
from transfer_service.services.accounts import key_uses
from transfer_service.wire.instants import format_second


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_uses, "WRITE_SECONDS", 0.2)


def last_used(device: Device) -> Any:
    return device.get("/auth/keys").get_json()["keys"][-1]["last_used_at"]


@contextmanager
def writes(services: Services) -> Iterator[list[int]]:
    """How often keys are written to, transaction by transaction."""
    found: list[int] = []
    run = services.keys.uses.write

    def write() -> None:
        found.append(1)
        run()

    services.keys.uses.write = write  # type: ignore[method-assign] # a look at how often
    yield found
    services.keys.uses.write = run  # type: ignore[method-assign]


def test_it_follows_a_use(app: Flask, device: Device, clock: Clock) -> None:
    key = showing(app, new_key(device, "files")["key"])
    assert last_used(device) is None
    key.get("/api/files")
    wait_until(lambda: last_used(device) == format_second(clock.at))
    clock.advance(hours=1)
    key.get("/nothing")  # is nobody's business, so nobody looks who asks
    key.get("/download/x")  # is refused, and a use all the same
    wait_until(lambda: last_used(device) == format_second(clock.at))


def test_many_uses_are_one_write(app: Flask, device: Device, services: Services, clock: Clock) -> None:
    keys = []
    for _ in range(3):
        clock.advance(seconds=1)
        keys.append(showing(app, new_key(device, "files")["key"]))
    with writes(services) as found:
        for key in keys * 5:
            clock.advance(seconds=1)
            assert key.get("/api/files").status_code == 200
        wait_until(lambda: last_used(device) == format_second(clock.at - timedelta(seconds=2)))
    assert len(found) <= 3  # fifteen uses, on however slow a machine
    used = [each["last_used_at"] for each in device.get("/auth/keys").get_json()["keys"]]
    assert used == [format_second(clock.at - timedelta(seconds=seconds)) for seconds in range(3)]


def test_a_stop_writes_what_is_known(app: Flask, device: Device, services: Services, clock: Clock) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_uses, "WRITE_SECONDS", 3600.0)
        showing(app, new_key(device, "files")["key"]).get("/api/files")
        services.database.rest()
    assert last_used(device) == format_second(clock.at)


def test_it_never_goes_back(app: Flask, device: Device, services: Services, clock: Clock) -> None:
    """Several instances write; what one has known for long must not hide what another one has written since."""
    key = showing(app, new_key(device, "files")["key"])
    key.get("/api/files")
    services.keys.uses.write()
    latest = last_used(device)
    clock.advance(minutes=-5)
    key.get("/api/files")
    services.keys.uses.write()
    assert last_used(device) == latest


def test_what_could_not_be_written_is_written_later(
    app: Flask, device: Device, services: Services, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = showing(app, new_key(device, "files")["key"])
    with monkeypatch.context() as patch:
        patch.setattr(services.database, "write_rows", _away)
        key.get("/api/files")
        with pytest.raises(StoreUnavailable):
            services.keys.uses.write()
    services.keys.uses.write()
    assert last_used(device) == format_second(clock.at)


def _away(**_: object) -> None:
    raise StoreUnavailable


def test_the_uses_of_many_keys_are_written_in_short_transactions(
    app: Flask, device: Device, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_uses, "KEYS_A_TURN", 2)
    monkeypatch.setattr(key_uses, "WRITE_SECONDS", 3600.0)
    for _ in range(5):
        showing(app, new_key(device, "files")["key"]).get("/api/files")
    turns, begin = [], services.database.write_rows

    def write_rows(**options: bool) -> Any:
        turns.append(options)
        if len(turns) == 2:
            raise StoreUnavailable
        return begin(**options)

    monkeypatch.setattr(services.database, "write_rows", write_rows)
    with pytest.raises(StoreUnavailable):
        services.keys.uses.write()
    services.keys.uses.write()  # what is left
    assert len(turns) == 4
    assert None not in [each["last_used_at"] for each in device.get("/auth/keys").get_json()["keys"]]


def test_a_revoked_key_does_not_come_back(app: Flask, device: Device, services: Services) -> None:
    made = new_key(device, "files")
    showing(app, made["key"]).get("/api/files")
    device.delete(f"/auth/keys/{made['id']}")
    services.keys.uses.write()
    assert device.get("/auth/keys").get_json()["keys"] == []


def test_in_read_only_mode_keys_work_and_nothing_is_written(make_app: MakeApp, sign_in: SignIn) -> None:
    writing = make_app()
    device = sign_in(writing, "alice")
    made = new_key(device, "files", "upload")
    app = make_app(read_only=True)
    key, services = showing(app, made["key"]), app.extensions["transfer_service"]
    assert key.get("/api/files").status_code == 200
    assert key.post("/api/files?filename=a", data=b"x").status_code == 503
    services.keys.uses.write()
    assert last_used(Device(app.test_client(use_cookies=False), device.headers)) is None
