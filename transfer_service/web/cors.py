"""Pages of other origins: which may call the service, and which may do so with cookies (WHATWG Fetch section 3.3).

One rule for every door, Socket.IO's included: an origin is allowed if it is listed, compared whole. `*` lets every page
in, but none that is not listed may use cookies.
"""

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from flask import current_app, request

from transfer_service.errors import Forbidden
from transfer_service.web.addresses import absolute_url

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

ORIGINS = "transfer_service.origins"
ANY = "*"
METHODS = "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"
PREFLIGHT_SECONDS = 7200
EXPOSED_HEADERS = (
    "Accept-Patch",
    "Accept-Ranges",
    "Allow",
    "Content-Disposition",
    "Content-Range",
    "Date",
    "ETag",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Repr-Digest",
    "Retry-After",
    "Tus-Checksum-Algorithm",
    "Tus-Extension",
    "Tus-Max-Size",
    "Tus-Resumable",
    "Tus-Version",
    "Upload-Complete",
    "Upload-Concat",
    "Upload-Defer-Length",
    "Upload-Draft-Interop-Version",
    "Upload-Expires",
    "Upload-Incomplete",
    "Upload-Length",
    "Upload-Limit",
    "Upload-Metadata",
    "Upload-Offset",
    "WWW-Authenticate",
    "X-Content-Type-Options",
    "X-File-Id",
    "X-File-Name",
    "X-Request-Id",
)
"""What a script of another origin may read, besides the few fields that it always may (Fetch section 2.2.6)."""

_PREFIX = "access-control-"
_FIELD_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:[ \t]*,[ \t]*[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")


class Origins:
    """The origins that the settings name: each whole and in lower case, or `*` alone."""

    def __init__(self, allowed: Collection[str]) -> None:
        self._listed = frozenset(allowed) - {ANY}
        self.are_all_allowed = ANY in allowed
        self.are_configured = bool(allowed)

    def may_use_cookies(self, origin: str | None) -> bool:
        """Whether it is listed by name."""
        return origin is not None and origin.lower() in self._listed

    def is_own(self, origin: str | None, host: str | None) -> bool:
        """Whether a page of the service itself says so. The scheme may differ: a proxy in front may speak TLS."""
        if not origin or not host:
            return False
        try:
            parts = urlsplit(origin.lower())
        except ValueError:  # brackets without an address in them
            return False
        is_whole = origin.lower() in {f"http://{parts.netloc}", f"https://{parts.netloc}"}
        return is_whole and parts.netloc == host.lower()

    def is_allowed(self, origin: str | None) -> bool:
        """Whether its pages may read answers at all."""
        return self.are_all_allowed or self.may_use_cookies(origin)


def refuse_foreign_pages(detail: str) -> None:
    """Let no form of a stranger's page show a password in its visitor's name. Raises Forbidden with `detail`.

    Browsers say where a request comes from (Fetch Metadata section 2.3); a form needs no preflight. By plain http they
    say its origin alone.
    """
    origins: Origins = current_app.extensions[ORIGINS]
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    is_foreign = _is_of_another_host(origin) if site is None else site.strip().lower() == "cross-site"
    if is_foreign and not origins.may_use_cookies(origin):
        raise Forbidden(detail)


def _is_of_another_host(origin: str | None) -> bool:
    """Whether it is an origin, and of none of the hosts that this service is reached by; `null` is of no host."""
    if origin is None:
        return False
    own = {urlsplit(absolute_url("")).hostname, urlsplit(f"//{request.host}").hostname}
    try:
        return urlsplit(origin).hostname not in own
    except ValueError:
        return True


def share_with_origins(application: "WSGIApplication", origins: Origins) -> "WSGIApplication":
    """Put the fields of CORS on every answer, in place of those that a library may have put there."""

    def sharing(environ: "WSGIEnvironment", start_response: "StartResponse") -> "Iterable[bytes]":
        def start(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            kept = [field for field in headers if field[0][: len(_PREFIX)].lower() != _PREFIX]
            return start_response(status, with_vary(kept, environ, origins) + fields_for(environ, origins), *more)

        return application(environ, start)

    return sharing


def fields_for(environ: "WSGIEnvironment", origins: Origins) -> list[tuple[str, str]]:
    """The fields of CORS for an answer to this request, none for an origin that is not allowed."""
    origin: str | None = environ.get("HTTP_ORIGIN")
    if origin is None or not origins.is_allowed(origin):
        return []
    fields = [("Access-Control-Allow-Origin", ANY if origins.are_all_allowed else origin)]
    if not origins.are_all_allowed:
        fields.append(("Access-Control-Allow-Credentials", "true"))
    if not _is_preflight(environ):
        return [*fields, ("Access-Control-Expose-Headers", ", ".join(EXPOSED_HEADERS))]
    fields += [("Access-Control-Allow-Methods", METHODS), ("Access-Control-Max-Age", str(PREFLIGHT_SECONDS))]
    asked = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "").strip()
    # Named one by one: `*` would leave Authorization out, and with credentials it is a name like any other.
    return [*fields, ("Access-Control-Allow-Headers", asked)] if _FIELD_NAMES.fullmatch(asked) else fields


def with_vary(headers: list[tuple[str, str]], environ: "WSGIEnvironment", origins: Origins) -> list[tuple[str, str]]:
    """The headers with what a cache must tell answers apart by."""
    by = [] if origins.are_all_allowed or not origins.are_configured else ["Origin"]
    if origins.are_configured and _is_preflight(environ):
        by += ["Access-Control-Request-Method", "Access-Control-Request-Headers"]
    return [*headers, ("Vary", ", ".join(by))] if by else headers


def _is_preflight(environ: "WSGIEnvironment") -> bool:
    return environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
