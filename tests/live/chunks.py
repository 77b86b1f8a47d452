"""Sending chunks to a live server."""

from typing import Protocol

import requests

from transfer_service.wire.chunk_frames import LONG_FRAME


class HasAddress(Protocol):
    """A server, or nginx before it."""

    @property
    def url(self) -> str: ...


def send_chunk(
    session: requests.Session, server: HasAddress, name: str, start: int, data: bytes, *, total: int | None = None
) -> requests.Response:
    """One valid 17-byte frame."""
    query: dict[str, str | int] = {"filename": name}
    if total is not None:
        query["total_size"] = total
    frame = LONG_FRAME.format(start, data)
    return session.post(f"{server.url}/api/files/upload", params=query, data=frame, timeout=60)


def raw_request(session: requests.Session, method: str, target: str, *headers: str) -> bytes:
    """The head of a request for a bare socket, with the session's token."""
    authorization = f"Authorization: {session.headers['Authorization']!s}"
    return "\r\n".join([f"{method} {target} HTTP/1.1", "Host: test", authorization, *headers, "", ""]).encode()
