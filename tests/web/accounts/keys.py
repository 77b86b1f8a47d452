"""What the tests of keys share: making one, and a device that sends it."""

from collections.abc import Collection
from typing import Any

from flask import Flask

from tests.conftest import Device, signed_in
from transfer_service.models.keys import Scope

ALL = tuple(scope.value for scope in Scope)


def new_key(device: Device, *scopes: str, **fields: Any) -> dict[str, Any]:
    """A key of the device's account, as `POST /auth/keys` has shown it."""
    answer = device.post("/auth/keys", json={"name": "camera", "scopes": list(scopes), **fields})
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.get_json()
    return key


def showing(app: Flask, text: str) -> Device:
    """A device that sends this key."""
    return Device(app.test_client(use_cookies=False), {"Authorization": f"Bearer {text}"})


def keyed(app: Flask, *scopes: str, name: str = "alice", **fields: Any) -> Device:
    """A device with a new key of an account."""
    return showing(app, new_key(signed_in(app, name), *scopes, **fields)["key"])


def without(*scopes: str) -> Collection[str]:
    """All scopes but these."""
    return [scope for scope in ALL if scope not in scopes]
