"""One way to ask the service, over the network and in this process."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests

from tests.conftest import Device

TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def fields(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.body)
        return fields

    @property
    def location(self) -> str:
        """The path of the address that was given."""
        return urlsplit(self.headers["Location"]).path

    def must_be(self, *statuses: int) -> "Answer":
        """The answer itself. Raises Unexpected for any other status."""
        if self.status not in statuses:
            raise Unexpected(f"{self.status}: {self.body[:200]!r}")
        return self


class Unexpected(Exception):
    """The service has said what it should not."""


class Caller(Protocol):
    """Somebody who is signed in."""

    def __call__(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        """Ask, and give whatever answer comes."""


@dataclass(frozen=True)
class NetworkCaller:
    """Over HTTP. Raises requests.RequestException where no answer comes."""

    url: str
    session: requests.Session

    def __call__(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        answer = self.session.request(
            method, self.url + path, params=query, headers=headers, data=data, timeout=TIMEOUT_SECONDS
        )
        return Answer(answer.status_code, answer.headers, answer.content)


@dataclass(frozen=True)
class InnerCaller:
    """Without a server."""

    device: Device

    def __call__(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        answer = self.device.request(method, path, query_string=query, headers=headers or {}, data=data)
        return Answer(answer.status_code, dict(answer.headers), answer.data)
