"""A provider of OpenID Connect of our own, which says whatever a test wants it to: also what no honest one would."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT_ID, CLIENT_SECRET = "transfer service/äöü", "secret of the client: +%&"
_FIRST_KEY = RSAKey.generate_key(2048, {"kid": "first"})
ALICE = {"sub": "alice-at-work", "email": "alice@example.com", "email_verified": True}


class HostileProvider:
    """One that runs. What it says is changed by its attributes; `asked` counts what it was asked."""

    def __init__(self, port: int, now: Callable[[], float] = time.time) -> None:
        self.issuer = f"http://127.0.0.1:{port}"
        self.now = now
        self._codes: dict[str, dict[str, str]] = {}
        self.be_honest()

    def be_honest(self) -> None:
        """Say again what an honest one would."""
        self.key = _FIRST_KEY
        self.published: list[Any] = [self.key]
        self.claims: dict[str, Any] = dict(ALICE)
        self.userinfo: dict[str, Any] | None = None
        self.metadata: dict[str, Any] = {}
        self.change: Callable[[dict[str, Any]], None] = lambda _claims: None
        """What is done to the claims of an ID token before it is signed."""
        self.sign: Callable[[dict[str, Any]], str] = self.honest_token
        self.token_answer: Callable[[dict[str, Any]], tuple[int, Any]] = lambda tokens: (200, tokens)
        self.is_away = False
        self.asked: list[str] = []

    def honest_token(self, claims: dict[str, Any]) -> str:
        """An ID token by the present key."""
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)

    def describe(self) -> dict[str, Any]:
        """Its metadata."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/me",
            "scopes_supported": ["openid", "email", "groups"],
            **self.metadata,
        }

    def authorize(self, url: str, **changes: str | None) -> str:
        """Sign somebody in who was sent to `url`, and give where the browser is sent back to."""
        asked = dict(parse_qsl(urlsplit(url).query))
        assert (asked["response_type"], asked["code_challenge_method"]) == ("code", "S256")
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        answer = {"code": code, "state": asked["state"], **changes}
        return (
            f"{asked['redirect_uri']}?{urlencode({name: value for name, value in answer.items() if value is not None})}"
        )

    def redeem(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        """The tokens for a code, once."""
        name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
        if (unquote_plus(name), unquote_plus(secret)) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client"}
        asked = self._codes.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode()
        if asked is None or challenge.rstrip("=") != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        if form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        now = int(self.now())
        claims = {"iss": self.issuer, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims |= self.claims
        self.change(claims)
        tokens = {"access_token": "at", "token_type": "Bearer", "id_token": self.sign(claims)}
        return self.token_answer(tokens)


def _handler(provider: HostileProvider) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            answers: dict[str, Any] = {
                "/.well-known/openid-configuration": provider.describe(),
                "/keys": {"keys": [key.as_dict(private=False) for key in provider.published]},
                "/me": provider.claims if provider.userinfo is None else provider.userinfo,
            }
            self._answer(200 if answers.get(self.path) is not None else 404, answers.get(self.path) or {})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body, keep_blank_values=True).items()}
            if provider.is_away:
                self._answer(502, {})
            else:
                self._answer(*provider.redeem(form, self.headers.get("Authorization", "")))

        def _answer(self, status: int, value: Any) -> None:
            provider.asked.append(self.path)
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(502 if provider.is_away else status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def hostile_provider(now: Callable[[], float] = time.time) -> Iterator[HostileProvider]:
    """One on a free port of this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    provider = HostileProvider(server.server_address[1], now)
    server.RequestHandlerClass = _handler(provider)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
