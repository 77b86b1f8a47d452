"""What a provider of OpenID Connect publishes: its addresses and its keys, kept for a while in each process.

OpenID Connect Discovery 1.0, section 4. Whoever needs them waits only where there are none yet: what has become old is
asked for again beside, and counts until the answer is there, for a day at most.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from authlib.oidc.discovery import get_well_known_url
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key

from transfer_service.errors import ProviderAway, SourceFailed
from transfer_service.remote.connections import Guard, Patience
from transfer_service.remote.exchange import Client
from transfer_service.remote.responses import SourceBroke
from transfer_service.remote.targets import Target
from transfer_service.threads import run_beside

CONNECT_SECONDS, EXCHANGE_SECONDS = 5.0, 10.0
FRESH_SECONDS, STALE_SECONDS = 3600.0, 86_400.0
PAUSE_SECONDS = 5.0
"""After a failure nobody asks again for so long, and nobody before for keys that are new."""
MAX_ANSWER_BYTES = 1024 * 1024
_KINDS = frozenset({"RSA", "EC", "OKP"})
"""No secret is a key here: with one, whoever knows it could sign."""
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "transfer-service"}


class Exchange:
    """Asks a provider. Its addresses may be private ones: the operator has named it."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic, seconds: float = EXCHANGE_SECONDS) -> None:
        self._client = Client(Guard(allow_private=True, resolve=socket.getaddrinfo))
        self._now, self._seconds = now, seconds

    def ask(
        self, url: str, *, headers: Mapping[str, str] | None = None, form: bytes | None = None
    ) -> tuple[int, dict[str, Any]]:
        """The status and the JSON object of an answer, which are here within the time. Raises ProviderAway."""
        seconds = self._seconds
        patience = Patience(
            now=self._now, until=self._now() + seconds, connect_seconds=min(CONNECT_SECONDS, seconds),
            idle_seconds=seconds, pause_seconds=seconds,
        )  # fmt: skip
        data = b""
        try:
            target = Target.parse(url)
            with self._client.get(
                target, headers={**_HEADERS, **(headers or {})}, patience=patience, form=form
            ) as answer:
                while block := answer.read():
                    data += block
                    if len(data) > MAX_ANSWER_BYTES:
                        raise ProviderAway
                status = answer.head.status
        except (SourceFailed, SourceBroke) as error:
            raise ProviderAway from error
        return status, _object(data)


def _object(data: bytes) -> dict[str, Any]:
    """The JSON object in an answer. Raises ProviderAway."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProviderAway from error
    if not isinstance(value, dict):
        raise ProviderAway
    return value


@dataclass(frozen=True, slots=True)
class Published:
    """What a provider has published, and when that was asked for."""

    metadata: Mapping[str, Any]
    keys: tuple[Key, ...]
    at: float

    def find_keys(self, key_id: str | None) -> list[Key]:
        """The keys that a token may be signed with which names this one, or none."""
        return [key for key in self.keys if key_id is None or key.kid == key_id]

    def has_keys_of(self, other: "Published") -> bool:
        """Whether the keys are the same as those of another time."""
        return _thumbprints(self) == _thumbprints(other)


class Provider:
    """Keeps what the provider of an issuer has published."""

    def __init__(
        self,
        issuer: str,
        exchange: Exchange,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        self._issuer = issuer
        self._exchange = exchange
        self._now = now
        self._sleep = sleep or time.sleep
        self._published: Published | None = None
        self._lock = threading.Lock()
        self._tried_at = -PAUSE_SECONDS
        self._asked_in_vain = False
        self._is_renewing = False

    def warm_up(self) -> None:
        """Ask beside everything else, so that the first who signs in need not wait."""
        if not self._is_renewing:
            self._is_renewing = True
            run_beside(self._renew)

    def published(self) -> Published:
        """What it has published. Raises ProviderAway where that is not known, or was a day ago."""
        known = self._published
        age = self._now() - known.at if known is not None else STALE_SECONDS
        if known is None or age >= STALE_SECONDS:
            return self._ask_again(since=known)
        if age >= FRESH_SECONDS:
            self.warm_up()
        return known

    def republished(self, since: Published) -> Published:
        """What it has published, asked for anew: a token names a key that is not among those of `since`.

        Not more than once in PAUSE_SECONDS, whatever tokens name: whoever comes sooner waits for the rest of them, but
        gets `since` at once where one was asked for last and had not come, or no answer. Raises ProviderAway.
        """
        found = self._ask_again(since=since)
        self._asked_in_vain = found.has_keys_of(since)
        return found

    def _renew(self) -> None:
        try:
            self._ask_again(since=self._published)
        except ProviderAway:  # it is logged, and who signs in asks again
            return
        finally:
            self._is_renewing = False

    def _ask_again(self, *, since: Published | None) -> Published:
        """Ask, unless another one has since. Raises ProviderAway, at once where it was away a moment ago."""
        with self._lock:
            if self._published is not None and self._published is not since:
                return self._published
            rest = self._tried_at + PAUSE_SECONDS - self._now()
            if rest > 0:
                if since is None or self._now() - since.at >= STALE_SECONDS:
                    raise ProviderAway
                if since.at < self._tried_at or self._asked_in_vain:
                    return since
                self._sleep(rest)  # they may have changed a moment ago: no reason to refuse who comes with a new key
            self._tried_at = self._now()
            try:
                self._published = self._ask()
                self._asked_in_vain = False
            except ProviderAway as error:
                structlog.get_logger().warning("openid_provider_away", issuer=self._issuer, cause=_cause(error))
                raise
            return self._published

    def _ask(self) -> Published:
        status, metadata = self._exchange.ask(get_well_known_url(self._issuer, external=True))
        if status != 200 or metadata.get("issuer") != self._issuer:  # section 4.3
            raise ProviderAway("The identity provider is not the one of the settings")
        for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
            metadata[name] = self._address(metadata.get(name))
        if metadata.get("userinfo_endpoint") is not None:
            metadata["userinfo_endpoint"] = self._address(metadata["userinfo_endpoint"])
        status, found = self._exchange.ask(metadata["jwks_uri"])
        keys = found.get("keys")
        if status != 200 or not isinstance(keys, list):
            raise ProviderAway("The identity provider publishes no keys")
        return Published(metadata, tuple(filter(None, map(_public_key, keys))), self._now())

    def _address(self, value: object) -> str:
        """An address as it can be used. Raises ProviderAway for what is none, or is less secure than the issuer's."""
        try:
            target = Target.parse(value if isinstance(value, str) else "")
        except SourceFailed as error:
            raise ProviderAway("The identity provider publishes addresses that cannot be used") from error
        if self._issuer.startswith("https:") and not target.is_secure:
            raise ProviderAway("The identity provider publishes addresses that are not secure")
        return target.url


def _public_key(value: object) -> Key | None:
    """A key that signatures are verified with, None for others and for what this version does not know."""
    if not isinstance(value, dict) or value.get("kty") not in _KINDS or value.get("use", "sig") != "sig":
        return None
    try:
        return import_key({name: each for name, each in value.items() if name not in {"d", "key_ops"}})
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _thumbprints(published: Published) -> set[str]:
    return {key.thumbprint() for key in published.keys}


def _cause(error: ProviderAway) -> str:
    return str(error.__cause__ or error)
