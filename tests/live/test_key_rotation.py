"""Two instances on one data folder whose key is rotated while clients go from the one to the other."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import PASSWORD
from tests.live.server import LiveServer, started

TIMEOUT = 30


class Client:
    """One that renews its tokens with each call, and meets another instance each time."""

    def __init__(self, servers: list[LiveServer]) -> None:
        self._turns = cycle(servers)
        body = {"username": "alice", "password": PASSWORD}
        self.tokens: dict[str, Any] = self._ask("POST", "/auth/token", json=body).json()

    def _ask(self, method: str, path: str, **arguments: Any) -> requests.Response:
        return requests.request(method, f"{next(self._turns).url}{path}", timeout=TIMEOUT, **arguments)

    def look(self, token: str = "") -> int:
        """The status of a call with an access token, by default the latest."""
        shown = {"Authorization": f"Bearer {token or self.tokens['access_token']}"}
        return self._ask("GET", "/auth/me", headers=shown).status_code

    def renew(self) -> int:
        """The status of a renewal, whose tokens are the latest then."""
        answer = self._ask("POST", "/auth/refresh", json={"refresh_token": self.tokens["refresh_token"]})
        if answer.ok:
            self.tokens = answer.json()
        return answer.status_code


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[LiveServer]]:
    """Two instances with a generated key."""
    instances = [LiveServer(tmp_path / "data") for _ in range(2)]
    instances[0].prepare("alice")
    with ExitStack() as stack:
        for server in instances:
            stack.enter_context(started(server))
        yield instances


def test_nobody_is_signed_out_while_one_instance_after_the_other_starts_again(servers: list[LiveServer]) -> None:
    first, second = servers
    clients = [Client(servers), Client(servers[::-1])]
    unrenewed = Client(servers).tokens["access_token"]
    seen: list[int] = []
    for step in (["--prepare"], []):
        first.command("rotate-key", *step)
        for server in (first, second):
            server.stop()
            server.start()
            for client in clients * 2:
                seen += [client.look(), client.renew(), client.look(), client.look(unrenewed)]
    assert set(seen) == {200}
    assert "secret_key_differs" not in first.log_path.read_text()

    assert "dropped" in first.command("rotate-key", "--finish", "--yes")
    for server in (first, second):
        server.stop()
        server.start()
    for client in clients:
        assert (client.look(), client.renew(), client.look(unrenewed)) == (200, 200, 401)
    assert "secret_key_differs" not in first.log_path.read_text()
