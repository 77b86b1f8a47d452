"""Whom TLS trusts: all authorities that are known take longer to load than a request takes, and HTTP needs none."""

import ssl
import threading
from typing import Any

import httpx


def context_for(url: str, verify: bool | str) -> ssl.SSLContext:
    """`verify` as httpx takes it, for requests to `url`: where that is plain HTTP, only a redirect may need it."""
    is_seldom = url.lower().startswith("http://") and verify is True
    return LaterContext() if is_seldom else httpx.create_ssl_context(verify=verify)


class LaterContext(ssl.SSLContext):
    """Does what httpx's own context does, which is made for the first connection. By itself it trusts nobody."""

    _making: threading.Lock
    _made: ssl.SSLContext | None

    def __new__(cls) -> "LaterContext":
        """Of a client."""
        context = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        context._making, context._made = threading.Lock(), None
        return context

    def wrap_socket(self, *arguments: Any, **named: Any) -> ssl.SSLSocket:
        """As of any context."""
        return self._context().wrap_socket(*arguments, **named)

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        """As of any context."""
        return self._context().wrap_bio(*arguments, **named)

    def set_alpn_protocols(self, alpn_protocols: Any) -> None:
        """As of any context."""
        self._context().set_alpn_protocols(alpn_protocols)

    def _context(self) -> ssl.SSLContext:
        with self._making:
            self._made = self._made or httpx.create_ssl_context()
            return self._made
