"""A service that only renews tokens, without a socket, and sessions of it."""

import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from transfer_service_client.connection.credentials import CredentialFile, Tokens
from transfer_service_client.connection.session import Session

URL, ACCOUNT = "http://service.example", "alice"
Answer = Callable[[httpx.Request], httpx.Response]


class TokenService:
    """Renews tokens, each refresh token once. `troubles` are what happens at /auth/refresh first."""

    def __init__(self) -> None:
        self.access, self.refresh, self.renewals = "a0", "r0", 0
        self.troubles: list[Answer] = []
        self.asked: list[tuple[str, str | None]] = []
        self._lock = threading.Lock()

    def answer(self, request: httpx.Request) -> httpx.Response:
        shown = request.headers.get("Authorization")
        with self._lock:
            self.asked.append((request.url.path, shown))
            if request.url.path == "/auth/refresh":
                if self.troubles:
                    return self.troubles.pop(0)(request)
                return self._renew(shown)
            if shown != f"Bearer {self.access}":
                return httpx.Response(401, json={"message": "Token has expired"})
        return httpx.Response(200, json={"path": request.url.path})

    def end_access(self) -> None:
        self.access = "another"

    def _renew(self, shown: str | None) -> httpx.Response:
        if shown != f"Bearer {self.refresh}":
            return httpx.Response(401, json={"message": "Token has been revoked"})
        self.renewals += 1
        self.access, self.refresh = f"a{self.renewals}", f"r{self.renewals}"
        return httpx.Response(200, json={"access_token": self.access, "refresh_token": self.refresh, "expires_in": 900})


@pytest.fixture
def service() -> TokenService:
    return TokenService()


@pytest.fixture
def open_session(service: TokenService) -> Iterator[Callable[..., Session]]:
    opened: list[Session] = []

    def make(
        *, patience_seconds: float = 30.0, expires_in: float = 900.0, keep: CredentialFile | None = None
    ) -> Session:
        tokens = Tokens("a0", "r0", time.time() + expires_in, ACCOUNT)
        session = Session(URL, tokens, keep=keep, patience_seconds=patience_seconds)
        session._http.close()
        session._http = httpx.Client(base_url=URL, transport=httpx.MockTransport(service.answer))
        opened.append(session)
        return session

    yield make
    for each in opened:
        each.close()
