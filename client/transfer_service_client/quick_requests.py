"""Small requests in great number: one connection for each thread, by the standard library.

httpx takes most of a millisecond of a processor for a request; this takes a fraction of it. Where the environment names
a proxy, httpx sends as always.
"""

import http.client
import ssl
import threading
import urllib.request
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from transfer_service_client.session import PASSING, Session, error_of, retry_after_of

_TIMEOUT_SECONDS = 90.0
_USELESS = frozenset({"transfer-encoding", "content-encoding", "content-length"})


class QuickRequests:
    """Sends requests that can be sent twice without harm. Used by many threads at once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        parts = urlsplit(session.url)
        self._host, self._port = parts.hostname or "", parts.port
        self._prefix = parts.path
        self._context = httpx.create_ssl_context(verify=session.verify) if parts.scheme == "https" else None
        proxies = urllib.request.getproxies()
        self._is_proxied = bool({parts.scheme, "all"} & proxies.keys()) and not _is_bypassed(self._host)
        self._local = threading.local()

    def put(self, path: str, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """The answer, where it is a success. Raises ApiError, Unavailable."""
        if self._is_proxied:
            return self._session.request("PUT", path, content=content, headers=headers)
        for pause in self._session.pauses():
            retry_after = None
            try:
                shown = self._session.authorization()
                answer = self._exchange(path, content, {**shown, **headers})
                is_refused = answer.status_code == httpx.codes.UNAUTHORIZED
                is_renewed = is_refused and self._session.renew(shown.get("Authorization"))
            except (OSError, http.client.HTTPException, httpx.TransportError) as error:
                self.close()
                problem: Exception = error
            else:
                if answer.is_success:
                    return answer
                if is_renewed:
                    problem = error_of(answer)
                elif answer.status_code in PASSING:
                    problem, retry_after = error_of(answer), retry_after_of(answer)
                else:
                    raise error_of(answer)
            if not pause(retry_after):
                raise self._session.away(problem) from problem
        raise AssertionError  # the pauses do not end

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
        connection = getattr(self._local, "connection", None)
        if connection is None:
            self._local.connection = connection = self._connect()
        connection.request("PUT", self._prefix + path, body=content, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read()
        fields = [(name, value) for name, value in answer.getheaders() if name.lower() not in _USELESS]
        return httpx.Response(answer.status, headers=fields, content=body)

    def _connect(self) -> http.client.HTTPConnection:
        if isinstance(self._context, ssl.SSLContext):
            return http.client.HTTPSConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS, context=self._context)
        return http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)


def _is_bypassed(host: str) -> bool:
    return bool(urllib.request.proxy_bypass(host))
