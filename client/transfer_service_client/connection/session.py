"""Requests to the service: patience with networks, errors as exceptions.

One session may be used by many threads at once.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from transfer_service_client.connection.answers import error_of, json_of, refuse_nested_coding, whole
from transfer_service_client.connection.authorization import Authorization, RenewalAway, bearer, tokens_of
from transfer_service_client.connection.credentials import CredentialFile, Credentials, Tokens
from transfer_service_client.connection.patience import PASSING, PATIENCE_SECONDS, Pause, pauses
from transfer_service_client.connection.proxies import open_client
from transfer_service_client.connection.trust import context_for
from transfer_service_client.errors import ApiError, TransferError, Unavailable, as_expected
from transfer_service_client.version import VERSION

MAX_CONNECTIONS = 256
_GONE, _LOST = frozenset({404, 410}), frozenset({502, 504})  # lost: a proxy did not hear the end
SILENCE_SECONDS = 30.0
"""So long a download waits for its next byte: then it goes on over another connection."""
_ANSWER_SECONDS = 90.0  # the service may read all of a large file once more before it answers to the last byte
_TIMEOUT = httpx.Timeout(connect=10.0, read=_ANSWER_SECONDS, write=90.0, pool=None)
_ADDRESS = re.compile(r"https?://[^/?#]", re.IGNORECASE)
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")  # says nothing to people
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, RenewalAway)


class Session:
    """A connection to one service, as one account. Closed by `close`, or as a context manager."""

    def __init__(
        self,
        url: str,
        credentials: Credentials | None = None,
        *,
        keep: CredentialFile | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
        verify: bool | str = True,
    ) -> None:
        """`keep` is where new tokens are written to; `verify` as httpx takes it (False: any certificate).

        Raises TransferError where `url` is no address of http or https, or a proxy of the environment cannot be used.
        """
        self.url = url.rstrip("/")
        if not _ADDRESS.match(self.url):
            raise TransferError(f"{url!r} is no address of a service, as https://files.example.com is one")
        self.trust = context_for(self.url, verify)
        self.patience_seconds, self.silence_seconds = patience_seconds, SILENCE_SECONDS
        self._shows = Authorization(self.url, credentials, keep=keep, refresh=self._refresh)
        self._http = open_client(
            self.url,
            verify=verify,
            timeout=_TIMEOUT,
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_CONNECTIONS),
            headers={"User-Agent": f"transfer-service-client/{VERSION}", "Accept": "application/json"},
            event_hooks={"response": [refuse_nested_coding]},
        )

    @property
    def credentials(self) -> Credentials | None:
        """What it shows at present."""
        return self._shows.credentials

    def sign_in(self, name: str, password: str) -> Tokens:
        """Get tokens for a name and a password, and use them. Raises SignInNeeded where they are wrong."""
        wanted = {"username": name, "password": password}
        # An answer that is lost leaves a sign-in that nobody uses, which ends.
        answer = self._patiently(lambda: self._send("POST", "/token", json=wanted, shows=None), repeats=True)
        self._shows.credentials = tokens = tokens_of(json_of(answer), account=name)
        return tokens

    def get_json(self, path: str, **query: Any) -> Any:
        """The JSON at a path; `query` without what is None. Raises ApiError, Unavailable."""
        return json_of(self.request("GET", path, params=query))

    def get_pages(self, path: str, items: str, **query: Any) -> Iterator[dict[str, Any]]:
        """The pages of a list whose elements are in the field `items`. Raises ApiError, Unavailable."""
        cursor: str | None = None
        while True:
            page = self.get_json(path, cursor=cursor, **query)
            with as_expected():
                before, cursor = cursor, page["next_cursor"]
                iter(page[items])
                if cursor is not None and cursor == before:
                    raise ValueError  # it would go round for ever
            yield page
            if cursor is None:
                return

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        is_repeatable: bool | None = None,
    ) -> httpx.Response:
        """The answer to a request, where it is a success.

        What can be sent twice without harm (GET, HEAD, PUT, DELETE, or as `is_repeatable` says) is tried again while
        the network or the service is away. Raises ApiError, Unavailable.
        """
        return self._patiently(
            lambda: self._authorized(
                lambda: self._send(method, path, params=params, json=json, content=content, headers=headers)
            ),
            repeats=method in {"GET", "HEAD", "PUT", "DELETE"} if is_repeatable is None else is_repeatable,
            deletes=method == "DELETE",
        )

    def try_once(
        self,
        method: str,
        path: str,
        *,
        content: Iterable[bytes] | bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer to one try, whatever it says. Raises httpx.RequestError, and what `content` raises.

        After a 401 the credentials are renewed already, where they can be: `content` may not be there a second time.
        """
        shown = {**self.authorization(), **(headers or {})}
        with self._http.stream(method, path, content=content, headers=shown) as streamed:
            answer = whole(streamed)
        if answer.status_code == httpx.codes.UNAUTHORIZED and not self.renew(
            answer.request.headers.get("Authorization")
        ):
            raise error_of(answer)
        return answer

    @contextmanager
    def stream(self, method: str, path: str, *, headers: Mapping[str, str] | None = None) -> Iterator[httpx.Response]:
        """An answer whose body is read by the caller. Raises ApiError, httpx.RequestError, after `silence_seconds` too.

        A redirect (to an object store's signed address) is followed where the method is GET; another origin never gets
        the credentials.
        """
        with self._streaming(method, path, headers) as answer:
            if answer.status_code == httpx.codes.UNAUTHORIZED and self.renew(
                answer.request.headers.get("Authorization")
            ):
                answer.close()
                with self._streaming(method, path, headers) as second:
                    yield _checked(second)
                    return
            yield _checked(answer)

    def authorization(self) -> dict[str, str]:
        """The field that shows who asks; tokens are renewed before they end. Raises RenewalAway."""
        return self._shows.field()

    def renew(self, shown: str | None) -> bool:
        """Get new tokens in place of those that were shown. False where the service gives none.

        Raises RenewalAway where it cannot be asked: a lost answer may be asked for once more (the service gives another
        pair within 30 s).
        """
        return self._shows.renew(shown)

    def pauses(self) -> Iterator[Pause]:
        """Endless: each sleeps before the next try, longer each time, and is False once patience is at its end."""
        return pauses(self.patience_seconds)

    def away(self, problem: Exception) -> TransferError:
        """The error for a service that was away for too long."""
        if isinstance(problem, ApiError):
            return Unavailable(f"{self.url} cannot do that now: {problem}")
        words = _ERRNO.sub("", str(problem)) or type(problem).__name__
        return Unavailable(f"{self.url} cannot be reached: {words}")

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _patiently(self, send: Callable[[], httpx.Response], *, repeats: bool, deletes: bool = False) -> httpx.Response:
        may_be_done = False
        for pause in self.pauses():
            try:
                answer = send()
            except httpx.InvalidURL as error:
                raise TransferError("That is too long for a name") from error
            except httpx.RequestError as error:
                is_sent = not isinstance(error, _NOT_SENT)
                if is_sent and not repeats:
                    raise Unavailable(f"The answer of {self.url} was lost") from error
                problem: Exception = error
                may_be_done = may_be_done or is_sent
            else:
                if answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED:
                    return answer
                if may_be_done and deletes and answer.status_code in _GONE:
                    return answer
                if answer.status_code not in PASSING or not (repeats or answer.status_code in {429, 503}):
                    raise error_of(answer)
                problem = error_of(answer)
                may_be_done = may_be_done or answer.status_code in _LOST
            if not pause(problem):
                raise self.away(problem) from problem
        raise AssertionError  # the pauses do not end

    def _authorized(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        answer = send()
        if answer.status_code == httpx.codes.UNAUTHORIZED and self.renew(answer.request.headers.get("Authorization")):
            answer = send()
        return answer

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        shows: str | None = "",
    ) -> httpx.Response:
        """`shows`: a token other than the session's, None for nothing."""
        known = {name: value for name, value in (params or {}).items() if value is not None}
        shown = self.authorization() if shows == "" else {} if shows is None else bearer(shows)
        fields = {**shown, **(headers or {})}
        with self._http.stream(
            method, path, params=known or None, json=json, content=content, headers=fields
        ) as answer:
            return whole(answer)

    def _streaming(self, method: str, path: str, headers: Mapping[str, str] | None) -> Any:
        shown = {**self.authorization(), **(headers or {})}
        timeout = httpx.Timeout(**{**_TIMEOUT.as_dict(), "read": self.silence_seconds})
        return self._http.stream(method, path, headers=shown, follow_redirects=method == "GET", timeout=timeout)

    def _refresh(self, token: str) -> httpx.Response:
        return self._send("POST", "/auth/refresh", shows=token)


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success or answer.status_code == httpx.codes.NOT_MODIFIED:
        return answer
    raise error_of(answer)
