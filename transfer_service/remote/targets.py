"""URLs of sources, taken apart once: what is checked is what is connected to."""

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import urljoin

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

from transfer_service.errors import SourceFailed

UNUSABLE = "The URL of the source cannot be used"
BAD_REDIRECT = "The source redirects to a URL that cannot be used"
MAX_URL_CHARACTERS = 8192
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_LABELS = re.compile(r"(?=.{1,254}\Z)[^.]{1,63}(\.[^.]{1,63})*\.?", re.DOTALL)  # RFC 1035 section 2.3.4
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """Where one request goes. `host` has no brackets, `path` includes the query, `url` has no fragment."""

    scheme: str
    host: str
    port: int
    path: str
    url: str

    @property
    def is_secure(self) -> bool:
        """Whether it speaks TLS."""
        return self.scheme == "https"

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read an absolute http or https URL without userinfo. Raises SourceFailed."""
        target = cls._find(url)
        if target is None:
            raise SourceFailed(UNUSABLE)
        return target

    def follow(self, location: str) -> Self:
        """The target of a redirect from here (RFC 9110 section 10.2.2). Raises SourceFailed, also on https → http."""
        try:
            # http.client reads headers as Latin-1; what servers write there is UTF-8, if it is not ASCII.
            reference = location.strip(" \t").encode("latin-1").decode("utf-8")
            # `urljoin` would take `http:///path` for a path on this host.
            target = self._find(reference if _SCHEME.match(reference) else urljoin(self.url, reference))
        except ValueError:
            target = None
        if target is None or (self.is_secure and not target.is_secure):
            raise SourceFailed(BAD_REDIRECT)
        return target

    @classmethod
    def _find(cls, url: str) -> Self | None:
        try:
            parsed = parse_url(url) if len(url) <= MAX_URL_CHARACTERS else Url()
        except LocationParseError:
            return None
        scheme, host, port = parsed.scheme or "", parsed.host, parsed.port
        if scheme not in _PORTS or not host or parsed.auth is not None or port == 0:
            return None
        if not host.startswith("[") and not _LABELS.fullmatch(host):  # resolvers trip over such names
            return None
        return cls(
            scheme=scheme,
            host=host.removeprefix("[").removesuffix("]"),
            port=port or _PORTS[scheme],
            path=parsed.request_uri,
            url=parsed._replace(fragment=None).url,
        )
