"""Links of an account, and visitors who have nothing but their addresses."""

from typing import Any
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import Device

JSON, HTML = {"Accept": "application/json"}, {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
PASSWORD = "open sesame"


def share(device: Device, *file_ids: str, **fields: Any) -> dict[str, Any]:
    """A new link."""
    body = {**({"file_ids": list(file_ids)} if file_ids else {}), **fields}
    response = device.post("/api/links", json=body)
    assert response.status_code == 201, response.text
    link: dict[str, Any] = response.get_json()
    return link


class Visitor:
    """A browser, or a program that keeps cookies, at a link; one without them is known by its address."""

    def __init__(self, app: Flask, link: dict[str, Any], *, address: str = "192.0.2.1", cookies: bool = True) -> None:
        self.client = app.test_client(use_cookies=cookies)
        self.path = urlsplit(link["url"]).path
        self.address = address

    def ask(self, method: str, path: str = "", **arguments: Any) -> TestResponse:
        """Any request to something of the link."""
        environ = {"REMOTE_ADDR": self.address}
        return self.client.open(
            f"{self.path}{path}", method=method, environ_overrides=environ, **{"buffered": True, **arguments}
        )

    def get(self, path: str = "", **arguments: Any) -> TestResponse:
        return self.ask("GET", path, **arguments)

    def show(self) -> TestResponse:
        """The link as JSON."""
        return self.get(headers=JSON)

    def download(self, file_id: str, value: str | None = None, **headers: str) -> TestResponse:
        """A file, or the range of it that `value` says."""
        return self.get(f"/files/{file_id}", headers={**({"Range": value} if value else {}), **headers})

    def unlock(self, password: str = PASSWORD) -> TestResponse:
        return self.ask("POST", "/unlock", json={"password": password})
