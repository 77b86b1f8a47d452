"""A client that sends any request, and knows to the nanosecond what CPU it cost the server."""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Self

TIMEOUT_SECONDS = 600.0


@dataclass(frozen=True)
class Request:
    """A request, and the status that it must get, None where that does not matter."""

    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    expected: int | None = 200

    def with_headers(self, headers: Mapping[str, str]) -> Self:
        """The same with some more headers."""
        return replace(self, headers={**self.headers, **headers})


@dataclass(frozen=True)
class Answer:
    """Status, body, and headers by their names in small letters."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


Ask = Callable[[Request], Answer]


def as_json(value: object) -> dict[str, Any]:
    """The fields of a request whose body is JSON."""
    return {"body": json.dumps(value).encode(), "headers": {"Content-Type": "application/json"}}


class Client:
    """One keep-alive connection."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
        self._headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, request: Request) -> Answer:
        """Send a request. Raises RuntimeError where it gets another status."""
        headers = {**self._headers, **request.headers}
        if request.body:
            headers.setdefault("Content-Type", "application/octet-stream")
        self._connection.request(request.method, request.path, request.body or None, headers)
        response = self._connection.getresponse()
        body = response.read()
        if request.expected not in {None, response.status}:
            raise RuntimeError(f"{request.method} {request.path} was answered {response.status}: {body[:500]!r}")
        return Answer(response.status, body, {name.lower(): value for name, value in response.getheaders()})

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def cpu_nanoseconds(pids: list[int]) -> int:
    """What these processes have spent, with threads that have ended (clock_getcpuclockid(3)), finer than clock ticks.

    One that has ended has spent nothing.
    """
    spent = 0
    for pid in pids:
        with suppress(OSError):
            spent += time.clock_gettime_ns(~pid << 3 | 2)
    return spent
