"""Signed addresses as a stranger has them: nothing but the text."""

from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Flask
from werkzeug.test import TestResponse

from tests.conftest import Device

INVALID = "Link expired or invalid"


def sign(device: Device, path: str, **fields: Any) -> str:
    """The address that an account is given for what stands at `path`."""
    answer = device.post(f"{path}/url", json=fields)
    assert answer.status_code == 200, answer.text
    return str(answer.get_json()["url"])


def sign_file(device: Device, file_id: str, **fields: Any) -> str:
    """The address of a file."""
    return sign(device, f"/api/files/{file_id}", **fields)


def fetch(app: Flask, url: str, *, method: str = "GET", headers: dict[str, str] | None = None) -> TestResponse:
    """What whoever has the address gets, without any token or cookie."""
    return app.test_client(use_cookies=False).open(local(url), method=method, headers=headers, buffered=True)


def local(url: str) -> str:
    """The address without scheme and host."""
    return urlsplit(url)._replace(scheme="", netloc="").geturl()


def query_of(url: str) -> dict[str, str]:
    """Its query."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True, strict_parsing=True))


def with_query(url: str, **changes: str | None) -> str:
    """The address with other parameters; None takes one away."""
    query = {name: value for name, value in {**query_of(url), **changes}.items() if value is not None}
    return urlsplit(url)._replace(query=urlencode(query)).geturl()


def refusal(response: TestResponse) -> tuple[int, str]:
    """The status of a refusal and its text, in whichever envelope; no refusal may be kept."""
    assert response.headers["Cache-Control"] == "no-store"
    fields = response.get_json()
    return response.status_code, fields["detail"] if "detail" in fields else fields["error"]["message"]
