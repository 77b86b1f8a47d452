"""Requests to a File Browser: sign-in, the token in its own field, and no step to any other server."""

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

from transfer_service_client.connection.answers import error_of, refuse_nested_coding, whole
from transfer_service_client.connection.patience import PASSING, PATIENCE_SECONDS, pauses
from transfer_service_client.connection.proxies import open_client
from transfer_service_client.errors import SignInNeeded, TransferError, as_expected
from transfer_service_client.importers.remote_source import Broken
from transfer_service_client.version import VERSION

_CONNECTIONS = 16  # it may be a small machine at somebody's home
_CONNECT_SECONDS, _SILENT_SECONDS = 10.0, 90.0
_SHORT_PATIENCE_SECONDS = 10.0  # at the start most of the time the address is wrong
_DOTS = 2  # of a token (RFC 7519)
_Result = TypeVar("_Result")


class FileBrowserSite:
    """One account of one File Browser, for many threads at once. The password stays in memory."""

    def __init__(
        self,
        url: str,
        name: str,
        password: str,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        verify: bool | str = True,
    ) -> None:
        """`verify` as httpx takes it. Raises TransferError where a proxy of the environment cannot be used."""
        self.url, self.name = url.rstrip("/"), name
        self.patience_seconds = patience_seconds
        self._account = {"username": name, "password": password, "recaptcha": ""}
        self._token = ""
        self._is_out = False
        self._guard = threading.Lock()
        self._http = open_client(
            self.url,
            verify=verify,
            timeout=_timeout(_SILENT_SECONDS),
            limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
            headers={"User-Agent": f"transfer-service-client/{VERSION}", "Accept-Encoding": "identity"},
            event_hooks={"response": [refuse_nested_coding]},
        )

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def sign_in(self) -> None:
        """Get a token. Raises SignInNeeded where the name or the password is wrong, TransferError."""
        self.patiently(lambda: self._renew(self._token), min(self.patience_seconds, _SHORT_PATIENCE_SECONDS))

    def get_json(self, path: str) -> dict[str, Any]:
        """The object at a path. Raises TransferError, SignInNeeded."""
        answer = self.patiently(lambda: self.try_once(path))
        if answer.status_code != httpx.codes.OK:
            raise TransferError(f"File Browser refused it: HTTP {answer.status_code}")
        return self.json_of(answer)

    def patiently(self, do: Callable[[], _Result], patience_seconds: float | None = None) -> _Result:
        """Do something until it is not Broken. Raises TransferError once patience is at its end."""
        for pause in pauses(self.patience_seconds if patience_seconds is None else patience_seconds):
            try:
                return do()
            except Broken as error:
                broken = error
            if not pause(broken.problem):
                raise TransferError(f"{self.url} cannot be reached: {broken}") from broken
        raise AssertionError  # the pauses do not end

    def json_of(self, answer: httpx.Response) -> dict[str, Any]:
        """The object in an answer. Raises TransferError where it is none."""
        try:
            with as_expected():
                told = answer.json()
                told.items()
        except TransferError as error:
            raise TransferError(f"What answered at {self.url} is no File Browser") from error
        return dict(told)

    def try_once(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        is_streamed: bool = False,
        read_seconds: float | None = None,
    ) -> httpx.Response:
        """The answer to one GET, whatever it says; with a new token where the old one has ended.

        Raises Broken where the same may go well later, SignInNeeded, TransferError where it leads elsewhere.
        """
        token = self._token
        answer = self._send(path, token, headers, is_streamed=is_streamed, read_seconds=read_seconds)
        if self._has_ended(token, answer):
            answer.close()
            self._renew(token)
            answer = self._send(path, self._token, headers, is_streamed=is_streamed, read_seconds=read_seconds)
        if answer.status_code in PASSING:
            problem = error_of(answer)
            answer.close()
            raise Broken(problem)
        if answer.is_redirect:
            answer.close()
            raise TransferError(f"{self.url} leads elsewhere: give the address that it has itself")
        return answer

    def _has_ended(self, token: str, answer: httpx.Response) -> bool:
        """Whether a token has. Versions of old say so by 403, as they do of what the account may not see."""
        if answer.status_code != httpx.codes.FORBIDDEN:
            return answer.status_code == httpx.codes.UNAUTHORIZED
        renewed = self._send("/api/renew", token, None, is_streamed=False, read_seconds=None, method="POST")
        return renewed.status_code == httpx.codes.FORBIDDEN

    def _send(
        self,
        path: str,
        token: str,
        headers: Mapping[str, str] | None,
        *,
        is_streamed: bool,
        read_seconds: float | None,
        method: str = "GET",
    ) -> httpx.Response:
        fields = {name: value for name, value in (headers or {}).items() if value}
        try:
            request = self._http.build_request(
                method,
                self.url + path,
                headers={**fields, "X-Auth": token},
                timeout=_timeout(read_seconds or _SILENT_SECONDS),
            )
            answer = self._http.send(request, stream=True)
            return answer if is_streamed else self._whole(answer)
        except httpx.InvalidURL as error:
            raise TransferError("That is too long for a name") from error
        except httpx.RequestError as error:
            raise Broken(error) from error

    def _whole(self, answer: httpx.Response) -> httpx.Response:
        """An answer with its body, as long as that may be."""
        try:
            return whole(answer)
        except TransferError as error:
            raise TransferError(f"{self.url} told more of one folder than fits into memory") from error
        finally:
            answer.close()

    def _renew(self, shown: str) -> None:
        with self._guard:
            if self._token != shown:
                return  # another thread has
            if self._is_out:
                raise SignInNeeded(401, f"{self.url} does not take the name and the password any more")
            try:
                request = self._http.build_request("POST", f"{self.url}/api/login", json=self._account)
                answer = self._whole(self._http.send(request, stream=True))
            except httpx.RequestError as error:
                raise Broken(error) from error
            if answer.status_code in PASSING:
                raise Broken(error_of(answer))
            if answer.status_code in {httpx.codes.FORBIDDEN, httpx.codes.UNAUTHORIZED}:
                self._is_out = True
                raise SignInNeeded(401, f"{self.url} refused the name or the password")
            token = answer.text.strip()
            is_token = token.count(".") == _DOTS and token.isascii() and token.isprintable()
            if answer.status_code != httpx.codes.OK or not is_token:
                raise TransferError(
                    f"{self.url} is no File Browser that this command knows (FileBrowser Quantum is another program): "
                    "import its folder, by `transfer import folder`"
                )
            self._token = token


def _timeout(read_seconds: float) -> httpx.Timeout:
    return httpx.Timeout(connect=_CONNECT_SECONDS, read=read_seconds, write=_SILENT_SECONDS, pool=None)
