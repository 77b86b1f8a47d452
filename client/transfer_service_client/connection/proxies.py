"""Proxies of the environment, decided once for a service, so that all its requests take the same way."""

import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from transfer_service_client.connection.addresses import THIS_MACHINE
from transfer_service_client.errors import TransferError


def is_proxied(url: str) -> bool:
    """Whether a proxy stands before a service. What is meant for this machine is for no proxy to read."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in THIS_MACHINE:
        return False
    is_bypassed = any(urllib.request.proxy_bypass(each) for each in (host, parts.netloc))
    return not is_bypassed and bool({parts.scheme, "all"} & urllib.request.getproxies().keys())


def open_client(url: str, *, verify: bool | str, **settings: Any) -> httpx.Client:
    """Connections to a service, and to where it redirects.

    Raises TransferError where the environment names a proxy that cannot be used, without its words: those may have a
    password. Raises OSError where there are no certificates.
    """
    host = urlsplit(url).hostname or ""
    direct = {f"all://[{host}]" if ":" in host else f"all://{host}": None}
    context = httpx.create_ssl_context(verify=verify)
    make: Callable[..., httpx.Client] = httpx.Client
    try:
        return make(base_url=url, verify=context, mounts=None if is_proxied(url) else direct, **settings)
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        if not is_proxied(url):
            return make(base_url=url, verify=context, trust_env=False, **settings)
        raise TransferError(
            "HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or NO_PROXY says what cannot be used: a proxy is http://HOST:PORT"
        ) from error
