"""What it costs to renew tokens, and to know who asks: one client after the other, on one connection."""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.connection import Answer, Connection
from benchmarks.contenders import OURS, POCKETBASE, Contenders
from benchmarks.lines import Line, Side, Spent, compare, spend
from benchmarks.measure import say_goal
from benchmarks.servers import ACCOUNT, PASSWORD, Server

WARM_UP_SECONDS = 0.3
RENEWAL, KNOWN, ANYBODY = "POST /auth/refresh", "GET /auth/me", "GET /healthz"
STATUS = "/api/files/status/none"
BY_KEY, BY_TOKEN = "GET a status by key", "token"
KEY_CPU = 1.05  # of a token's: what two runs of the same differ by
RENEWAL_CPU_MS = 1.2
PEER_RENEWAL = "/api/collections/_superusers/auth-refresh"

Ask = Callable[[Connection], object]


def run(arguments: argparse.Namespace) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, ExitStack() as stack:
        contenders = Contenders(stack, Path(folder))

        def side(name: str, begin: Callable[[Server], Ask], *, way: str = "") -> Side:
            return Side(way or name, "nothing", lambda: _measure(contenders[name], begin, arguments.seconds))

        ours, by_token = side(OURS, _renewing), side(OURS, partial(_asking, "GET", STATUS), way=BY_TOKEN)
        lines = [
            Line(RENEWAL, "renewals", ours, [side(POCKETBASE, partial(_asking, "POST", PEER_RENEWAL))]),
            Line(KNOWN, "requests", side(OURS, partial(_asking, "GET", "/auth/me"))),
            Line(BY_KEY, "requests", side(OURS, _by_key), [by_token], cpu_goal=KEY_CPU),
            Line(ANYBODY, "requests", side(OURS, partial(_asking, "GET", "/healthz"))),
        ]
        compare("Sign-ins", lines, arguments)
        cpu_ms = ours.measure().cpu_seconds * 1000
        say_goal(f"{RENEWAL}: at most {RENEWAL_CPU_MS} ms of CPU", f"{cpu_ms:.2f} ms", cpu_ms <= RENEWAL_CPU_MS)


def _measure(server: Server, begin: Callable[[Server], Ask], seconds: float) -> Spent:
    ask = begin(server)
    with Connection(server.port) as connection:

        def ask_for(seconds: float) -> tuple[float, float]:
            began, asked = time.monotonic(), 0
            while (now := time.monotonic()) < began + seconds:
                ask(connection)
                asked += 1
            return asked, now - began

        ask_for(WARM_UP_SECONDS)
        return spend(server, lambda: ask_for(seconds))


def _asking(method: str, path: str, server: Server) -> Ask:
    return lambda connection: _shown(connection, method, path, server.token)


def _shown(connection: Connection, method: str, path: str, token: str) -> Answer:
    head = connection.head(method, path, 0, "application/json", f"Authorization: Bearer {token}\r\n")
    return connection.exchange(head).expect(200)


def _by_key(server: Server) -> Ask:
    """Like a token, but a key: a hash and a look-up instead of a signature that is known and a look-up."""
    body = json.dumps({"name": "bench", "scopes": ["upload", "files"]}).encode()
    with Connection(server.port, server.token) as connection:
        answer = connection.request("POST", "/auth/keys", body, media_type="application/json").expect(201)
    key = str(answer.json()["key"])
    return lambda connection: _shown(connection, "GET", STATUS, key)


def _renewing(server: Server) -> Ask:
    """Each renewal shows the token that the one before has brought."""
    body = json.dumps({"username": ACCOUNT, "password": PASSWORD}).encode()
    with Connection(server.port) as connection:
        answer = connection.request("POST", "/auth/token", body, media_type="application/json").expect(200)
    tokens = [str(answer.json()["refresh_token"])]

    def renew(connection: Connection) -> None:
        answer = _shown(connection, "POST", "/auth/refresh", tokens.pop())
        tokens.append(str(answer.json()["refresh_token"]))

    return renew
