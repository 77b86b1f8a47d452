"""Requests of uploads, small ones in great number and large bodies: one connection for each thread, by sockets.

httpx takes most of a millisecond of a processor for a request, and copies bodies in small parts; this takes a fraction
of that. Where the environment names a proxy, httpx sends as always.
"""

import http.client
import threading
import time
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import httpx

from transfer_service_client.connection.answers import ANSWER_BYTES, REPLACED, endless, error_of
from transfer_service_client.connection.file_parts import FilePart
from transfer_service_client.connection.patience import PASSING
from transfer_service_client.connection.proxies import is_proxied
from transfer_service_client.connection.session import Session

_CONNECT_SECONDS, _TIMEOUT_SECONDS = 10.0, 90.0
_RESTED_SECONDS = 1.0  # a body that may be there only once goes over no connection that rested for longer
Block = bytes | memoryview | FilePart


class QuickRequests:
    """Sends requests that can be sent twice without harm. Used by many threads at once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        parts = urlsplit(session.url)
        self._host, self._port = parts.hostname or "", parts.port
        self._prefix = parts.path
        self._context = session.trust if parts.scheme == "https" else None
        self._is_proxied = is_proxied(session.url)
        self._local = threading.local()

    @property
    def takes_parts(self) -> bool:
        """Whether parts of files are best given as such: not where they are encrypted, or go through httpx."""
        return self._context is None and not self._is_proxied

    def put(self, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """The answer, where it is a success. Raises ApiError, Unavailable."""
        if self._is_proxied:
            return self._session.request("PUT", path, content=content, headers=headers)
        for pause in self._session.pauses():
            try:
                shown = self._session.authorization()
                answer = self._exchange(path, content, {**shown, **headers})
                is_refused = answer.status_code == httpx.codes.UNAUTHORIZED
                is_renewed = is_refused and self._session.renew(shown.get("Authorization"))
            except (OSError, http.client.HTTPException, httpx.RequestError) as error:
                self.close()
                problem: Exception = error
            else:
                if answer.is_success:
                    return answer
                problem = error_of(answer)
                if not is_renewed and answer.status_code not in PASSING:
                    raise problem
            if not pause(problem):
                raise self._session.away(problem) from problem
        raise AssertionError  # the pauses do not end

    def try_once(
        self, method: str, path: str, *, content: Iterable[Block] | bytes, headers: Mapping[str, str]
    ) -> httpx.Response:
        """As `Session.try_once`; `headers` tell the length of `content`."""
        if self._is_proxied:
            blocks = content if isinstance(content, bytes) else (bytes(block) for block in content)
            return self._session.try_once(method, path, content=blocks, headers=headers)
        shown = self._session.authorization()
        try:
            answer = self._stream(method, path, content, {**shown, **headers})
        except BaseException:
            self.close()
            raise
        if answer.status_code == httpx.codes.UNAUTHORIZED and not self._session.renew(shown.get("Authorization")):
            raise error_of(answer)
        return answer

    def _stream(
        self, method: str, path: str, content: Iterable[Block] | bytes, headers: Mapping[str, str]
    ) -> httpx.Response:
        if time.monotonic() - getattr(self._local, "used_at", 0.0) > _RESTED_SECONDS:
            self.close()
        try:
            connection = self._connected()
            connection.putrequest(method, self._prefix + path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            connection.endheaders()
        except (OSError, http.client.HTTPException) as error:
            raise httpx.WriteError(str(error)) from error
        is_whole = all(_is_sent(connection, block) for block in ([content] if isinstance(content, bytes) else content))
        try:
            answer = _answer(connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            raise httpx.ReadError(str(error)) from error
        if not is_whole:  # it has answered before it had all
            self.close()
        self._local.used_at = time.monotonic()
        return answer

    def close(self) -> None:
        """Close the connection of this thread."""
        connection = getattr(self._local, "connection", None)
        self._local.connection = None
        if connection is not None:
            connection.close()

    def _exchange(self, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        is_used = getattr(self._local, "connection", None) is not None
        try:
            return self._send(path, content, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self.close()
            if not is_used:  # else it was closed while it rested
                raise
        return self._send(path, content, headers)

    def _send(self, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        connection = self._connected()
        connection.request("PUT", self._prefix + path, body=content, headers=dict(headers))
        return _answer(connection.getresponse())

    def _connected(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None or connection.sock is None:
            connection = self._connection()
            connection.connect()
            connection.sock.settimeout(_TIMEOUT_SECONDS)
            self._local.connection = connection
        return connection

    def _connection(self) -> http.client.HTTPConnection:
        if self._context is not None:
            return http.client.HTTPSConnection(self._host, self._port, timeout=_CONNECT_SECONDS, context=self._context)
        return http.client.HTTPConnection(self._host, self._port, timeout=_CONNECT_SECONDS)


def _is_sent(connection: http.client.HTTPConnection, block: Block) -> bool:
    """False where the line broke: there may be an answer. A silent line has none: raises httpx.WriteTimeout."""
    try:
        if isinstance(block, FilePart):
            block.send(connection.sock)
        else:
            connection.send(block)
    except TimeoutError as error:
        raise httpx.WriteTimeout(str(error)) from error
    except OSError:
        return False
    return True


def _answer(answer: http.client.HTTPResponse) -> httpx.Response:
    body = answer.read(ANSWER_BYTES + 1)
    if len(body) > ANSWER_BYTES:
        answer.close()
        raise endless()
    fields = [
        (name.encode("latin-1", "replace"), value.encode("latin-1", "replace"))  # what is no ASCII was damaged
        for name, value in answer.getheaders()
        if name.lower() not in REPLACED
    ]
    return httpx.Response(answer.status, headers=fields, content=body)
