"""What clients call this service: absolute addresses, and the `Host` that they may be made of."""

import re
from functools import lru_cache
from urllib.parse import urlsplit

from flask import Flask, current_app, request

from transfer_service.errors import InvalidRequest

PUBLIC_URL = "PUBLIC_URL"
KNOWN_HOSTS = 64
# A name, an IPv4 or an IPv6 address, and a port (RFC 9110 section 7.2), in the characters that names have in life.
_HOST = re.compile(r"(?:[A-Za-z0-9._-]{1,255}|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{0,5})?", re.ASCII)


def absolute_url(path: str) -> str:
    """The URL of a path of this service as clients reach it.

    It begins with TRANSFER_PUBLIC_URL, or with the request's scheme, host and prefix, as believed proxies tell them.
    """
    public_url: str | None = current_app.config[PUBLIC_URL]
    if public_url is None:
        host = request.environ.get("HTTP_HOST") or request.host  # Werkzeug's would lack an underscore's name
        return f"{request.scheme}://{host.removesuffix(':').lower()}{request.root_path}{path}"
    return public_url + path


def own_path(path: str) -> str:
    """The path of a URL of `absolute_url`: with what proxies take away on its way here. It needs no host."""
    public_url: str | None = current_app.config[PUBLIC_URL]
    return (request.root_path if public_url is None else urlsplit(public_url).path) + path


def refuse_bad_host() -> None:
    """Refuse a host that is none, before it becomes part of an answer (RFC 9112 section 3.2). Raises InvalidRequest."""
    if not _is_host(request.environ.get("HTTP_HOST", "")) or request.scheme not in {"http", "https"}:
        raise InvalidRequest("The host of the request is not valid")


@lru_cache(KNOWN_HOSTS)
def _is_host(host: str) -> bool:
    """Whether it is one, or none; the port, if there is one, must be a number that ports have."""
    try:
        return not host or (_HOST.fullmatch(host) is not None and urlsplit(f"//{host}").port != 0)
    except ValueError:
        return False


def init_addresses(app: Flask, public_url: str | None) -> None:
    """Configure what the service is called and check the host of every request."""
    app.config[PUBLIC_URL] = public_url
    app.before_request(refuse_bad_host)
